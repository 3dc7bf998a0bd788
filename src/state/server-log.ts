/** The log of one server as this process writes it: redacted, sanitised, in batches, and never more in memory than it may be. */

import type { Clock } from '../core/clock.js';
import { rootMessage } from '../core/errors.js';
import type { Redactor } from '../core/redact.js';
import { sanitizeText } from '../core/sanitize.js';
import { LogFile } from './log-file.js';
import { cutMark, type LogKind, linePrefix } from './log-line.js';

export interface LogEntry {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly kind: LogKind;
  /** One line, raw. */
  readonly text: string;
  /** The next `err` entry has the rest of this line. */
  readonly isCut?: boolean;
}

export interface ServerLogOptions {
  readonly path: string;
  readonly redactor: Pick<Redactor, 'redact' | 'redactStart'>;
  readonly clock: Clock;
  readonly pid: number;
  /** Told of every failure to write. */
  readonly onFailure: (error: unknown) => void;
  /** Of one file; tests have smaller ones. */
  readonly maxBytes?: number;
}

/** Longest line in the file, in characters, without the beginning that every line has. */
const maxLine = 8 * 1024;
/** Of a line that goes on, so much is held back until its rest is there: a secret up to this length is never shown in two halves. */
const overlap = 4 * 1024;
/** What waits to be written, in characters; beyond that the oldest is dropped and counted: the last words say why a server died. */
const maxWaiting = 1024 ** 2;
/** An empty line takes memory as well. */
const entryCost = 64;
const batchCharacters = 64 * 1024;
/** After a failure nothing is tried for this long. */
const pauseMs = 5000;

export class ServerLog implements AsyncDisposable {
  readonly #options: ServerLogOptions;
  readonly #waiting: LogEntry[] = [];
  #waitingSize = 0;
  /** Lines that are ready for a file that has no room for them at the moment. */
  #ready = '';
  #scheduled: NodeJS.Immediate | undefined;
  readonly #file: LogFile;
  /** The file is being opened or turned over. */
  #renewing: Promise<void> | undefined;
  /** Meanwhile it was tried without waiting: once is enough. */
  #isPressed = false;
  /** The beginning of a line whose rest has not come yet, raw. */
  #unfinished = '';
  /** There was a reason to write. */
  #isWritten = false;
  /** Lines that were dropped in front of those that wait, and why. */
  #missing = 0;
  #whyMissing = '';
  #pausedUntil = Number.NEGATIVE_INFINITY;
  /** The last write ended somewhere in a line. */
  #isTorn = false;

  constructor(options: ServerLogOptions) {
    this.#options = options;
    this.#file = new LogFile(options);
  }

  /** Takes a line. `later`: it is no reason to write; it goes along once there is one. */
  append(entry: LogEntry, { later = false } = {}): void {
    this.#waiting.push(entry);
    this.#waitingSize += entry.text.length + entryCost;
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
    if (this.#unfinished !== '') this.append({ at: this.#now(), kind: 'err', text: '' });
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
    // What follows a piece of a line belongs to it; without its beginning a secret in it would not be known.
    while (count < this.#waiting.length && (this.#waitingSize > size || this.#waiting[count - 1]?.isCut)) {
      this.#waitingSize -= this.#waiting[count++]!.text.length + entryCost;
    }
    this.#waiting.splice(0, count);
    this.#missing += count;
    this.#whyMissing = why;
    this.#unfinished = '';
  }

  /** Takes a batch off what waits, as lines for the file. */
  #take(): string {
    let lines = this.#isTorn ? '\n' : '';
    this.#isTorn = false;
    if (this.#missing > 0) {
      const text = `${this.#missing} ${this.#missing === 1 ? 'line is' : 'lines are'} missing here: ${this.#whyMissing}`;
      lines += this.#lines({ at: this.#now(), kind: 'mcp', text });
      this.#missing = 0;
    }
    let count = 0;
    for (; count < this.#waiting.length && lines.length < batchCharacters; count++) {
      const entry = this.#waiting[count]!;
      this.#waitingSize -= entry.text.length + entryCost;
      lines += this.#lines(entry);
    }
    this.#waiting.splice(0, count);
    return lines;
  }

  /** An entry as lines. Redacted before it is cut: half a secret is a secret too. */
  #lines({ at, kind, text, isCut = false }: LogEntry): string {
    const { redactor, pid } = this.#options;
    const prefix = linePrefix(this.#iso(at), pid, kind);
    if (kind !== 'err') {
      // With news of the server, nobody will end the line it had begun; a log message comes while it is being written.
      const isOver = kind === 'mcp' && this.#unfinished !== '';
      const before: string = !isOver ? '' : this.#lines({ at, kind: 'err', text: '' });
      return `${before}${prefix}${this.#safe(redactor.redact(text))}\n`;
    }
    let lines = '';
    let rest = this.#unfinished + text;
    const goesOn = this.#unfinished !== '';
    while (rest.length > maxLine || (isCut && rest.length > overlap)) {
      const cut = redactor.redactStart(rest, Math.min(maxLine, rest.length - overlap));
      lines += `${prefix}${this.#safe(cut.start)}${cutMark}\n`;
      rest = cut.rest;
    }
    this.#unfinished = isCut ? rest : '';
    if (!isCut && (rest !== '' || !goesOn)) lines += `${prefix}${this.#safe(redactor.redact(rest))}\n`;
    return lines;
  }

  /** Of redacted text. A secret with an escape sequence in its middle is one again without that. */
  #safe(text: string): string {
    const safe = sanitizeText(text);
    return safe === text ? safe : this.#options.redactor.redact(safe).replaceAll('\n', ' ');
  }

  #now(): number {
    return this.#options.clock.date().getTime();
  }

  #stamp = { at: Number.NaN, iso: '' };
  #iso(at: number): string {
    if (at !== this.#stamp.at) this.#stamp = { at, iso: new Date(at).toISOString() };
    return this.#stamp.iso;
  }
}
