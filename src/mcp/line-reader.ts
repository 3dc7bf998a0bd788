/** Reads a server's stdout line by line, in turns: however much it prints, other work gets its share of the event loop. */
import type { Readable } from 'node:stream';
import type { Clock } from '../core/clock.js';
import { LineFramer, type LineFramerOptions } from './framing.js';

export interface LineReaderOptions extends LineFramerOptions {
  readonly clock: Clock;
  /** Takes one line. Returns `notification` when its message must be handled before the next one is looked at. */
  readonly onLine: (line: string) => 'notification' | undefined;
}

/** One turn of the event loop takes at most this many lines or milliseconds. */
const maxLinesPerTurn = 100;
const maxTurnMs = 5;

export class LineReader {
  readonly #options: LineReaderOptions;
  readonly #framer: LineFramer;
  #stdout: Readable | null = null;
  /** Complete lines may wait for the continuation that is on its way. */
  #waiting = false;
  #ended = false;
  #finished: (() => void) | null = null;
  #taken = 0;
  #turnEndsAt = 0;
  #discarding = false;

  constructor(options: LineReaderOptions) {
    this.#options = options;
    this.#framer = new LineFramer(options);
  }

  /** Reads until the end. Resolves when the last line has been taken; never rejects. */
  read(stdout: Readable): Promise<void> {
    this.#stdout = stdout;
    stdout.on('data', (chunk: Buffer) => {
      if (this.#discarding) return;
      this.#framer.push(chunk);
      if (!this.#waiting) this.#startTurn();
    });
    return new Promise((resolve) => {
      this.#finished = resolve;
      // 'close' comes after 'end', and also after an error or destroy().
      stdout.once('close', resolve);
      stdout.once('end', () => {
        this.#framer.end();
        this.#ended = true;
        if (!this.#waiting) this.#startTurn();
      });
    });
  }

  /** From now on the output is read, so that the server does not block on it, and thrown away. */
  discard(): void {
    this.#discarding = true;
    this.#stdout?.resume();
  }

  #startTurn(): void {
    this.#taken = 0;
    this.#turnEndsAt = this.#options.clock.now() + maxTurnMs;
    this.#deliver();
  }

  #deliver(): void {
    const { clock } = this.#options;
    while (!this.#discarding) {
      // After the end nothing more can pile up, and whoever waits for the end does not wait for long.
      if (!this.#ended && (this.#taken === maxLinesPerTurn || (this.#taken > 0 && clock.now() >= this.#turnEndsAt))) {
        this.#yield();
        return;
      }
      const line = this.#framer.next();
      if (line === undefined) {
        if (this.#ended) this.#finished?.();
        this.#stdout?.resume();
        return;
      }
      this.#taken++;
      if (this.#options.onLine(line) === 'notification') {
        // The SDK handles notifications one microtask later, but answers at once: an answer that came in the same chunk
        // would overtake the progress in front of it, which is then dropped.
        this.#waiting = true;
        queueMicrotask(() => {
          this.#waiting = false;
          this.#deliver();
        });
        return;
      }
    }
  }

  #yield(): void {
    this.#waiting = true;
    this.#stdout?.pause(); // backpressure: the server waits until all that is here has been taken
    setImmediate(() => {
      this.#waiting = false;
      this.#startTurn();
    });
  }
}
