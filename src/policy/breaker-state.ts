/** A circuit breaker as a pure function: closed, open, half-open, and what each thing that happens makes of them. */

import type { BreakerOptions } from '../config/schema.js';
import { unreachable } from '../core/errors.js';

/** Failures are a share of what was counted within this time, in milliseconds. */
export const windowMs = 60_000;
/** The window moves in steps of this many milliseconds. */
const sliceMs = 10_000;

/** Repeated openings last 1, 2, 3, … times as long, up to this (Envoy's outlier detection: base ejection time × n, at most 300 s). */
export const maxOpenMs = 300_000;
/** A breaker that was closed for this long begins with the shortest opening again, in milliseconds. */
const forgetMs = 300_000;

/** What was counted within one step of the window. */
export interface Slice {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly ok: number;
  readonly failed: number;
}

/** What was tried: to reach the server at all, or a request to a server that was reached. */
export type BreakerKind = 'reach' | 'request';

interface Always {
  /** Epoch milliseconds of the last change; 0 = never changed. */
  readonly since: number;
  /** Counts the changes in this process: a result of before the last one decides nothing. */
  readonly changes: number;
  /** In a row. */
  readonly failures: number;
  /** Oldest first. */
  readonly window: readonly Slice[];
  /** How often it opened without a longer rest in between. */
  readonly openings: number;
}

export type BreakerState = Always &
  (
    | { readonly state: 'closed' }
    /** `until` in epoch milliseconds; null = opened by hand, until somebody closes it. `cause` is what failed. */
    | { readonly state: 'open'; readonly until: number | null; readonly cause: BreakerKind }
    | { readonly state: 'half-open'; readonly cause: BreakerKind; readonly inFlight: number; readonly successes: number }
  );

/** What happens to a breaker. `at` is the wall clock in epoch milliseconds; `changes` that of the state in which the work was admitted. */
export type BreakerInput = { readonly at: number } & (
  | { readonly type: 'tick' | 'admit' | 'force-open' | 'force-close' | 'reset' }
  | { readonly type: 'success' | 'failure' | 'neither'; readonly kind: BreakerKind; readonly changes: number }
);

export const newBreaker: BreakerState = { state: 'closed', since: 0, changes: 0, failures: 0, window: [], openings: 0 };

/** Whether a request may be made now; after a `tick`. */
export function admits(state: BreakerState, { maxHalfOpenRequests }: BreakerOptions): boolean {
  return state.state === 'closed' || (state.state === 'half-open' && state.inFlight < maxHalfOpenRequests);
}

/** The next state; the very same object when the input means nothing here. */
export function transition(state: BreakerState, input: BreakerInput, options: BreakerOptions): BreakerState {
  const { at } = input;
  switch (input.type) {
    case 'tick':
      // A clock that was set back must not keep it open for as long as that was.
      return state.state === 'open' && state.until !== null && (at >= state.until || at < state.since)
        ? { ...changed(state, Math.min(at, state.until)), state: 'half-open', cause: state.cause, inFlight: 0, successes: 0 }
        : state;
    case 'admit':
      return state.state === 'half-open' ? { ...state, inFlight: state.inFlight + 1 } : state;
    case 'success':
      return input.changes === state.changes ? succeeded(state, at, input.kind, options) : state;
    case 'failure':
      return input.changes === state.changes ? failed(state, at, input.kind, options) : state;
    case 'neither':
      return input.changes === state.changes ? released(state, input.kind) : state;
    case 'force-open':
      return { ...changed(state, at), state: 'open', until: null, cause: 'request' };
    case 'force-close':
      return closed({ ...state, openings: 0 }, at);
    case 'reset':
      return { ...closed(state, at), openings: 0, window: [] };
    default:
      return unreachable(input);
  }
}

