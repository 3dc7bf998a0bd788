/** Keeps the calls of one server from taking everything: so many sent at a time, so many waiting, and a clear no to the rest. */

import type { ConcurrencyOptions } from '../config/schema.js';
import type { Clock } from '../core/clock.js';
import { McpctlError } from '../core/errors.js';
import type { Policy } from './policy.js';

export interface BulkheadOptions {
  readonly server: string;
  readonly clock: Clock;
  /** Looked up each time: a configuration may change while calls wait. */
  readonly limits: () => ConcurrencyOptions;
}

/** The weight of the newest call in the usual duration. */
const weight = 0.1;
/** What is told about a server of which nothing is known yet, in milliseconds, and the bounds of what is told at all. */
const [usualMs, leastMs, mostMs] = [1_000, 100, 60_000];

export class Bulkhead {
  readonly #options: BulkheadOptions;
  #admitted = 0;
  #running = 0;
  /** Oldest first. */
  readonly #waiting = new Set<() => void>();
  #averageMs = usualMs;

  constructor(options: BulkheadOptions) {
    this.#options = options;
  }

  /** Calls sent, and calls that wait for a place. */
  get counts(): { readonly inFlight: number; readonly queued: number } {
    return { inFlight: this.#running, queued: this.#waiting.size };
  }

  /** Why no call is let in now; undefined when there is room. Whoever waits for the connection takes room as well. */
  refusal(): McpctlError | undefined {
    const { server, limits } = this.#options;
    const { inFlight, queue } = limits();
    if (this.#admitted < inFlight + queue) return undefined;
    const waitMs = (this.#averageMs * (this.#waiting.size + 1)) / inFlight;
    const retryAfterMs = Math.round(Math.min(mostMs, Math.max(leastMs, waitMs)));
    return new McpctlError('OVERLOADED', `Server "${server}" has ${this.#admitted} calls to work on and takes no more`, {
      server,
      delivered: 'no',
      hint: `try again in ${Math.ceil(retryAfterMs / 1000)} s, or raise "concurrency" of this server`,
      details: { inFlight: this.#running, waiting: this.#admitted - this.#running, retryAfterMs },
    });
  }

  /** Counts a call that was let in, until its end. */
  readonly hold: Policy = async (operation, attempt) => {
    this.#admitted++;
    try {
      return await operation(attempt);
    } finally {
      this.#admitted--;
    }
  };

  /** Runs the operation when it has a place: first come, first served. One that is given up leaves the queue. */
  readonly place: Policy = async (operation, attempt) => {
    if (this.#running < this.#options.limits().inFlight) this.#running++;
    else {
      await this.#turn(attempt.signal);
      // The silence of the server begins now.
      attempt.touch();
    }
    const startedAt = this.#options.clock.now();
    try {
      return await operation(attempt);
    } finally {
      this.#averageMs += (this.#options.clock.now() - startedAt - this.#averageMs) * weight;
      this.#running--;
      this.#next();
    }
  };

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const go = () => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      const onAbort = () => {
        this.#waiting.delete(go);
        reject(signal.reason);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(go);
    });
  }

  /** Gives free places to those who wait longest; the place is theirs before they know. */
  #next(): void {
    const { inFlight } = this.#options.limits();
    for (const go of this.#waiting) {
      if (this.#running >= inFlight) return;
      this.#waiting.delete(go);
      this.#running++;
      go();
    }
  }
}
