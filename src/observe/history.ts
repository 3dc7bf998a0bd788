/** What was counted in each 30 s of the last 24 hours. Memory is taken by the hour, and only for servers with which something happened. */

import { add, histogram, type Row, width } from './tally.js';

export const slotMs = 30_000;
const hourMs = 3_600_000;
const slotsPerHour = hourMs / slotMs;
export const historyHours = 24;
/** Without the histograms of connects and lists: half the memory. What is written behind the end of such a row is lost. */
const slotWidth = histogram.connect;

export class History {
  /** By server, then by hour since 1970. Single precision will do: a slot holds what happens in 30 s. */
  readonly #hours = new Map<string, Map<number, Float32Array>>();

  /** The row of the slot that `at` (epoch milliseconds) falls into. */
  slot(server: string, at: number): Row {
    const hour = Math.floor(at / hourMs);
    let hours = this.#hours.get(server);
    if (!hours) {
      hours = new Map();
      this.#hours.set(server, hours);
    }
    let rows = hours.get(hour);
    if (!rows) {
      // The hour that is begun and 24 whole ones; what a clock that was set back left in the future goes too.
      for (const other of hours.keys()) if (other < hour - historyHours || other > hour) hours.delete(other);
      rows = new Float32Array(slotsPerHour * slotWidth);
      hours.set(hour, rows);
    }
    const slot = Math.floor((at % hourMs) / slotMs);
    return rows.subarray(slot * slotWidth, (slot + 1) * slotWidth);
  }

  /** Calls `take` with every slot of a server that ends after `from` and has begun by `to`, both epoch milliseconds. */
  each(server: string, from: number, to: number, take: (row: Row, at: number) => void): void {
    for (const [hour, rows] of this.#hours.get(server) ?? []) {
      for (let slot = 0; slot < slotsPerHour; slot++) {
        const at = hour * hourMs + slot * slotMs;
        if (at + slotMs > from && at <= to) take(rows.subarray(slot * slotWidth, (slot + 1) * slotWidth), at);
      }
    }
  }

  /** Everything between two times, added up. */
  sum(server: string, from: number, to: number): Row {
    const total = new Float64Array(width);
    this.each(server, from, to, (row) => add(total, row));
    return total;
  }

  forget(server: string): void {
    this.#hours.delete(server);
  }
}
