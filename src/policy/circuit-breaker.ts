/** The circuit breaker as a policy: refuses at once what would most likely fail, and finds out carefully when it would not any more. */

import type { BreakerOptions } from '../config/schema.js';
import type { Clock } from '../core/clock.js';
import { McpctlError } from '../core/errors.js';
import {
  admits,
  type BreakerInput,
  type BreakerKind,
  type BreakerState,
  failureRate,
  maxOpenMs,
  newBreaker,
  transition,
} from './breaker-state.js';
import type { Policy } from './policy.js';

/** What a result says about the health of the one who gave it. `neither`: nothing. */
export type Verdict = 'success' | 'failure' | 'neither';

/** What outlives the process; JSON values only, times in epoch milliseconds. */
export interface BreakerRecord {
  readonly state: BreakerState['state'];
  readonly since: number;
  /** When something was counted last. */
  readonly at: number;
  readonly until: number | null;
  readonly cause: BreakerKind;
  readonly failures: number;
  readonly openings: number;
  readonly successes: number;
  readonly window: BreakerState['window'];
  readonly rejected: number;
  readonly lastFailureAt: number | null;
  readonly lastSuccessAt: number | null;
}

/** What `status` shows. Times are ISO 8601 UTC; `failureRate` is a percentage of what was counted within the last minute. */
export interface BreakerStatus {
  readonly state: BreakerState['state'];
  readonly since: string;
  /** Null while it is not open, and while it is held open by hand. */
  readonly openUntil: string | null;
  readonly consecutiveFailures: number;
  readonly failureRate: number;
  readonly rejected: number;
  readonly lastFailureAt: string | null;
  readonly lastSuccessAt: string | null;
}

/** Leave to do something, handed back with its result. */
export interface Permit {
  readonly changes: number;
  /** Permits are counted. */
  readonly number: number;
}

export interface BreakerParts {
  /** Asked each time: the configuration may change. */
  readonly options: () => BreakerOptions;
  readonly clock: Pick<Clock, 'date'>;
  /** Told of every change of state, right after it. */
  readonly onChange: (from: BreakerState, to: BreakerState) => void;
}

/** Somebody came at a time when one more probe would be too many: how long to wait is a guess, in milliseconds. */
const busyMs = 1000;

export class CircuitBreaker {
  #state: BreakerState = newBreaker;
  #rejected = 0;
  #countedAt = 0;
  #lastFailureAt: number | null = null;
  #lastSuccessAt: number | null = null;
  readonly #madeAt: number;
  #permits = 0;
  /** Permits before this one were under way when a process ended, which counted once. */
  #endedBefore = 0;
  #isDirty = false;
  /** The last failure of this process. */
  lastError: McpctlError | undefined;

  constructor(readonly parts: BreakerParts) {
    this.#madeAt = this.#now();
  }

  /** As of now: an opening that is over is half-open. */
  get state(): BreakerState {
    this.#apply({ type: 'tick', at: this.#now() });
    return this.#state;
  }

  /** Whether something was counted that a later run should know of. */
  get isDirty(): boolean {
    return this.#isDirty;
  }

