/** The log of one server as this process writes it: redacted, sanitised, and each line of the server as lines of the log. */

import type { Redactor } from '../core/redact.js';
import { sanitizeText } from '../core/sanitize.js';
import { cutMark, type LogKind, linePrefix } from './log-line.js';
import { LogWriter, type LogWriterOptions } from './log-writer.js';

export interface LogEntry {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly kind: LogKind;
  /** One line, raw. */
  readonly text: string;
  /** The next `err` entry has the rest of this line. */
  readonly isCut?: boolean;
}

export interface ServerLogOptions extends LogWriterOptions {
  readonly redactor: Pick<Redactor, 'redact' | 'redactStart'>;
}

/** Longest line in the file, in characters, without the beginning that every line has. */
const maxLine = 8 * 1024;
/** Of a line that goes on, so much is held back until its rest is there: a secret up to this length is never shown in two halves. */
const overlap = 4 * 1024;

export class ServerLog implements AsyncDisposable {
  readonly #options: ServerLogOptions;
  readonly #writer: LogWriter<LogEntry>;
  /** The beginning of a line whose rest has not come yet, raw. */
  #unfinished = '';

  constructor(options: ServerLogOptions) {
    this.#options = options;
    const entries = {
      sizeOf: ({ text }: LogEntry) => text.length,
      lines: (entry: LogEntry) => this.#lines(entry),
      missing: (text: string) => this.#lines({ at: this.#now(), kind: 'mcp', text }),
      // What follows a piece of a line belongs to it; without its beginning a secret in it would not be known.
      goesOn: ({ isCut }: LogEntry) => isCut === true,
      onDropped: () => {
        this.#unfinished = '';
      },
    };
    this.#writer = new LogWriter(entries, options);
  }

  /** Takes a line. `later`: it is no reason to write; it goes along once there is one. */
  append(entry: LogEntry, options?: { later?: boolean }): void {
    this.#writer.append(entry, options);
  }

  /** Resolves when everything that was taken so far has been written, or could not be. */
  flush(): Promise<void> {
    return this.#writer.flush();
  }

  /** The same at once, for the end of the process. What cannot be written is lost. */
  flushNow(): void {
    this.#writer.flushNow();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush();
    if (this.#unfinished !== '') this.append({ at: this.#now(), kind: 'err', text: '' });
    await this.#writer[Symbol.asyncDispose]();
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
