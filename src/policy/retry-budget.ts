/** Keeps repeats a fraction of the calls: an outage is not made worse by those who notice it. */

import type { Clock } from '../core/clock.js';

export interface RetryBudgetOptions {
  /** Repeats allowed for each call within the window. */
  readonly share: number;
  /** Repeats allowed in a window whatever the number of calls: one person with one call may always try again. */
  readonly minimum: number;
  readonly windowMs: number;
}

/** Finagle's share and window; its minimum of 10 a second, made for servers, is one a second here. */
export const retryBudget: RetryBudgetOptions = { share: 0.2, minimum: 10, windowMs: 10_000 };

/** The window moves on in steps of this part of it. */
const slots = 10;

export class RetryBudget {
  /** Calls and repeats of the newest steps, each step in the place of the one that left the window. */
  readonly #calls = new Array<number>(slots).fill(0);
  readonly #repeats = new Array<number>(slots).fill(0);
  #step = 0;

  constructor(
    readonly clock: Clock,
    readonly options: RetryBudgetOptions = retryBudget,
  ) {}

  /** One more call, not counting its repeats. */
  called(): void {
    this.#calls[this.#now()]!++;
  }

  /** Takes one repeat out of the budget; false when nothing is left. */
  take(): boolean {
    const at = this.#now();
    const allowed = this.options.minimum + this.options.share * sum(this.#calls);
    if (sum(this.#repeats) + 1 > allowed) return false;
    this.#repeats[at]!++;
    return true;
  }

  /** The place of the present step, with everything forgotten that is older than the window. */
  #now(): number {
    const step = Math.floor((this.clock.now() * slots) / this.options.windowMs);
    for (let old = Math.max(this.#step + 1, step - slots + 1); old <= step; old++) {
      this.#calls[old % slots] = 0;
      this.#repeats[old % slots] = 0;
    }
    this.#step = Math.max(this.#step, step);
    return this.#step % slots;
  }
}

function sum(values: readonly number[]): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