  /** Leave for one request; undefined = refused, and counted as such. */
  admit(): Permit | undefined {
    if (!admits(this.state, this.parts.options())) {
      this.#rejected++;
      return undefined;
    }
    if (this.#state.state === 'half-open') this.#apply({ type: 'admit', at: this.#now() });
    return this.permit();
  }

  /** Leave that is not asked for: to reach the server, which one at a time does anyway. */
  permit(): Permit {
    return { changes: this.#state.changes, number: this.#permits++ };
  }

  /** Milliseconds until somebody may come again; null = nobody knows. */
  get retryAfterMs(): number | null {
    const { state } = this;
    if (state.state !== 'open') return busyMs;
    return state.until === null ? null : Math.max(1, state.until - this.#now());
  }

  refused(): void {
    this.#rejected++;
  }

  /** @param permit null = a person insisted: the result counts whatever happened since. */
  settle(verdict: Verdict, permit: Permit | null, kind: BreakerKind, error?: unknown): void {
    const at = this.#now();
    const type = verdict === 'failure' && this.#isCountedEnd(permit, error) ? 'neither' : verdict;
    if (type !== 'neither') this.#count(type, kind, at);
    if (type === 'failure' && error instanceof McpctlError) this.lastError = error;
    this.#apply({ type, kind, at, changes: permit?.changes ?? this.#state.changes });
  }

  steer(verb: 'open' | 'close' | 'reset'): void {
    if (verb === 'reset') {
      this.#rejected = 0;
      this.#lastFailureAt = null;
      this.#lastSuccessAt = null;
    }
    this.#countedAt = this.#now();
    this.#isDirty = true;
    this.#apply({ type: verb === 'reset' ? 'reset' : `force-${verb}`, at: this.#countedAt });
  }

  status(): BreakerStatus {
    const { state } = this;
    const { percent } = failureRate(state.window, this.#now());
    return {
      state: state.state,
      since: iso(state.since || this.#madeAt)!,
      openUntil: state.state === 'open' ? iso(state.until) : null,
      consecutiveFailures: state.failures,
      failureRate: Math.round(percent * 10) / 10,
      rejected: this.#rejected,
      lastFailureAt: iso(this.#lastFailureAt),
      lastSuccessAt: iso(this.#lastSuccessAt),
    };
  }

  /** For a later run. */
  record(): BreakerRecord {
    this.#isDirty = false;
    const state = this.#state;
    return {
      state: state.state,
      since: state.since,
      at: this.#countedAt,
      until: state.state === 'open' ? state.until : null,
      cause: state.state === 'closed' ? 'request' : state.cause,
      failures: state.failures,
      openings: state.openings,
      successes: state.state === 'half-open' ? state.successes : 0,
      window: state.window,
      rejected: this.#rejected,
      lastFailureAt: this.#lastFailureAt,
      lastSuccessAt: this.#lastSuccessAt,
    };
  }

  /** Takes up where an earlier run ended, before anything is counted. Whatever a file says, it is not open for longer than the configuration allows. */
  restore(record: BreakerRecord): void {
    const { since, failures, openings, window, cause, successes } = record;
    const now = this.#now();
    const always = { since: Math.min(since, now), changes: this.#state.changes, failures, openings, window };
    const longest = now + Math.max(maxOpenMs, this.parts.options().timeoutMs);
    switch (record.state) {
      case 'closed':
        this.#state = { ...always, state: 'closed' };
        break;
      case 'open':
        this.#state = { ...always, state: 'open', cause, until: record.until === null ? null : Math.min(record.until, longest) };
        break;
      default:
        this.#state = { ...always, state: 'half-open', cause, successes, inFlight: 0 };
    }
    this.#countedAt = record.at;
    this.#rejected = record.rejected;
    this.#lastFailureAt = record.lastFailureAt;
    this.#lastSuccessAt = record.lastSuccessAt;
  }

  /** The end of a process is one failure, however many calls it took with it. */
  #isCountedEnd(permit: Permit | null, error: unknown): boolean {
    if (!permit || !(error instanceof McpctlError) || error.code !== 'SERVER_EXITED') return false;
    if (permit.number < this.#endedBefore) return true;
    this.#endedBefore = this.#permits;
    return false;
  }

  #count(type: 'success' | 'failure', kind: BreakerKind, at: number): void {
    if (type === 'failure') this.#lastFailureAt = at;
    else if (kind === 'request') this.#lastSuccessAt = at;
    // A server that is well costs no write: its successes mean something only beside failures.
    if (type === 'success' && this.#state.failures === 0 && !this.#state.window.some(({ failed }) => failed > 0)) return;
    this.#countedAt = at;
    this.#isDirty = true;
  }

  #apply(input: BreakerInput): void {
    const from = this.#state;
    this.#state = transition(from, input, this.parts.options());
    if (this.#state.changes === from.changes) return;
    // That time passes is no news: whoever reads the file has a clock, too.
    if (input.type !== 'tick') this.#isDirty = true;
    this.parts.onChange(from, this.#state);
  }

  #now(): number {
    return this.parts.clock.date().getTime();
  }
}

function iso(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}

/**
 * Runs an operation if the breaker lets it through, and tells the breaker how it went.
 *
 * @param judge what an error says about the health of the other side
 * @throws what `refusal` makes, at once; the operation's error, unchanged
 */
export function circuit(breaker: CircuitBreaker, refusal: () => McpctlError, judge: (error: unknown) => Verdict): Policy {
  return async (operation, attempt) => {
    const permit = breaker.admit();
    if (!permit) throw refusal();
    try {
      const result = await operation(attempt);
      breaker.settle('success', permit, 'request');
      return result;
    } catch (error) {
      const isOwnAbort = attempt.signal.aborted && error === attempt.signal.reason && !isDeadline(error);
      breaker.settle(isOwnAbort ? 'neither' : judge(error), permit, 'request', error);
      throw error;
    }
  };
}

/** The deadline of a request names the server it was sent to; the limit of a whole command, or of a test, does not. */
function isDeadline(error: unknown): boolean {
  return error instanceof McpctlError && error.code === 'TIMEOUT' && error.server !== undefined;
}

/** Why a server could not be reached, or ended a connection, though nothing is wrong with it; and what only a person can mend here. */
const notItsFault: ReadonlySet<unknown> = new Set([
  'session-lost',
  'era-changed',
  'closed',
  'not-found',
  'blocked',
  'command-not-found',
  'interpreter-not-found',
  'not-executable',
  'cwd-not-found',
  'too-large',
  'no-resources',
]);

/** Judges an error by its code and details (design: connect failures, timeouts, lost transports and 5xx count; answers do not). */
export function verdictOf(error: unknown): Verdict {
  if (!(error instanceof McpctlError)) return 'neither';
  const { code, details } = error;
  const status = typeof details?.status === 'number' ? details.status : undefined;
  switch (code) {
    case 'SERVER_EXITED':
      return notItsFault.has(details?.reason) ? 'neither' : 'failure';
    case 'TIMEOUT':
      return isDeadline(error) ? 'failure' : 'neither';
    case 'UNAVAILABLE':
      return notItsFault.has(details?.reason) || (status !== undefined && status < 500) ? 'neither' : 'failure';
    case 'PROTOCOL':
      // A page of a proxy where an answer should be; not a refusal (4xx), nor a result that breaks its own schema.
      return (status !== undefined && status < 500) || details?.result !== undefined ? 'neither' : 'failure';
    case 'REQUEST_REFUSED':
      return status === undefined ? 'success' : 'neither';
    default:
      return 'neither';
  }
}
