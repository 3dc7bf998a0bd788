/** Many triggers, few runs: one run for a burst, growing distances while triggers do not stop, one running and at most one waiting. */

import type { Cancel, Clock } from '../core/clock.js';

export interface DebounceOptions {
  /** Milliseconds of quiet that end a burst. A burst that goes on is answered after `apartMs`. */
  readonly quietMs: number;
  /** Milliseconds from the start of one run to the start of the next; doubles with each run that follows on another. */
  readonly apartMs: number;
  /** The distance grows to this many milliseconds. */
  readonly maxApartMs: number;
  /** After this many runs in a row that found nothing new, the distance is `idleApartMs`. */
  readonly idleRuns: number;
  readonly idleApartMs: number;
}

export class Debounced {
  #cancelTimer: Cancel | undefined;
  #isRunning = false;
  #isWanted = false;
  #lastStart = Number.NEGATIVE_INFINITY;
  /** When the triggers began that the next run answers. */
  #firstTrigger: number | undefined;
  #apartMs: number;
  #idleRuns = 0;

  /** @param work resolves with whether it found anything new; must not reject. */
  constructor(
    readonly options: DebounceOptions,
    readonly clock: Clock,
    readonly work: () => Promise<boolean>,
  ) {
    this.#apartMs = options.apartMs;
  }

  trigger(): void {
    if (this.#isRunning) {
      this.#isWanted = true;
      return;
    }
    this.#cancelTimer?.();
    const { quietMs, apartMs } = this.options;
    const now = this.clock.now();
    if (this.#firstTrigger === undefined) {
      this.#firstTrigger = now;
      // Nothing came for longer than it would have had to wait: this is another matter.
      if (now >= this.#lastStart + this.#apartMs + quietMs) this.#calm();
    }
    const burstEndsAt = Math.min(now + quietMs, this.#firstTrigger + Math.max(quietMs, apartMs));
    const waitMs = Math.max(burstEndsAt, this.#lastStart + this.#apartMs) - now;
    this.#cancelTimer = this.clock.after(Math.max(0, waitMs), () => void this.#run(), { background: true });
  }

  #calm(): void {
    this.#apartMs = this.options.apartMs;
    this.#idleRuns = 0;
  }

  async #run(): Promise<void> {
    const { maxApartMs, idleRuns, idleApartMs } = this.options;
    const now = this.clock.now();
    const follows = now - this.#lastStart < 2 * this.#apartMs;
    this.#isRunning = true;
    this.#lastStart = now;
    this.#firstTrigger = undefined;
    try {
      this.#idleRuns = (await this.work()) ? 0 : this.#idleRuns + 1;
    } finally {
      this.#isRunning = false;
      if (this.#idleRuns >= idleRuns) this.#apartMs = idleApartMs;
      else if (follows) this.#apartMs = Math.min(maxApartMs, this.#apartMs * 2);
      if (this.#isWanted) {
        this.#isWanted = false;
        this.trigger();
      }
    }
  }

  cancel(): void {
    this.#cancelTimer?.();
    this.#isWanted = false;
    this.#firstTrigger = undefined;
  }
}
