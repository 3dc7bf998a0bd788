/** How long to wait before the next try, and what the adaptive strategy has learnt from the tries before. */

import type { RetryOptions } from '../config/schema.js';
import type { Random } from '../core/clock.js';

/** The weight of the newest try: what happened 20 tries ago still counts for an eighth. */
const weight = 0.1;
/** With nothing but failures lately, the adaptive strategy waits this many times longer. */
const slowest = 4;
/** Below this share of successes, the adaptive strategy tries no more than twice. */
const hopelessRate = 0.2;

/** The share of recent tries that succeeded, from 0 to 1; 1 before the first. */
export class SuccessRate {
  #value = 1;

  get value(): number {
    return this.#value;
  }

  succeeded(): void {
    this.#value += (1 - this.#value) * weight;
  }

  failed(): void {
    this.#value -= this.#value * weight;
  }
}

/** Tries altogether, at least one. */
export function maxTries({ strategy, maxAttempts }: RetryOptions, successRate: number): number {
  if (strategy === 'none') return 1;
  return strategy === 'adaptive' && successRate < hopelessRate ? Math.min(2, maxAttempts) : maxAttempts;
}

/**
 * Milliseconds before the next try after `failures` failed ones (1 = the first). Never above `maxDelayMs`; the `jitter` part of it
 * is left to chance, so that many callers do not come back at the same instant.
 */
export function retryWaitMs(failures: number, options: RetryOptions, successRate: number, random: Random): number {
  const { strategy, baseDelayMs, maxDelayMs, jitter } = options;
  const growth = strategy === 'linear' ? failures : 2 ** (failures - 1);
  const slowness = strategy === 'adaptive' ? 1 + (slowest - 1) * (1 - successRate) : 1;
  const ceilingMs = Math.min(maxDelayMs, baseDelayMs * growth * slowness);
  return Math.round(ceilingMs * (1 - jitter + jitter * random()));
}
