/** A `Clock` whose time moves only when a test says so: timers fire in order of their due time, never by themselves. */
import type { Cancel, Clock } from '../../src/core/clock.js';

interface Timer {
  readonly id: number;
  readonly dueMs: number;
  readonly callback: () => void;
  readonly background: boolean;
}

export interface FakeClockOptions {
  /** Where the monotonic clock starts, in milliseconds (default 0). */
  readonly nowMs?: number;
  /** The wall clock at that moment (default 2026-01-01T00:00:00Z). */
  readonly date?: Date | string;
}

/** `setTimeout` of Node cannot wait longer; `systemClock` clamps to the same value. */
const maxTimerMs = 2 ** 31 - 1;
/** More timers than this inside one `advance` is an endless loop in the code under test, not a long wait. */
const maxFiringsPerAdvance = 100_000;
/** Kept from before any test can replace it with `vi.useFakeTimers`. */
const realSetImmediate = setImmediate;

export class FakeClock implements Clock {
  #nowMs: number;
  #wallOffsetMs: number;
  #nextId = 1;
  readonly #timers = new Map<number, Timer>();

  constructor({ nowMs = 0, date = '2026-01-01T00:00:00Z' }: FakeClockOptions = {}) {
    this.#nowMs = nowMs;
    this.#wallOffsetMs = new Date(date).getTime() - nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  date(): Date {
    return new Date(this.#nowMs + this.#wallOffsetMs);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const cancel = this.after(ms, () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
      const onAbort = () => {
        cancel();
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  after(ms: number, callback: () => void, { background = false }: { background?: boolean } = {}): Cancel {
    // Node turns NaN into 1 ms silently: in a test that is always a bug of the caller.
    if (Number.isNaN(ms)) throw new RangeError('FakeClock: a timer of NaN milliseconds');
    const id = this.#nextId++;
    const dueMs = this.#nowMs + Math.min(Math.max(ms, 0), maxTimerMs);
    this.#timers.set(id, { id, dueMs, callback, background });
    return () => void this.#timers.delete(id);
  }

  /**
   * Moves time forward by `ms` and fires every timer that becomes due, in order, each at its own due time.
   * Pending promises settle before, between and after the timers, so a loop of `sleep`s runs as often as it would in real time.
   */
  async advance(ms: number): Promise<void> {
    const targetMs = this.#nowMs + ms;
    await this.settle();
    for (let fired = 0; ; fired++) {
      const next = this.#next();
      if (next === undefined || next.dueMs > targetMs) break;
      if (fired >= maxFiringsPerAdvance) throw new Error(`FakeClock: ${fired} timers fired within ${ms} ms: an endless loop`);
      await this.#fire(next);
    }
    this.#nowMs = targetMs;
    await this.settle();
  }

  /** Jumps to the next timer and fires it; returns how far that was, or `undefined` when nothing waits. */
  async advanceToNext(): Promise<number | undefined> {
    await this.settle();
    const next = this.#next();
    if (next === undefined) return undefined;
    const fromMs = this.#nowMs;
    await this.#fire(next);
    return this.#nowMs - fromMs;
  }

  /** Lets every pending promise settle without moving time. */
  settle(): Promise<void> {
    return new Promise((resolve) => realSetImmediate(resolve));
  }

  /** Sets the wall clock alone, as NTP or a user does; `now()` and the timers do not notice. */
  setDate(date: Date | string): void {
    this.#wallOffsetMs = new Date(date).getTime() - this.#nowMs;
  }

  /** Milliseconds until each waiting timer, soonest first: `expect(clock.pending()).toEqual([])` finds a forgotten one. */
  pending(options: { background?: boolean } = {}): number[] {
    return [...this.#timers.values()]
      .filter((timer) => options.background === undefined || timer.background === options.background)
      .map((timer) => timer.dueMs - this.#nowMs)
      .sort((a, b) => a - b);
  }

  #next(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers.values()) if (next === undefined || timer.dueMs < next.dueMs) next = timer;
    return next;
  }

  async #fire(timer: Timer): Promise<void> {
    this.#timers.delete(timer.id);
    this.#nowMs = timer.dueMs;
    timer.callback();
    await this.settle();
  }
}
