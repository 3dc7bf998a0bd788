/** Time and chance as parameters: the only file that touches timers, `Date.now` and `Math.random`. */

/** Cancels what it was returned for; safe to call twice. */
export type Cancel = () => void;

export interface Clock {
  /** Milliseconds of a monotonic clock; for durations and deadlines. */
  now(): number;
  /** The wall clock; for timestamps and expiry. */
  date(): Date;
  /** Resolves after `ms` milliseconds; rejects with `signal.reason` at once when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Runs `callback` after `ms` milliseconds unless cancelled. `background` timers do not keep the process alive. */
  after(ms: number, callback: () => void, options?: { background?: boolean }): Cancel;
}

/** A number in [0, 1). */
export type Random = () => number;

export const systemRandom: Random = Math.random;

/** Node clamps larger delays to 1 ms. */
const maxTimerMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  date: () => new Date(),
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const timer = setTimeout(
        () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
        Math.min(ms, maxTimerMs),
      );
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  },
  after(ms, callback, { background = false } = {}) {
    const timer = setTimeout(callback, Math.min(ms, maxTimerMs));
    if (background) timer.unref();
    return () => clearTimeout(timer);
  },
};