function succeeded(state: BreakerState, at: number, kind: BreakerKind, options: BreakerOptions): BreakerState {
  switch (state.state) {
    case 'closed':
      // That a server can be reached says nothing about its calls: a script that connects for each of them would never see it open.
      return kind === 'reach' ? state : { ...state, failures: 0, window: counted(state.window, at, { ok: 1, failed: 0 }) };
    case 'open':
      // Somebody insisted on reaching it, and it is there: whoever comes next may try.
      if (state.until === null) return state;
      return succeeded(
        { ...changed(state, at), state: 'half-open', cause: state.cause, inFlight: 0, successes: 0 },
        at,
        kind,
        options,
      );
    case 'half-open': {
      const { cause, successes } = state;
      // Calls that failed are not redeemed by a server that can be reached: it could be reached all the time.
      const next = successes + (kind === 'request' || cause === 'reach' ? 1 : 0);
      if (next >= options.successThreshold) return closed(state, at);
      const failures = kind === 'request' ? 0 : state.failures;
      return { ...(released(state, kind) as typeof state), failures, successes: next };
    }
    default:
      return unreachable(state);
  }
}

function failed(state: BreakerState, at: number, kind: BreakerKind, options: BreakerOptions): BreakerState {
  switch (state.state) {
    case 'closed': {
      const counts = {
        ...state,
        failures: state.failures + 1,
        window: counted(state.window, at, { ok: 0, failed: 1 }),
      };
      const { samples, percent } = failureRate(counts.window, at);
      const isTooMany = samples >= options.minSamples && percent > options.failureRateThreshold;
      if (counts.failures < options.maxFailures && !isTooMany) return counts;
      return opened(counts, at, kind, at - state.since < forgetMs ? state.openings + 1 : 1, options);
    }
    case 'open':
      return state;
    case 'half-open':
      return opened({ ...state, failures: state.failures + 1 }, at, kind, state.openings + 1, options);
    default:
      return unreachable(state);
  }
}

/** Work ended that held one of the places of a half-open breaker. */
function released(state: BreakerState, kind: BreakerKind): BreakerState {
  return state.state === 'half-open' && kind === 'request' ? { ...state, inFlight: Math.max(0, state.inFlight - 1) } : state;
}

function opened(state: BreakerState, at: number, cause: BreakerKind, openings: number, options: BreakerOptions): BreakerState {
  return { ...changed(state, at), openings, state: 'open', until: at + openMs(openings, options), cause };
}

function closed(state: BreakerState, at: number): BreakerState {
  return { ...changed(state, at), failures: 0, window: [], state: 'closed' };
}

function changed({ changes, failures, window, openings }: BreakerState, at: number): Always {
  return { since: at, changes: changes + 1, failures, window, openings };
}

/** How long the n-th opening lasts, in milliseconds. */
export function openMs(openings: number, { timeoutMs }: BreakerOptions): number {
  return Math.min(Math.max(maxOpenMs, timeoutMs), timeoutMs * openings);
}

/** What was counted within the window. `percent` is 0 when nothing was. */
export function failureRate(window: readonly Slice[], at: number): { samples: number; percent: number } {
  const slices = current(window, at);
  const bad = slices.reduce((sum, slice) => sum + slice.failed, 0);
  const samples = slices.reduce((sum, slice) => sum + slice.ok, bad);
  return { samples, percent: samples === 0 ? 0 : (100 * bad) / samples };
}

function counted(window: readonly Slice[], at: number, { ok, failed }: Omit<Slice, 'at'>): readonly Slice[] {
  const slices = current(window, at);
  const last = slices.at(-1);
  return last && at - last.at < sliceMs
    ? [...slices.slice(0, -1), { at: last.at, ok: last.ok + ok, failed: last.failed + failed }]
    : [...slices, { at, ok, failed }];
}

/** A slice of the future was written before the clock was set back. */
function current(window: readonly Slice[], at: number): readonly Slice[] {
  return window.every((slice) => isCurrent(slice, at)) ? window : window.filter((slice) => isCurrent(slice, at));
}

const isCurrent = (slice: Slice, at: number) => slice.at <= at && at - slice.at < windowMs;
