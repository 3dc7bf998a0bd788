/** How results look: tables, colours and columns for people. Loaded by commands that print more than plain text. */

import { Chalk, type ChalkInstance } from 'chalk';
import Table from 'cli-table3';
import { displayWidth } from '../core/display-width.js';

export interface Column {
  readonly head: string;
  /** Gives way first when the terminal is narrow. */
  readonly flexible?: boolean;
  readonly align?: 'left' | 'right';
}

/** Between two columns. */
export const gap = 2;
const minFlexible = 12;

export function paint(color: boolean): ChalkInstance {
  return new Chalk({ level: color ? 1 : 0 });
}

/** A table without lines. Cells are cut, never wrapped, so that one row is one line; without colour support columns still align. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  options: { columns: number; color: boolean },
): string {
  const widths = columns.map(({ head }, i) => Math.max(displayWidth(head), ...rows.map((row) => displayWidth(row[i] ?? ''))));
  let surplus = widths.reduce((sum, width) => sum + width + gap, -gap) - options.columns;
  for (const [i, column] of columns.entries()) {
    if (!column.flexible || surplus <= 0) continue;
    const cut = Math.min(surplus, Math.max(0, widths[i]! - minFlexible));
    widths[i] = widths[i]! - cut;
    surplus -= cut;
  }
  const chalk = paint(options.color);
  const none = {
    top: '',
    'top-mid': '',
    'top-left': '',
    'top-right': '',
    bottom: '',
    'bottom-mid': '',
    'bottom-left': '',
    'bottom-right': '',
    left: '',
    'left-mid': '',
    mid: '',
    'mid-mid': '',
    right: '',
    'right-mid': '',
    middle: ' '.repeat(gap),
  };
  const made = new Table({
    chars: none,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    colAligns: columns.map(({ align }) => align ?? 'left'),
  });
  made.push(columns.map(({ head }) => chalk.dim(head)));
  for (const row of rows) made.push(row.map((cell, i) => truncate(cell, widths[i]!)));
  return made
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Cuts plain or coloured text to a width in columns, with an ellipsis. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let out = '';
  let used = 0;
  // Colour codes take no room and are kept whole.
  for (const [piece] of text.matchAll(/\x1b\[[0-9;]*m|[\s\S]/gu)) {
    const size = piece.startsWith('\x1b') ? 0 : displayWidth(piece);
    if (used + size > width - 1) break;
    out += piece;
    used += size;
  }
  return `${out}…${text.includes('\x1b[') ? '\x1b[0m' : ''}`;
}
