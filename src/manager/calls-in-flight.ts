/** The calls one server is working on: counted, waited for when it has to go, and ended when that takes too long. */

import type { Clock } from '../core/clock.js';
import type { McpctlError } from '../core/errors.js';

export class CallsInFlight {
  readonly #calls = new Set<AbortController>();
  #onIdle: (() => void)[] = [];

  add(call: AbortController): void {
    this.#calls.add(call);
  }

  delete(call: AbortController): void {
    this.#calls.delete(call);
    if (this.#calls.size > 0) return;
    const told = this.#onIdle;
    this.#onIdle = [];
    for (const tell of told) tell();
  }

  /** Lets the calls end for `limitMs` milliseconds, then aborts those that are left with `reason`. */
  async drain(clock: Clock, limitMs: number, reason: McpctlError): Promise<void> {
    if (this.#calls.size === 0) return;
    await new Promise<void>((resolve) => {
      const cancel = clock.after(limitMs, resolve);
      this.#onIdle.push(() => {
        cancel();
        resolve();
      });
    });
    for (const call of this.#calls) call.abort(reason);
  }
}
