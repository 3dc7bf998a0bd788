/** The one place through which lines reach mcpctl's own log: whatever is in them is redacted, sanitised and bounded here. */

import { type Logger, pino } from 'pino';
import type { Clock } from '../core/clock.js';
import type { Redactor } from '../core/redact.js';
import { sanitizeLine } from '../core/sanitize.js';
import { LogWriter } from '../state/log-writer.js';
import { ownLogPath } from '../state/own-log.js';
import type { OnWriteFailure } from '../state/write-failures.js';
import { type LogFields, lineFor } from './log-fields.js';
import type { LogRecord } from './own-log.js';

export interface OwnLogSinkOptions {
  readonly stateDir: string;
  readonly redactor: Pick<Redactor, 'redact' | 'redactStart'>;
  readonly clock: Clock;
  readonly pid: number;
  readonly onWriteFailure: OnWriteFailure;
  /** Of one file; tests have smaller ones. */
  readonly maxBytes?: number;
}

/** What is looked at of a text, in characters: the work for a line is bounded, too. */
const maxRaw = 16 * 1024;
/** Of one text, in characters; with the few that a line has, it stays far below what a reader takes for a line of ours. */
const maxText = 2000;
/** Of one list, and of each text in it: names, mostly. */
const maxItems = 50;
const maxItem = 200;

export class OwnLogSink implements AsyncDisposable {
  readonly #options: OwnLogSinkOptions;
  readonly #writer: LogWriter<string>;
  readonly #logger: Logger;
  /** Of the line that is being made. */
  #at = 0;

  constructor(options: OwnLogSinkOptions) {
    this.#options = options;
    const { stateDir, clock, pid, onWriteFailure: onFailure, maxBytes } = options;
    const entries = {
      sizeOf: (line: string) => line.length,
      lines: (line: string) => line,
      missing: (msg: string) =>
        `${JSON.stringify({ level: 'warn', time: clock.date().toISOString(), pid, msg: this.#safe(msg) })}\n`,
    };
    const path = ownLogPath(stateDir);
    this.#writer = new LogWriter(entries, { path, clock, pid, onFailure, ...(maxBytes !== undefined && { maxBytes }) });
    this.#logger = pino(
      {
        // What is too much was left out before anything was made of it.
        level: 'trace',
        base: { pid },
        timestamp: () => `,"time":"${new Date(this.#at).toISOString()}"`,
        formatters: { level: (level) => ({ level }) },
      },
      { write: (line) => this.#writer.append(line) },
    );
  }

  write({ at, level, news }: LogRecord): void {
    const { msg, fields } = lineFor(news);
    this.#at = at;
    this.#logger[level](this.#cleaned(fields), this.#safe(msg));
  }

  /** Resolves when everything that was taken so far has been written, or could not be. */
  flush(): Promise<void> {
    return this.#writer.flush();
  }

  /** The same at once, for the end of the process. What cannot be written is lost. */
  flushNow(): void {
    this.#writer.flushNow();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#writer[Symbol.asyncDispose]();
  }

  /** Value by value and not as a whole line: a secret that is a number does not make the line unreadable. */
  #cleaned(fields: LogFields): Record<string, unknown> {
    const clean: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(fields)) {
      if (value === null || value === undefined) continue;
      if (typeof value === 'string') clean[name] = this.#safe(value);
      else if (typeof value === 'number') clean[name] = Math.round(value * 10) / 10;
      else clean[name] = value.slice(0, maxItems).map((text) => this.#safe(text, maxItem));
    }
    return clean;
  }

  /** Redacted before it is cut: half a secret is a secret too. Twice: one with an escape sequence in its middle is one again without that. */
  #safe(text: string, max = maxText): string {
    const { redactor } = this.#options;
    const raw = redactor.redactStart(text, maxRaw);
    const line = sanitizeLine(raw.start, Number.POSITIVE_INFINITY);
    const { start, rest } = redactor.redactStart(line, max);
    return `${start}${rest === '' && raw.rest === '' ? '' : ' …'}`;
  }
}
