/** Entries on their way into a log file: in batches, without waiting for the disk to have room, and never more in memory than may be. */

import type { Clock } from '../core/clock.js';
import { rootMessage } from '../core/errors.js';
import { LogFile } from './log-file.js';
import type { OnWriteFailure } from './write-failures.js';

/** What the entries of one kind of log are like. */
export interface LogEntries<E> {
  /** In characters. */
  sizeOf(entry: E): number;
  /** As whole lines, when they are about to be written. */
  lines(entry: E): string;
  /** A line that says what the log lacks. */
  missing(text: string): string;
  /** The next entry is of no use without this one. */
  goesOn?(entry: E): boolean;
  /** The oldest entries were dropped. */
  onDropped?(): void;
}

export interface LogWriterOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly pid: number;
  /** Told of every failure to write. */
  readonly onFailure: OnWriteFailure;
  /** Of one file; tests have smaller ones. */
  readonly maxBytes?: number;
}

/** What waits to be written, in characters; beyond that the oldest is dropped and counted: the last words say why a server died. */
const maxWaiting = 1024 ** 2;
/** An empty line takes memory as well. */
const entryCost = 64;
const batchCharacters = 64 * 1024;
/** After a failure nothing is tried for this long. */
const pauseMs = 5000;

export class LogWriter<E> implements AsyncDisposable {
  readonly #entries: LogEntries<E>;
  readonly #options: LogWriterOptions;
  readonly #waiting: E[] = [];
  #waitingSize = 0;
  /** Lines that are ready for a file that has no room for them at the moment. */
  #ready = '';
  #scheduled: NodeJS.Immediate | undefined;
  readonly #file: LogFile;
  /** The file is being opened or turned over. */
  #renewing: Promise<void> | undefined;
  /** Meanwhile it was tried without waiting: once is enough. */
  #isPressed = false;
  /** There was a reason to write. */
  #isWritten = false;
  /** Lines that were dropped in front of those that wait, and why. */
  #missing = 0;
  #whyMissing = '';
  #pausedUntil = Number.NEGATIVE_INFINITY;
  /** The last write ended somewhere in a line. */
  #isTorn = false;

  constructor(entries: LogEntries<E>, options: LogWriterOptions) {
    this.#entries = entries;
    this.#options = options;
    this.#file = new LogFile(options);
  }

  /** Takes an entry. `later`: it is no reason to write; it goes along once there is one. */
  append(entry: E, { later = false } = {}): void {
    this.#waiting.push(entry);
    this.#waitingSize += this.#costOf(entry);
    this.#isWritten ||= !later;
    if (this.#waitingSize > maxWaiting / 2 && this.#isWritten && !this.#isPressed) this.#press();
    if (this.#waitingSize > maxWaiting) this.#drop(maxWaiting * 0.75, 'they came faster than they could be written');
    if (!this.#isWritten) return;
    // What comes in the same turn of the loop is written together.
    if (this.#waitingSize > batchCharacters) this.#write();
    else this.#scheduled ??= setImmediate(() => this.#write());
  }

  /** Resolves when everything that was taken so far has been written, or could not be. */
  async flush(): Promise<void> {
    this.#write();
    while (this.#renewing) await this.#renewing;
  }

  /** The same at once, for the end of the process. What cannot be written is lost. */
  flushNow(): void {
    try {
      while (this.#hasMore()) {
        this.#file.appendAnyway(this.#ready || this.#take());
        this.#ready = '';
      }
    } catch {
      // Nobody is left to be told.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush();
    await this.#file[Symbol.asyncDispose]();
  }

  #write(): void {
    if (this.#scheduled) clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    try {
      while (this.#hasMore()) {
        this.#ready ||= this.#take();
        const appended = this.#file.append(this.#ready);
        if (appended !== 'ok') this.#renew();
        if (appended === 'wait') return;
        this.#ready = '';
      }
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Too much waits for something that is done beside it, the opening of the file for one: it is done at once, if it can be. */
  #press(): void {
    this.#isPressed = true;
    try {
      if (this.#hasMore()) this.#file.renewNow();
    } catch (error) {
      this.#failed(error);
    }
    this.#write();
  }

  #hasMore(): boolean {
    if (!this.#isWritten || this.#options.clock.now() < this.#pausedUntil) return false;
    return this.#waiting.length > 0 || this.#ready !== '' || this.#missing > 0;
  }

  #renew(): void {
    this.#renewing ??= this.#file
      .renew()
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#renewing = undefined;
        this.#isPressed = false;
        this.#write();
      });
  }

  /** Nothing waits for a disk that is full: what could not be written is counted, and told once there is room again. */
  #failed(error: unknown): void {
    this.#missing += this.#ready.split('\n').length - 1;
    // A part of it may be in the file: what comes next begins a line of its own.
    this.#isTorn ||= this.#ready !== '';
    this.#ready = '';
    this.#drop(0, `they could not be written (${rootMessage(error)})`);
    this.#pausedUntil = this.#options.clock.now() + pauseMs;
    this.#options.onFailure(error);
  }

  /** Drops the oldest of what waits, down to a size. */
  #drop(size: number, why: string): void {
    let count = 0;
    const needsMore = () => count > 0 && this.#entries.goesOn?.(this.#waiting[count - 1]!) === true;
    while (count < this.#waiting.length && (this.#waitingSize > size || needsMore()))
      this.#waitingSize -= this.#costOf(this.#waiting[count++]!);
    this.#waiting.splice(0, count);
    this.#missing += count;
    this.#whyMissing = why;
    this.#entries.onDropped?.();
  }

  /** Takes a batch off what waits, as lines for the file. */
  #take(): string {
    let lines = this.#isTorn ? '\n' : '';
    this.#isTorn = false;
    if (this.#missing > 0) {
      const text = `${this.#missing} ${this.#missing === 1 ? 'line is' : 'lines are'} missing here: ${this.#whyMissing}`;
      lines += this.#entries.missing(text);
      this.#missing = 0;
    }
    let count = 0;
    for (; count < this.#waiting.length && lines.length < batchCharacters; count++) {
      const entry = this.#waiting[count]!;
      this.#waitingSize -= this.#costOf(entry);
      lines += this.#entries.lines(entry);
    }
    this.#waiting.splice(0, count);
    return lines;
  }

  #costOf(entry: E): number {
    return this.#entries.sizeOf(entry) + entryCost;
  }
}
