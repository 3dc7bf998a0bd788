/** Keeps a server's announcements coming in the modern era: asks for them anew whenever their stream has ended. */

import type { Clock } from '../core/clock.js';

export interface ChangeSubscriptionOptions {
  readonly clock: Clock;
  /** Opens the stream; `closed` resolves when it has ended. */
  readonly listen: () => Promise<{ readonly closed: Promise<unknown> }>;
  /** Called after every interruption: what was announced meanwhile reached nobody. */
  readonly onGap: () => void;
  /** What a failed try to open the stream means. `lost`: the server is out of reach, and this is told to `onLost`. */
  readonly judge: (error: unknown) => 'again' | 'never' | 'lost';
  readonly onLost: (error: unknown) => void;
}

/** Milliseconds before the first new try; doubles with each further one. */
const baseMs = 250;
const maxMs = 60_000;
/** A stream that lived this long was a good one: the next tries begin soon again. */
const stableMs = 10_000;

export class ChangeSubscription {
  readonly #ended = new AbortController();

  constructor(readonly options: ChangeSubscriptionOptions) {
    void this.#run();
  }

  /** No further tries. The stream that is open ends with its connection. */
  end(): void {
    this.#ended.abort();
  }

  async #run(): Promise<void> {
    const { clock, listen, judge, onGap, onLost } = this.options;
    const { signal } = this.#ended;
    let failures = 0;
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      try {
        const { closed } = await listen();
        const openedAt = clock.now();
        if (!isFirst) onGap();
        await closed;
        if (clock.now() - openedAt >= stableMs) failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        const verdict = judge(error);
        if (verdict === 'lost') onLost(error);
        if (verdict !== 'again') return;
      }
      await clock.sleep(Math.min(maxMs, baseMs * 2 ** failures++), signal).catch(() => {});
    }
  }
}
