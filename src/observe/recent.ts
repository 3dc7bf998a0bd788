/** How long calls took lately, slot by slot: what the ring of snapshots has of the last minutes. */

import { slotMs } from './history.js';
import { add, quantileMs, type Row, width } from './tally.js';

/** Milliseconds; null in a slot in which nothing was called. The oldest slot comes first, the last one is now and not over yet. */
export interface RecentLatency {
  readonly slotMs: number;
  readonly p50: readonly (number | null)[];
  readonly p95: readonly (number | null)[];
  /** Of all these slots together; null without a call. */
  readonly all: { readonly p50: number; readonly p95: number } | null;
}

/** @param rows one for each slot that something happened in, with the epoch milliseconds at which it began */
export function recentOf(rows: Iterable<readonly [Row, number]>, slots: number, until: number): RecentLatency {
  const first = firstSlot(slots, until);
  const p50: (number | null)[] = new Array(slots).fill(null);
  const p95: (number | null)[] = new Array(slots).fill(null);
  const total = new Float64Array(width);
  for (const [row, at] of rows) {
    const slot = (at - first) / slotMs;
    p50[slot] = rounded(quantileMs(row, 'call', 0.5));
    p95[slot] = rounded(quantileMs(row, 'call', 0.95));
    add(total, row);
  }
  const [half, most] = [rounded(quantileMs(total, 'call', 0.5)), rounded(quantileMs(total, 'call', 0.95))];
  return { slotMs, p50, p95, all: half === null || most === null ? null : { p50: half, p95: most } };
}

/** When the first of so many slots began, the one that `until` falls into being the last; epoch milliseconds. */
export function firstSlot(slots: number, until: number): number {
  return Math.floor(until / slotMs) * slotMs - (slots - 1) * slotMs;
}

const rounded = (ms: number | null) => (ms === null ? null : Math.round(ms * 100) / 100);
