/** mcpctl's own log: what of a manager's events is worth a line, and not too much of it. What writes the lines is loaded by the first one. */

import type { LogLevel } from '../config/log-level.js';
import type { Clock } from '../core/clock.js';
import { unreachable } from '../core/errors.js';
import type { Emitter, Subscription } from '../core/events.js';
import type { Redactor } from '../core/redact.js';
import type { ManagerEvent } from '../manager/server-status.js';
import type { OwnLogLine } from '../state/own-log.js';
import type { OnWriteFailure } from '../state/write-failures.js';
import type { OwnLogSink } from './own-log-sink.js';

export interface OwnLogOptions {
  readonly stateDir: string;
  readonly redactor: Redactor;
  readonly clock: Clock;
  readonly pid: number;
  /** False for one command: only what goes wrong there is written, unless the level is `debug`. */
  readonly longLived: boolean;
  /** Asked at every event: it may change while running. */
  readonly level: () => LogLevel;
  readonly onWriteFailure: OnWriteFailure;
}

/** What a server says is in its own log. */
type Elsewhere = Extract<ManagerEvent, { type: 'server-stderr' | 'server-log' | 'call-progress' }>;

/** What a line can be about. */
export type LogNews =
  | Exclude<ManagerEvent, Elsewhere>
  | { readonly type: 'started'; readonly version: string; readonly as: 'manager' | 'repl' | 'view' }
  | { readonly type: 'ended' }
  | { readonly type: 'left-out'; readonly count: number; readonly perSecond: number };

/** News with the moment, in milliseconds since 1970, and its weight. */
export interface LogRecord {
  readonly at: number;
  readonly level: OwnLogLine['level'];
  readonly news: LogNews;
}

/** Lines in a second, of what went wrong and of the rest, each: neither a flood of calls nor a hostile server fills the disk. */
const maxPerSecond = 200;
const secondMs = 1000;

const weights: Readonly<Record<LogLevel, number>> = { silent: 0, error: 1, warn: 2, info: 3, debug: 4 };

export class OwnLog implements AsyncDisposable {
  readonly #options: OwnLogOptions;
  #listening: Subscription | undefined;
  readonly #waiting: LogRecord[] = [];
  #scheduled: NodeJS.Immediate | undefined;
  #sink: OwnLogSink | undefined;
  #loading: Promise<void> | undefined;
  /** What writes the lines cannot be loaded. */
  #isBroken = false;
  /** When the second began that is counted. */
  #second = Number.NEGATIVE_INFINITY;
  #troubles = 0;
  #others = 0;
  #leftOut = 0;
  #cancelTelling: (() => void) | undefined;

  constructor(options: OwnLogOptions) {
    this.#options = options;
  }

