/** Policies as functions: each wraps an operation, knows none of the others, and they compose into one visible pipeline. */

import { unwatchAbort, watchAbort } from '../io/abort-hub.js';

/** What an operation may know of its circumstances, and what it may do about them. */
export interface Attempt {
  /** Ends the attempt; its `reason` is what the operation rejects with. Every operation must end with it. */
  readonly signal: AbortSignal;
  /** Ends the attempt from inside, as a deadline does. */
  readonly abort: (reason: unknown) => void;
  /** 1 for the first try. */
  readonly attempt: number;
  /**
   * Tells the policies around that the operation is alive (a progress notification came): idle deadlines start anew.
   * `aheadMs`: that many milliseconds from now, because nothing is expected before.
   */
  readonly touch: (aheadMs?: number) => void;
  /** When it is over in any case, in milliseconds of the monotonic clock; infinite = nobody has set an end. */
  readonly endsAt: number;
}

export type Operation<T> = (attempt: Attempt) => Promise<T>;

export type Policy = <T>(operation: Operation<T>, attempt: Attempt) => Promise<T>;

const nothing = () => {};

/**
 * Runs an operation with a signal of its own that also follows the caller's.
 *
 * @throws the operation's error, unchanged; the reason of the caller's signal when that is aborted already.
 */
export async function runAttempt<T>(
  callerSignal: AbortSignal,
  operation: Operation<T>,
  controller = new AbortController(),
): Promise<T> {
  callerSignal.throwIfAborted();
  watchAbort(callerSignal, controller);
  try {
    return await operation({
      signal: controller.signal,
      abort: (reason) => controller.abort(reason),
      attempt: 1,
      touch: nothing,
      endsAt: Number.POSITIVE_INFINITY,
    });
  } finally {
    unwatchAbort(callerSignal, controller);
  }
}

/** Composes policies; the first is the outermost. */
export function compose(...policies: readonly Policy[]): Policy {
  return (operation, current) => {
    let run = operation;
    for (let i = policies.length - 1; i >= 0; i--) {
      const policy = policies[i]!;
      const inner = run;
      run = (next) => policy(inner, next);
    }
    return run(current);
  };
}
