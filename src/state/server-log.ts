/** The log of one server as this process writes it: redacted, sanitised, in batches, and never more in memory than it may be. */

import { appendFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../core/clock.js';
import { rootMessage } from '../core/errors.js';
import type { Redactor } from '../core/redact.js';
import { sanitizeText } from '../core/sanitize.js';
import { ensureFolderSync } from '../io/folders.js';
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
}

/** Longest line in the file, in characters, without the beginning that every line has. */
const maxLine = 8 * 1024;
/** Of a line that goes on, so much is held back until its rest is there: a secret up to this length is never shown in two halves. */
const overlap = 4 * 1024;
/** What waits to be written, in characters; what comes beyond is dropped and counted. */
const maxWaiting = 1024 ** 2;
/** An empty line takes memory as well. */
const entryCost = 64;
/** Lines are made ready for about this many characters at once: a millisecond or two, then it is somebody else's turn. */
const batchCharacters = 64 * 1024;
/** After a failure nothing is tried for this long. */
const pauseMs = 5000;

export class ServerLog implements AsyncDisposable {
  readonly #options: ServerLogOptions;
  #waiting: LogEntry[] = [];
  #waitingSize = 0;
  /** Lines that were taken off `#waiting` and are not yet on their way to the file. */
  #batch = '';
  #writing: Promise<void> | undefined;
  /** The beginning of a line whose rest has not come yet, raw. */
  #unfinished = '';
  #missing = 0;
  #whyMissing = '';
  #pausedUntil = Number.NEGATIVE_INFINITY;
  /** The last write ended somewhere in a line. */
  #isTorn = false;

  constructor(options: ServerLogOptions) {
    this.#options = options;
  }

  /** Takes a line without waiting. `later`: it alone is no reason to write; it goes along with the next that is. */
  append(entry: LogEntry, { later = false } = {}): void {
    if (this.#options.clock.now() < this.#pausedUntil) {
      this.#missing++;
      return;
    }
    if (this.#waitingSize + entry.text.length + entryCost > maxWaiting) {
      this.#missing++;
      this.#whyMissing = 'they came faster than they could be written';
      return;
    }
    this.#tellMissing();
    this.#push(entry);
    if (!later) this.#writing ??= this.#write();
  }

  /** Resolves when everything that was taken so far has been written, or could not be. */
  async flush(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  /** The same at once, for the end of the process. What cannot be written is lost. */
  flushNow(): void {
    if (!this.#writing) return;
    const rest = this.#batch + this.#take(Number.POSITIVE_INFINITY);
    if (rest === '') return;
    const { path } = this.#options;
    try {
      ensureFolderSync(dirname(path));
      appendFileSync(path, rest, { mode: 0o600 });
    } catch {
      // Nobody is left to be told.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush();
    if (this.#options.clock.now() < this.#pausedUntil) return;
    const hasMore = this.#missing > 0 || this.#unfinished !== '';
    this.#tellMissing();
    if (this.#unfinished !== '') this.#push({ at: this.#now(), kind: 'err', text: '' });
    if (hasMore) this.#writing ??= this.#write();
    await this.flush();
  }

  #push(entry: LogEntry): void {
    this.#waiting.push(entry);
    this.#waitingSize += entry.text.length + entryCost;
  }

  #tellMissing(): void {
    if (this.#missing === 0) return;
    const lines = this.#missing === 1 ? 'a line is' : `${this.#missing} lines are`;
    this.#push({ at: this.#now(), kind: 'mcp', text: `${lines} missing here: ${this.#whyMissing}` });
    this.#missing = 0;
  }

  async #write(): Promise<void> {
    // What comes in the same turn of the loop is written together.
    await new Promise<void>((resolve) => void setImmediate(resolve));
    const { path, clock, pid } = this.#options;
    while (this.#waiting.length > 0) {
      const before = this.#waiting.length;
      this.#batch = (this.#isTorn ? '\n' : '') + this.#take(batchCharacters);
      const taken = before - this.#waiting.length;
      const onWriting = () => {
        this.#batch = '';
        this.#isTorn = true;
      };
      try {
        // Loaded with the first line: many servers never write one.
        const { appendToLog } = await import('./log-append.js');
        await appendToLog(path, Buffer.from(this.#batch), { clock, pid, onWriting });
        this.#isTorn = false;
      } catch (error) {
        this.#failed(error, taken);
      }
    }
    this.#writing = undefined;
  }

  /** Nothing waits for a disk that is full: what could not be written is counted, and told once there is room again. */
  #failed(error: unknown, lines: number): void {
    this.#missing += lines + this.#waiting.length;
    this.#whyMissing = `they could not be written (${rootMessage(error)})`;
    this.#waiting = [];
    this.#waitingSize = 0;
    this.#batch = '';
    this.#pausedUntil = this.#options.clock.now() + pauseMs;
    this.#options.onFailure(error);
  }

  /** Takes about `characters` off what waits, as lines for the file. */
  #take(characters: number): string {
    let lines = '';
    let count = 0;
    for (; count < this.#waiting.length && lines.length < characters; count++) {
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
    if (kind === 'mcp') return `${this.#endUnfinished(at)}${prefix}${this.#safe(redactor.redact(text))}\n`;
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

  /** Whoever wrote the beginning of a line will not end it any more, when there is news of the server. */
  #endUnfinished(at: number): string {
    return this.#unfinished === '' ? '' : this.#lines({ at, kind: 'err', text: '' });
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
