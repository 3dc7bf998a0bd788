/** How long to wait before the next background reconnect. */

import type { Random } from '../core/clock.js';

export interface BackoffOptions {
  /** Milliseconds before the first retry; doubles with each further one. */
  readonly baseMs: number;
  /** No wait is longer than this, jitter not counted. */
  readonly maxMs: number;
  /** Up to this fraction of the wait is added at random, so that many servers do not come back at the same instant. */
  readonly jitter: number;
}

/** 1, 2, 4, 8, 16, 32, then 60 s, plus 0-50 % (contract, section 5). */
export const reconnectBackoff: BackoffOptions = { baseMs: 1000, maxMs: 60_000, jitter: 0.5 };

/** Milliseconds to wait after the `failures`-th failure in a row (1 = the first). */
export function backoffMs(failures: number, options: BackoffOptions, random: Random): number {
  const waitMs = Math.min(options.maxMs, options.baseMs * 2 ** (Math.max(1, failures) - 1));
  return Math.round(waitMs * (1 + options.jitter * random()));
}
