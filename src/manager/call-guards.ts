/** What all calls of one server share, whoever makes them: the places, the budget of repeats, what was learnt of its successes. */

import type { ConcurrencyOptions } from '../config/schema.js';
import type { Clock } from '../core/clock.js';
import { Bulkhead } from '../policy/bulkhead.js';
import { RetryBudget } from '../policy/retry-budget.js';
import { SuccessRate } from '../policy/retry-pace.js';

export class CallGuards {
  readonly bulkhead: Bulkhead;
  readonly budget: RetryBudget;
  readonly successes = new SuccessRate();

  constructor(server: string, clock: Clock, limits: () => ConcurrencyOptions) {
    this.bulkhead = new Bulkhead({ server, clock, limits });
    this.budget = new RetryBudget(clock);
  }
}
