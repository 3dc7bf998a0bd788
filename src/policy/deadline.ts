/** Bounds an operation: by silence, which progress ends, and by a hard limit, which nothing extends. */

import type { Cancel, Clock } from '../core/clock.js';
import { formatDuration } from '../core/duration.js';
import { McpctlError } from '../core/errors.js';
import type { Attempt, Policy } from './policy.js';

export interface DeadlineOptions {
  /** Milliseconds without an answer or a progress notification. */
  readonly idleMs: number;
  /** Milliseconds in all, whatever progress is reported (MCP specification, lifecycle, "Timeouts": SHOULD). */
  readonly totalMs: number;
  /** Names the operation in the error: `call everything/echo`. */
  readonly what: string;
  readonly server: string;
  /** What to do about it; by default the flag of the command line. */
  readonly hint?: string;
}

/**
 * Aborts the attempt when it is silent for `idleMs` or has taken `totalMs`.
 *
 * @throws McpctlError `TIMEOUT` (delivered: maybe), through the operation, which rejects with the reason of its signal.
 */
export function deadline(options: DeadlineOptions, clock: Clock): Policy {
  return async (operation, attempt) => {
    const bound = new Bound(options, clock, attempt);
    const bounds = boundsOf(clock);
    bounds.add(bound);
    try {
      const { signal, abort } = attempt;
      return await operation({ signal, abort, attempt: attempt.attempt, touch: bound.touch, endsAt: bound.endsAt });
    } finally {
      bounds.delete(bound);
    }
  };
}

/** One operation with a deadline. */
class Bound {
  readonly #startedAt: number;
  #touchedAt: number;

  constructor(
    readonly options: DeadlineOptions,
    readonly clock: Clock,
    readonly attempt: Attempt,
  ) {
    this.#startedAt = clock.now();
    this.#touchedAt = this.#startedAt;
  }

  readonly touch = (aheadMs = 0): void => {
    this.#touchedAt = this.clock.now() + aheadMs;
    this.attempt.touch(aheadMs);
  };

  get endsAt(): number {
    return Math.min(this.attempt.endsAt, this.#startedAt + this.options.totalMs);
  }

  get dueAt(): number {
    return Math.min(this.#touchedAt + this.options.idleMs, this.#startedAt + this.options.totalMs);
  }

  expire(now: number): void {
    this.attempt.abort(timeout(this.options, now - this.#startedAt));
  }
}

/** A timer this many milliseconds late means that the process stood still: it was suspended. */
const lateMs = 500;

/** Then it gets this many milliseconds to read what came meanwhile: an answer that waits in a pipe is no silence. */
const secondLookMs = 150;

/** The deadlines of one clock under one timer: with many operations in flight, a timer for each costs more than all the rest here. */
class Bounds {
  readonly #bounds = new Set<Bound>();
  #cancelTimer: Cancel = () => {};
  /** When the timer fires; infinite = there is none. */
  #firesAt = Number.POSITIVE_INFINITY;

  constructor(readonly clock: Clock) {}

  add(bound: Bound): void {
    this.#bounds.add(bound);
    if (bound.dueAt < this.#firesAt) this.#arm(bound.dueAt);
  }

  delete(bound: Bound): void {
    this.#bounds.delete(bound);
    if (this.#bounds.size > 0) return;
    this.#cancelTimer();
    this.#firesAt = Number.POSITIVE_INFINITY;
  }

  #arm(at: number, { isSecondLook = false } = {}): void {
    this.#cancelTimer();
    this.#firesAt = at;
    this.#cancelTimer = this.clock.after(Math.max(0, at - this.clock.now()), () => this.#fire(isSecondLook));
  }

  #fire(isSecondLook: boolean): void {
    const now = this.clock.now();
    // Once only: a process that is always late still ends its calls.
    if (!isSecondLook && now - this.#firesAt > lateMs) {
      this.#arm(now + secondLookMs, { isSecondLook: true });
      return;
    }
    this.#firesAt = Number.POSITIVE_INFINITY;
    let next = Number.POSITIVE_INFINITY;
    for (const bound of this.#bounds) {
      if (bound.dueAt > now) next = Math.min(next, bound.dueAt);
      else {
        this.#bounds.delete(bound);
        bound.expire(now);
      }
    }
    if (Number.isFinite(next)) this.#arm(next);
  }
}

const allBounds = new WeakMap<Clock, Bounds>();

function boundsOf(clock: Clock): Bounds {
  let bounds = allBounds.get(clock);
  if (!bounds) {
    bounds = new Bounds(clock);
    allBounds.set(clock, bounds);
  }
  return bounds;
}

function timeout({ what, server, idleMs, totalMs, hint }: DeadlineOptions, elapsedMs: number): McpctlError {
  const why = elapsedMs >= totalMs ? `no answer within ${formatDuration(totalMs)}` : `silent for ${formatDuration(idleMs)}`;
  return new McpctlError('TIMEOUT', `${what}: ${why}`, {
    server,
    hint: hint ?? 'give it longer with --timeout, e.g. --timeout 5m',
    details: { idleMs, totalMs, elapsedMs: Math.round(elapsedMs) },
    delivered: 'maybe',
  });
}
