/** Tries again what is worth it and allowed: after a wait, within the deadline and within the server's budget of repeats. */

import type { RetryOptions } from '../config/schema.js';
import type { Clock, Random } from '../core/clock.js';
import { McpctlError } from '../core/errors.js';
import { failureClass } from './failure-class.js';
import type { Policy } from './policy.js';
import type { RetryBudget } from './retry-budget.js';
import { maxTries, retryWaitMs, type SuccessRate } from './retry-pace.js';

/** The longest wait that a server may ask for, in milliseconds; more is told at once. */
export const maxRetryAfterMs = 60_000;

/** Above what a server asks for, so that all it sent away do not come back together. */
const retryAfterJitter = 0.1;

export interface RetryParts {
  readonly options: RetryOptions;
  readonly budget: RetryBudget;
  readonly successes: SuccessRate;
  /** Whether what failed so may be done again: only the caller knows what it does. */
  readonly mayRepeat: (error: McpctlError) => boolean;
  /** Told before each wait. `attempt` is the number of the next try. */
  readonly onRetry?: (retry: { attempt: number; maxAttempts: number; waitMs: number; error: McpctlError }) => void;
}

/**
 * Runs an operation until it succeeds, fails in a way that a repeat does not change, or may not be repeated. What a server asks for
 * with Retry-After (`details.retryAfterMs`) is the wait, if it is no longer than 60 s. A wait that would not end before the operation
 * does is not begun.
 *
 * @throws the error of the last try that was made, unchanged; the reason of the signal at once on abort, also while waiting.
 */
export function retry(
  { options, budget, successes, mayRepeat, onRetry }: RetryParts,
  time: { clock: Clock; random: Random },
): Policy {
  const { clock, random } = time;
  return async (operation, attempt) => {
    budget.called();
    let own: unknown;
    for (let tries = 1; ; tries++) {
      try {
        const result = await operation(tries === 1 ? attempt : { ...attempt, attempt: tries });
        successes.succeeded();
        return result;
      } catch (error) {
        // Refused at once after failures of its own: those are the news.
        if (own !== undefined && isRefusal(error)) throw own;
        if (attempt.signal.aborted || failureClass(error) === 'non-retryable') throw error;
        own = error;
        successes.failed();
        const known = error as McpctlError;
        const maxAttempts = maxTries(options, successes.value);
        if (tries >= maxAttempts || !mayRepeat(known)) throw error;
        const askedMs = known.details?.retryAfterMs;
        const isAsked = typeof askedMs === 'number';
        if (isAsked && askedMs > maxRetryAfterMs) throw error;
        const waitMs = isAsked
          ? Math.round(askedMs * (1 + retryAfterJitter * options.jitter * random()))
          : retryWaitMs(tries, options, successes.value, random);
        if (clock.now() + waitMs >= attempt.endsAt || !budget.take()) throw error;
        onRetry?.({ attempt: tries + 1, maxAttempts, waitMs, error: known });
        // A wait of our own is no silence of the server.
        attempt.touch(waitMs);
        await clock.sleep(waitMs, attempt.signal);
      }
    }
  };
}

/** A circuit breaker let nothing through. */
export function isRefusal(error: unknown): boolean {
  return error instanceof McpctlError && error.code === 'CIRCUIT_OPEN';
}
