/** Time in which the machine did not let this process run: nobody can keep a deadline in it. */

const beatMs = 10;
/** A beat that comes this much late is late because of the machine; below it, timers are as they are. */
const tolerableMs = 10;

export class StallMeter implements Disposable {
  readonly #timer = setInterval(() => this.#beat(), beatMs);
  #last = performance.now();
  #totalMs = 0;

  /** Milliseconds since the meter was made. */
  totalMs(): number {
    this.#beat();
    return this.#totalMs;
  }

  #beat(): void {
    const now = performance.now();
    const lateMs = now - this.#last - beatMs;
    if (lateMs > tolerableMs) this.#totalMs += lateMs;
    this.#last = now;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
