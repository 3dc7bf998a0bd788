/** How soon a broken event stream is opened again: as the server asks, but never in a loop. */

import type { Cancel, Clock } from '../core/clock.js';

/** No stream is opened again sooner than this, whatever `retry` the server sends. Milliseconds. */
const minMs = 100;
/** From this many streams within `windowMs` on, the next one waits at least `slowMs`. */
const burst = 10;
const windowMs = 10_000;
const slowMs = 1000;

export class ResumePace {
  #times: number[] = [];

  constructor(readonly clock: Clock) {}

  schedule(resume: () => void, delayMs: number): Cancel {
    const now = this.clock.now();
    this.#times = this.#times.filter((at) => now - at < windowMs);
    const leastMs = this.#times.length >= burst ? slowMs : minMs;
    this.#times.push(now);
    return this.clock.after(Math.max(leastMs, delayMs), resume, { background: true });
  }
}
