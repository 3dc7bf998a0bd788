/** Many triggers, few runs: one run for a burst, a minimum distance between runs, one running and at most one waiting. */

import type { Cancel, Clock } from '../core/clock.js';

export interface DebounceOptions {
  /** Milliseconds of quiet that end a burst. */
  readonly quietMs: number;
  /** Milliseconds from the start of one run to the start of the next. */
  readonly apartMs: number;
}

export class Debounced {
  #cancelTimer: Cancel | undefined;
  #isRunning = false;
  #isWanted = false;
  #lastStart = Number.NEGATIVE_INFINITY;

  /** @param work must not reject. */
  constructor(
    readonly options: DebounceOptions,
    readonly clock: Clock,
    readonly work: () => Promise<void>,
  ) {}

  trigger(): void {
    if (this.#isRunning) {
      this.#isWanted = true;
      return;
    }
    this.#cancelTimer?.();
    const { quietMs, apartMs } = this.options;
    const waitMs = Math.max(quietMs, this.#lastStart + apartMs - this.clock.now());
    this.#cancelTimer = this.clock.after(waitMs, () => void this.#run(), { background: true });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    this.#lastStart = this.clock.now();
    try {
      await this.work();
    } finally {
      this.#isRunning = false;
      if (this.#isWanted) {
        this.#isWanted = false;
        this.trigger();
      }
    }
  }

  cancel(): void {
    this.#cancelTimer?.();
    this.#isWanted = false;
  }
}