  listen(events: Emitter<ManagerEvent>): this {
    this.#listening = events.onAny((event) => {
      if (!isElsewhere(event)) this.tell(event);
    });
    return this;
  }

  /** Takes news; they are written soon, if they are to be. */
  tell(news: LogNews): void {
    const level = levelOf(news);
    if (!this.#isWanted(level) || !this.#hasRoom(level)) return;
    this.#push(level, news);
  }

  /** Everything that was taken so far is in the file, or could not be written. */
  async flush(): Promise<void> {
    this.#pass();
    await this.#loading;
    await this.#sink?.flush();
  }

  /** For the end of the process, when nothing can be waited for. */
  flushNow(): void {
    if (!this.#sink) return;
    this.#pass();
    this.#sink.flushNow();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listening?.off();
    this.#tellLeftOut();
    await this.flush();
    await this.#sink?.[Symbol.asyncDispose]();
  }

  #isWanted(level: OwnLogLine['level']): boolean {
    const { longLived, level: chosen } = this.#options;
    const limit = chosen();
    // Whoever chose to see everything sees it of single commands, too.
    const own = longLived || limit === 'debug' ? weights[limit] : Math.min(weights[limit], weights.warn);
    return weights[level] <= own;
  }

  #hasRoom(level: OwnLogLine['level']): boolean {
    const now = this.#options.clock.now();
    if (now - this.#second >= secondMs) {
      this.#tellLeftOut();
      this.#second = now;
      this.#troubles = 0;
      this.#others = 0;
    }
    const count = weights[level] <= weights.warn ? ++this.#troubles : ++this.#others;
    if (count <= maxPerSecond) return true;
    this.#leftOut++;
    this.#cancelTelling ??= this.#options.clock.after(secondMs, () => this.#tellLeftOut(), { background: true });
    return false;
  }

  #tellLeftOut(): void {
    this.#cancelTelling?.();
    this.#cancelTelling = undefined;
    if (this.#leftOut === 0) return;
    const count = this.#leftOut;
    this.#leftOut = 0;
    if (this.#isWanted('warn')) this.#push('warn', { type: 'left-out', count, perSecond: maxPerSecond });
  }

  /** Nothing is made of it yet: who tells an event does not wait for its line. */
  #push(level: OwnLogLine['level'], news: LogNews): void {
    if (this.#isBroken) return;
    this.#waiting.push({ at: this.#options.clock.date().getTime(), level, news });
    this.#scheduled ??= setImmediate(() => this.#pass());
  }

  #pass(): void {
    if (this.#scheduled) clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    if (this.#waiting.length === 0) return;
    if (this.#sink) for (const record of this.#waiting.splice(0)) this.#sink.write(record);
    else this.#loading ??= this.#load();
  }

  async #load(): Promise<void> {
    try {
      const { OwnLogSink } = await import('./own-log-sink.js');
      this.#sink = new OwnLogSink(this.#options);
      this.#pass();
    } catch (error) {
      this.#isBroken = true;
      this.#waiting.length = 0;
      this.#options.onWriteFailure(error);
    }
  }
}

function isElsewhere(event: ManagerEvent): event is Elsewhere {
  const { type } = event;
  return type === 'server-stderr' || type === 'server-log' || type === 'call-progress';
}

/** How much news weigh. */
function levelOf(news: LogNews): OwnLogLine['level'] {
  switch (news.type) {
    case 'server-state':
      return levelOfState(news);
    case 'call-finished':
      return levelOfCall(news.outcome);
    case 'tools-listed':
    case 'health-checked':
      return news.ok ? 'debug' : 'warn';
    case 'breaker-changed':
      return news.to === 'open' ? 'warn' : 'info';
    case 'login-changed':
      return news.outcome === 'ok' || news.outcome === 'CANCELLED' ? 'info' : 'warn';
    case 'config-problem':
      return 'error';
    case 'call-retry':
    case 'warning':
    case 'approval-needed':
    case 'left-out':
      return 'warn';
    case 'tools-changed':
    case 'config-changed':
    case 'started':
    case 'ended':
      return 'info';
    case 'call-started':
      return 'debug';
    default:
      return unreachable(news);
  }
}

function levelOfState({ to, error, retryAt }: Extract<ManagerEvent, { type: 'server-state' }>): OwnLogLine['level'] {
  if (to === 'connecting') return 'debug';
  if (to === 'needs-auth') return 'warn';
  // A server that gets no calls for a while has been told of when that began.
  if (to !== 'error' || error?.code === 'CIRCUIT_OPEN') return 'info';
  return retryAt === null ? 'error' : 'warn';
}

function levelOfCall(outcome: Extract<ManagerEvent, { type: 'call-finished' }>['outcome']): OwnLogLine['level'] {
  switch (outcome) {
    case 'ok':
    case 'CANCELLED':
      return 'info';
    // It was answered, or refused on purpose.
    case 'tool-error':
    case 'REQUEST_REFUSED':
    case 'CIRCUIT_OPEN':
    case 'OVERLOADED':
      return 'warn';
    default:
      return 'error';
  }
}
