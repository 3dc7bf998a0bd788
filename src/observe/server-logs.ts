/** What happens to servers, and what they write to stderr, goes from the manager's events to a log for each. */

import type { Clock } from '../core/clock.js';
import { formatDuration } from '../core/duration.js';
import { unreachable } from '../core/errors.js';
import type { Emitter, Subscription } from '../core/events.js';
import type { Redactor } from '../core/redact.js';
import { sanitizeLine } from '../core/sanitize.js';
import type { ManagerEvent } from '../manager/server-status.js';
import { logPath } from '../state/log-line.js';
import { type LogEntry, ServerLog } from '../state/server-log.js';
import type { OnWriteFailure } from '../state/write-failures.js';

export interface ServerLogsOptions {
  readonly stateDir: string;
  readonly redactor: Redactor;
  readonly clock: Clock;
  readonly pid: number;
  /**
   * False for one command: that a server was connected and closed again as planned is written only along with something else,
   * or scripts would push everything else out of the log.
   */
  readonly longLived: boolean;
  readonly onWriteFailure: OnWriteFailure;
}

const maxMessage = 4000;

export class ServerLogs implements AsyncDisposable {
  readonly #options: ServerLogsOptions;
  readonly #logs = new Map<string, { readonly file: string; readonly log: ServerLog }>();
  readonly #closing: Promise<unknown>[] = [];
  #listening: Subscription | undefined;

  constructor(options: ServerLogsOptions) {
    this.#options = options;
  }

  /** @param fileOf the configuration file that defines a server, asked at every event: it may change while running */
  listen(events: Emitter<ManagerEvent>, fileOf: (server: string) => string | undefined): this {
    this.#listening = events.onAny((event) => {
      if (event.type === 'server-stderr') {
        this.#append(event.server, fileOf, { at: this.#now(), kind: 'err', text: event.line, isCut: event.isCut }, true);
        return;
      }
      if (event.type === 'server-log') {
        // Cut behind what is redacted: no half of a secret is left.
        const { start } = this.#options.redactor.redactStart(`[${event.level}] ${event.text}`, maxMessage);
        this.#append(event.server, fileOf, { at: this.#now(), kind: 'log', text: sanitizeLine(start, 2 * maxMessage) }, true);
        return;
      }
      const news = newsIn(event);
      if (!news) return;
      const entry: LogEntry = { at: this.#now(), kind: 'mcp', text: sanitizeLine(this.#redact(news.text), maxMessage) };
      this.#append(news.server, fileOf, entry, news.isTrouble || this.#options.longLived);
    });
    return this;
  }

  /** Everything that was taken so far is in the files. */
  async flush(): Promise<void> {
    await Promise.all([...this.#logs.values()].map(({ log }) => log.flush()));
  }

  /** For the end of the process, when nothing can be waited for. */
  flushNow(): void {
    for (const { log } of this.#logs.values()) log.flushNow();
  }

  /** After the manager has closed its servers: their last words are part of it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listening?.off();
    await Promise.all([...this.#closing, ...[...this.#logs.values()].map(({ log }) => log[Symbol.asyncDispose]())]);
  }

  #append(server: string, fileOf: (server: string) => string | undefined, entry: LogEntry, isReason: boolean): void {
    const known = this.#logs.get(server);
    // A server that was taken out of the configuration is still being closed.
    const file = fileOf(server) ?? known?.file;
    if (file === undefined) return;
    if (known && known.file !== file) this.#closing.push(known.log[Symbol.asyncDispose]());
    const log = known?.file === file ? known.log : this.#open(server, file);
    log.append(entry, { later: !isReason });
  }

  #open(server: string, file: string): ServerLog {
    const { stateDir, redactor, clock, pid } = this.#options;
    const path = logPath(stateDir, server, file);
    const log = new ServerLog({ path, redactor, clock, pid, onFailure: this.#options.onWriteFailure });
    this.#logs.set(server, { file, log });
    return log;
  }

  #redact(text: string): string {
    return this.#options.redactor.redact(text);
  }

  #now(): number {
    return this.#options.clock.date().getTime();
  }
}

interface News {
  readonly server: string;
  readonly text: string;
  /** Worth a line even where nothing else is. */
  readonly isTrouble: boolean;
}

/** What an event says about a server, if it is something for its log. */
function newsIn(event: ManagerEvent): News | undefined {
  if (event.type === 'warning') {
    return event.server === null ? undefined : { server: event.server, text: `warning: ${event.message}`, isTrouble: true };
  }
  if (event.type === 'breaker-changed') {
    const { server, tool, to, openUntil } = event;
    const until = openUntil === null ? '' : ` until ${openUntil}`;
    const text = `circuit ${to}${until}${tool === null ? '' : ` for the tool ${tool}`}`;
    return { server, text, isTrouble: to === 'open' };
  }
  if (event.type !== 'server-state') return undefined;
  const { server, from, to, error, retryAt, durationMs } = event;
  switch (to) {
    case 'connected':
      return {
        server,
        text: durationMs === null ? 'connected' : `connected after ${formatDuration(durationMs)}`,
        isTrouble: false,
      };
    case 'error': {
      const next = retryAt === null ? '' : `; next try at ${retryAt}`;
      // A script that goes on calling a server that gets no calls would fill its log with that.
      const isTrouble = error?.code !== 'CIRCUIT_OPEN';
      return { server, text: `${error?.code ?? 'error'}: ${error?.message ?? 'failed'}${next}`, isTrouble };
    }
    case 'needs-auth':
      return { server, text: `needs a login: ${error?.message ?? ''}`, isTrouble: true };
    case 'disconnected':
      return from === 'connected' || from === 'connecting' ? { server, text: 'closed', isTrouble: false } : undefined;
    case 'disabled':
      return { server, text: 'disabled', isTrouble: false };
    case 'connecting':
    case 'untrusted':
      return undefined;
    default:
      return unreachable(to);
  }
}
