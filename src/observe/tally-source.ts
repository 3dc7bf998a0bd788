/** Where `metrics` gets its figures from: the memory of a manager that stays, or the files in which single commands add up. */

import type { RecentLatency } from './recent.js';
import type { Tally } from './tally.js';

/** One server within a stretch of time. */
export interface ServerReading {
  readonly tally: Tally;
  /** Calls in each of `seriesLength` equal parts of the time that `Reading.seriesMs` spans; the last one is now. */
  readonly series: readonly number[];
}

export interface Reading {
  /** Epoch milliseconds. */
  readonly since: number;
  readonly until: number;
  readonly seriesMs: number;
  readonly servers: ReadonlyMap<string, ServerReading>;
  /** False: which tools were called is known only for the whole time, not for this part of it. */
  readonly hasTools: boolean;
}

export const seriesLength = 24;

export interface TallySource {
  readonly from: 'manager' | 'day';
  /** When a manager began to count, in epoch milliseconds. */
  readonly startedAt: number | undefined;
  /** The last `sinceMs` milliseconds; without it everything since the last reset, the start, or the beginning of the day. */
  read(servers: readonly string[], sinceMs: number | undefined): Promise<Reading>;
  /** Latencies of the last slots, the one that has begun included. Absent where only hours are known. */
  recent?(servers: readonly string[], slots: number): ReadonlyMap<string, RecentLatency>;
  /** Counting for people begins anew. What a monitoring system reads goes on: counters that fall look like a restart to it. */
  reset(servers: readonly string[]): Promise<void>;
  /** Everything counted since the start, or on this day. */
  totals(servers: readonly string[]): Promise<ReadonlyMap<string, Tally>>;
}
