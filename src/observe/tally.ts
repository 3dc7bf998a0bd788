/** What is counted of one server: a row of numbers with fixed columns, so that totals, slots of time and files add up alike. */

import type { ManagerEvent } from '../manager/server-status.js';

/** Why a call failed; `success` stands in front of them in a row. */
export const errorClasses = [
  'tool',
  'timeout',
  'transport',
  'protocol',
  'auth',
  'circuit_open',
  'overloaded',
  'outcome_unknown',
  'cancelled',
  'other',
] as const;
export type ErrorClass = (typeof errorClasses)[number];
type Outcome = Extract<ManagerEvent, { type: 'call-finished' }>['outcome'];

/** Upper ends in seconds: those of the OpenTelemetry conventions for MCP, and finer ones below, because a local server answers in a millisecond. */
export const bucketEnds = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300] as const;
/** One more than there are ends: what took longer than the last. */
const bucketCount = bucketEnds.length + 1;

const names = [
  'success',
  ...errorClasses,
  'retries',
  'callMs',
  'connects',
  'connectFailures',
  'restarts',
  'connectMs',
  'lists',
  'listFailures',
  'listMs',
  'breakerOpened',
  'breakerHalfOpened',
  'breakerClosed',
] as const;
export type Column = (typeof names)[number];

/** Where each column stands. */
export const column = Object.fromEntries(names.map((name, index) => [name, index])) as Readonly<Record<Column, number>>;

/** Where the buckets of each histogram begin. */
export const histogram = {
  call: names.length,
  connect: names.length + bucketCount,
  list: names.length + 2 * bucketCount,
} as const;
export type Histogram = keyof typeof histogram;

export const width = names.length + 3 * bucketCount;

/** Counts by column. Any array of numbers of this width. */
export type Row = number[] | Float64Array | Float32Array;

export function add(to: Row, from: Row): void {
  for (let i = 0; i < width; i++) to[i]! += from[i] ?? 0;
}

/** Counts something that took `ms` milliseconds. */
export function observe(row: Row, which: Histogram, ms: number): void {
  const seconds = ms / 1000;
  let bucket = 0;
  while (bucket < bucketEnds.length && seconds > bucketEnds[bucket]!) bucket++;
  row[histogram[which] + bucket]! += 1;
  row[column[sumColumn[which]]]! += ms;
}

/** The column with the sum of a histogram, in milliseconds. */
export const sumColumn = { call: 'callMs', connect: 'connectMs', list: 'listMs' } as const satisfies Record<Histogram, Column>;

export function bucketsOf(row: Row, which: Histogram): number[] {
  return Array.from(row.slice(histogram[which], histogram[which] + bucketCount));
}

/** How many calls failed, whatever the class. */
export function failedOf(row: Row): number {
  return errorClasses.reduce((sum, name) => sum + row[column[name]]!, 0);
}

export function callsOf(row: Row): number {
  return failedOf(row) + row[column.success]!;
}

/**
 * The time, in milliseconds, that the share `q` of what was observed did not exceed, as Prometheus works it out: evenly spread within
 * a bucket, the last end for what took longer. Null without observations.
 */
export function quantileMs(row: Row, which: Histogram, q: number): number | null {
  const buckets = bucketsOf(row, which);
  const total = buckets.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  const rank = q * total;
  let below = 0;
  for (const [index, end] of bucketEnds.entries()) {
    const inside = buckets[index]!;
    if (inside > 0 && below + inside >= rank) {
      const start = index === 0 ? 0 : bucketEnds[index - 1]!;
      return 1000 * (start + ((end - start) * (rank - below)) / inside);
    }
    below += inside;
  }
  return 1000 * bucketEnds.at(-1)!;
}

const classes: Partial<Record<Outcome, ErrorClass>> = {
  'tool-error': 'tool',
  TOOL_ERROR: 'tool',
  REQUEST_REFUSED: 'tool',
  TIMEOUT: 'timeout',
  UNAVAILABLE: 'transport',
  SERVER_EXITED: 'transport',
  CRASH_LOOP: 'transport',
  PROTOCOL: 'protocol',
  TOO_LARGE: 'protocol',
  AUTH_REQUIRED: 'auth',
  AUTH_FAILED: 'auth',
  AUTH_DENIED: 'auth',
  AUTH_UNAVAILABLE: 'auth',
  CREDENTIAL_STORE: 'auth',
  CIRCUIT_OPEN: 'circuit_open',
  OVERLOADED: 'overloaded',
  OUTCOME_UNKNOWN: 'outcome_unknown',
  CANCELLED: 'cancelled',
};

export function outcomeColumn(outcome: Outcome): 'success' | ErrorClass {
  return outcome === 'ok' ? 'success' : (classes[outcome] ?? 'other');
}

/** The state of a breaker, as a column. */
export const breakerColumn = {
  open: 'breakerOpened',
  'half-open': 'breakerHalfOpened',
  closed: 'breakerClosed',
} as const satisfies Record<Extract<ManagerEvent, { type: 'breaker-changed' }>['to'], Column>;

/** Calls of one tool: those that went well, and the others. */
export type ToolCounts = [success: number, error: number];

/** Everything counted of one server. */
export interface Tally {
  readonly row: Row;
  /** By label, see `ToolLabels`. */
  readonly tools: Map<string, ToolCounts>;
}

export const newTally = (): Tally => ({ row: new Float64Array(width), tools: new Map() });

export function addTally(to: Tally, from: Tally): void {
  add(to.row, from.row);
  for (const [tool, [success, error]] of from.tools) {
    const counts = to.tools.get(tool);
    if (counts) {
      counts[0] += success;
      counts[1] += error;
    } else to.tools.set(tool, [success, error]);
  }
}

/** What `from` has more than `base`. */
export function difference(from: Tally, base: Tally): Tally {
  const result = newTally();
  for (let i = 0; i < width; i++) result.row[i] = from.row[i]! - base.row[i]!;
  for (const [tool, [success, error]] of from.tools) {
    const [before, errorsBefore] = base.tools.get(tool) ?? [0, 0];
    if (success + error > before + errorsBefore) result.tools.set(tool, [success - before, error - errorsBefore]);
  }
  return result;
}
