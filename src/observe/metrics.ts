/** Counts what a manager tells while it stays: totals since its start, and the last 24 hours in slots. Calls are counted many at a time. */

import type { Cancel, Clock } from '../core/clock.js';
import type { Emitter, Subscription } from '../core/events.js';
import type { ManagerEvent } from '../manager/server-status.js';
import { type CountedEvent, isCounted } from './counted-events.js';
import { History, historyHours, slotMs } from './history.js';
import { firstSlot, type RecentLatency, recentOf } from './recent.js';
import { add, callsOf, difference, newTally, type Row, type Tally } from './tally.js';
import { countRow, countTool } from './tally-events.js';
import { type Reading, type ServerReading, seriesLength, type TallySource } from './tally-source.js';
import { ToolLabels } from './tool-labels.js';

interface Counted {
  readonly total: Tally;
  /** As it was at the last reset. */
  base: Tally;
  resetAt: number;
  wasConnected: boolean;
}

const hourMs = 3_600_000;

/** Calls wait that long to be counted, in milliseconds, and at most that many: counting each as it ends costs it 2 % of a fast call. */
const waiting = { ms: 1_000, calls: 1_000 } as const;

export class Metrics implements TallySource, Disposable {
  readonly from = 'manager';
  readonly startedAt: number;
  readonly #clock: Clock;
  readonly #servers = new Map<string, Counted>();
  readonly #labels: ToolLabels;
  readonly #history = new History();
  /** Removed from the configuration: their last calls end a little later, and count no more. */
  readonly #removed = new Set<string>();
  #listening: Subscription | undefined;
  readonly #waiting: CountedEvent[] = [];
  #cancelWait: Cancel | undefined;

  /** @param redact takes secrets out of names that servers chose */
  constructor(clock: Clock, redact?: (text: string) => string) {
    this.#clock = clock;
    this.#labels = new ToolLabels(redact);
    this.startedAt = this.#now();
  }

  listen(events: Emitter<ManagerEvent>): this {
    this.#listening = events.onAny((event) => {
      if (event.type === 'call-finished') this.#countLater(event);
      else if (isCounted(event)) {
        this.#countWaiting();
        this.#count(event, this.#now());
      } else if (event.type === 'config-changed') {
        this.#countWaiting();
        for (const name of event.removed) this.#forget(name);
        for (const name of event.added) this.#removed.delete(name);
      }
    });
    return this;
  }

  #countLater(event: CountedEvent): void {
    const count = this.#waiting.push(event);
    if (count === 1) this.#cancelWait = this.#clock.after(waiting.ms, () => this.#countWaiting(), { background: true });
    else if (count >= waiting.calls) this.#countWaiting();
  }

  /** Whoever reads counts first, and whatever else happened is counted after the calls before it. */
  #countWaiting(): void {
    if (this.#waiting.length === 0) return;
    this.#cancelWait?.();
    const at = this.#now();
    for (const event of this.#waiting) this.#count(event, at);
    this.#waiting.length = 0;
  }

  /** @param at epoch milliseconds */
  #count(event: CountedEvent, at: number): void {
    if (this.#removed.has(event.server)) return;
    const counted = this.#of(event.server);
    countRow(counted.total.row, event, counted.wasConnected);
    countRow(this.#history.slot(event.server, at), event, counted.wasConnected);
    countTool(counted.total, this.#labels, event);
    if (event.type === 'server-state' && event.to === 'connected') counted.wasConnected = true;
  }

  async read(servers: readonly string[], sinceMs: number | undefined): Promise<Reading> {
    this.#countWaiting();
    const until = this.#now();
    const span = Math.min(sinceMs ?? hourMs, historyHours * hourMs);
    const seriesMs = Math.max(span, seriesLength * slotMs);
    const readings = new Map<string, ServerReading>();
    let since = until;
    for (const server of servers) {
      const counted = this.#servers.get(server);
      const start = Math.max(counted?.resetAt ?? this.startedAt, sinceMs === undefined ? 0 : until - span);
      since = Math.min(since, start);
      if (!counted) readings.set(server, { tally: newTally(), series: new Array(seriesLength).fill(0) });
      else {
        const tally =
          sinceMs === undefined
            ? difference(counted.total, counted.base)
            : { row: this.#history.sum(server, start, until), tools: new Map() };
        readings.set(server, {
          tally,
          series: this.#series(server, Math.max(until - seriesMs, counted.resetAt), until, seriesMs),
        });
      }
    }
    return { since, until, seriesMs, servers: readings, hasTools: sinceMs === undefined };
  }

  recent(servers: readonly string[], slots: number): ReadonlyMap<string, RecentLatency> {
    this.#countWaiting();
    const until = this.#now();
    const result = new Map<string, RecentLatency>();
    for (const server of servers) {
      const rows: [Row, number][] = [];
      this.#history.each(server, firstSlot(slots, until), until, (row, at) => rows.push([row, at]));
      result.set(server, recentOf(rows, slots, until));
    }
    return result;
  }

  async reset(servers: readonly string[]): Promise<void> {
    this.#countWaiting();
    for (const server of servers) {
      const counted = this.#of(server);
      counted.base = newTally();
      add(counted.base.row, counted.total.row);
      for (const [tool, [success, error]] of counted.total.tools) counted.base.tools.set(tool, [success, error]);
      counted.resetAt = this.#now();
      this.#history.forget(server);
    }
  }

  async totals(servers: readonly string[]): Promise<ReadonlyMap<string, Tally>> {
    this.#countWaiting();
    return new Map(servers.map((server) => [server, this.#servers.get(server)?.total ?? newTally()]));
  }

  #series(server: string, from: number, until: number, seriesMs: number): number[] {
    const series: number[] = new Array(seriesLength).fill(0);
    const partMs = seriesMs / seriesLength;
    this.#history.each(server, from, until, (row, at) => {
      const part = seriesLength - 1 - Math.floor((until - Math.max(at, from)) / partMs);
      series[Math.min(Math.max(part, 0), seriesLength - 1)]! += callsOf(row);
    });
    return series;
  }

  #of(server: string): Counted {
    let counted = this.#servers.get(server);
    if (!counted) {
      counted = { total: newTally(), base: newTally(), resetAt: this.startedAt, wasConnected: false };
      this.#servers.set(server, counted);
    }
    return counted;
  }

  #forget(server: string): void {
    this.#removed.add(server);
    this.#servers.delete(server);
    this.#labels.forget(server);
    this.#history.forget(server);
  }

  #now(): number {
    return this.#clock.date().getTime();
  }

  [Symbol.dispose](): void {
    this.#listening?.off();
    this.#countWaiting();
  }
}
