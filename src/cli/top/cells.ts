/** Text in cells of a fixed width: cut, filled up, wrapped, by what a terminal shows and not by characters. */

import { displayWidth } from '../../core/display-width.js';

const isPlain = /^[\x20-\x7e]*$/;
let segmenter: Intl.Segmenter | undefined;

function clusters(text: string): Iterable<string> {
  if (isPlain.test(text)) return text;
  segmenter ??= new Intl.Segmenter();
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

/** The beginning of an uncoloured line that fits, with an ellipsis where something is missing. */
export function cut(text: string, width: number): string {
  if (width <= 0) return '';
  if (displayWidth(text) <= width) return text;
  return `${takeFrom(text, width - 1)}…`;
}

/** Exactly so wide. */
export function fill(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const short = cut(text, width);
  const space = ' '.repeat(Math.max(0, width - displayWidth(short)));
  return align === 'left' ? short + space : space + short;
}

/** A line as rows that fit; at least one. A character wider than the terminal has a row of its own. */
export function wrap(text: string, width: number): string[] {
  const rows: string[] = [];
  let row = '';
  let used = 0;
  for (const cluster of clusters(text)) {
    const size = displayWidth(cluster);
    if (used + size > width && row !== '') {
      rows.push(row);
      row = '';
      used = 0;
    }
    row += cluster;
    used += size;
  }
  return [...rows, row];
}

function takeFrom(text: string, width: number): string {
  let taken = '';
  let used = 0;
  for (const cluster of clusters(text)) {
    const size = displayWidth(cluster);
    if (used + size > width) break;
    taken += cluster;
    used += size;
  }
  return taken;
}

/** `12s`, `5m`, `3h`, `2d`: at most four columns for what a login or a breaker has left. */
export function shortSpan(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  if (seconds < 100) return `${seconds}s`;
  if (seconds < 100 * 60) return `${Math.round(seconds / 60)}m`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)}h`;
  return `${Math.min(9999, Math.round(seconds / 86_400))}d`;
}

/** `999`, `12k`, `3.4M`: at most five columns. */
export function shortCount(value: number): string {
  if (value < 10_000) return String(value);
  if (value < 999_500) return `${Math.round(value / 1000)}k`;
  return `${Math.round(value / 100_000) / 10}M`;
}

/** `0`, `0.3`, `4.2`, `120`. */
export function shortRate(value: number): string {
  return value >= 10 ? shortCount(Math.round(value)) : String(Math.round(value * 10) / 10);
}
