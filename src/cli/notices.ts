/** Events of the manager as short lines for the person at the prompt: what came up, what fell over, what happens next. And no more. */

import type { Cancel, Clock } from '../core/clock.js';
import { formatDuration } from '../core/duration.js';
import { unreachable } from '../core/errors.js';
import type { Redactor } from '../core/redact.js';
import { sanitizeLine } from '../core/sanitize.js';
import type { ErrorInfo } from '../manager/server-state.js';
import type { ManagerEvent } from '../manager/server-status.js';
import { breakerNews } from './breaker-news.js';
import { configNews } from './config-news.js';

export interface NoticeOptions {
  readonly clock: Clock;
  readonly redactor: Pick<Redactor, 'redact'>;
  readonly color: boolean;
  /** Tools known of a server, if any. */
  readonly toolCount: (server: string) => number | undefined;
  /** Prints lines; several at once when several servers settled together. */
  readonly print: (lines: readonly string[]) => void;
}

/** Lines wait this long for company, so that servers that settle together redraw the prompt once. */
const gatherMs = 50;
/** How long `+ files connected` waits for its tool count. */
const toolsWaitMs = 1_000;
/** Failures in a row that are told; later ones are in `status`. */
const toldFailures = 3;
/** More servers than this that connect together share one line. */
const ownLineServers = 4;
/** A connection that lasted this long ends a series of failures. */
const stableMs = 30_000;
const maxMessageCharacters = 200;
/** Different warnings of a server within one session; a server that invents new ones is not followed for ever. */
const maxWarnings = 20;

interface ServerNotes {
  /** What the person was last told: decides whether there is news. */
  told: 'connected' | 'failed' | undefined;
  failures: number;
  connectedAtMs: number;
  /** Running while `+ … connected` waits for its tools. */
  waiting: { readonly cancel: Cancel; readonly tookMs: number | null } | undefined;
  tools: number | undefined;
  readonly warnings: Set<string>;
}

interface Line {
  readonly mark: '+' | '!' | 'x' | '~';
  readonly text: string;
  /** Of a `connected` line, for sharing: `files (14 tools)`. */
  readonly short?: string;
}

/** Listens to a manager: pass `handle` to its emitter. Disposing drops what is still waiting. */
export class Notices implements Disposable {
  readonly #options: NoticeOptions;
  readonly #servers = new Map<string, ServerNotes>();
  #lines: Line[] = [];
  #cancelFlush: Cancel | undefined;
  readonly #muted = new Set<(server: string) => boolean>();

  constructor(options: NoticeOptions) {
    this.#options = options;
  }

  handle = (event: ManagerEvent): void => {
    switch (event.type) {
      case 'server-state':
        this.#stateChanged(event);
        break;
      case 'tools-changed':
        this.#toolsChanged(event.server, event.count);
        break;
      case 'warning':
        this.#warned(event.server, event.message);
        break;
      case 'breaker-changed':
        // That it may be tried again is no news before somebody has tried.
        if (event.to !== 'half-open' && !this.#isMuted(event.server))
          this.#add(event.to === 'open' ? '!' : '+', breakerNews(event));
        break;
      case 'approval-needed':
      case 'config-problem':
        this.#add(
          '!',
          configNews(event, (text) => this.#options.redactor.redact(text)),
        );
        break;
      case 'config-changed':
        for (const server of event.removed) this.#forget(server);
        this.#add('~', configNews(event));
        break;
      default:
      // Calls, checks and stderr are for `logs`, `metrics` and the progress of the running command.
    }
  };

  /** For the time of a command that reports these servers itself; what it brought about counts as told. @returns its end */
  mute(isReported: (server: string) => boolean): () => void {
    const own = (server: string) => isReported(server);
    this.#muted.add(own);
    return () => void this.#muted.delete(own);
  }

  /** Other servers from now on, if under the same names: everything about them is news. */
  forget(): void {
    for (const notes of this.#servers.values()) notes.waiting?.cancel();
    this.#servers.clear();
  }

  [Symbol.dispose](): void {
    this.#cancelFlush?.();
    for (const notes of this.#servers.values()) notes.waiting?.cancel();
    this.#lines = [];
  }

  #stateChanged(event: Extract<ManagerEvent, { type: 'server-state' }>): void {
    const notes = this.#notes(event.server);
    const { clock } = this.#options;
    if (event.from === 'connected' && clock.now() - notes.connectedAtMs >= stableMs) notes.failures = 0;
    if (event.to !== 'connecting') this.#endWaiting(notes);
    switch (event.to) {
      case 'connected':
        notes.connectedAtMs = clock.now();
        this.#connected(event.server, notes, event.durationMs);
        break;
      case 'error':
        this.#failed(event, notes);
        break;
      case 'needs-auth':
        if (notes.told !== 'failed' && !this.#isMuted(event.server)) {
          this.#add('!', `${this.#name(event.server)} needs a login${this.#hint(event.error?.hint)}`);
        }
        notes.told = 'failed';
        break;
      case 'disabled':
      case 'disconnected':
      case 'untrusted':
        // Somebody asked for that and was answered; the next connection is news again.
        notes.told = undefined;
        notes.failures = 0;
        break;
      case 'connecting':
        break;
      default:
        unreachable(event.to);
    }
  }

  #connected(server: string, notes: ServerNotes, tookMs: number | null): void {
    // A session that was replaced by itself is no news.
    if (notes.told === 'connected') return;
    notes.told = 'connected';
    if (this.#isMuted(server)) return;
    notes.tools = this.#options.toolCount(server);
    if (notes.tools !== undefined) this.#tellConnected(server, notes, tookMs);
    else this.#waitForTools(server, notes, tookMs, toolsWaitMs);
  }

  /** The first list is no event: it is looked for now and then. */
  #waitForTools(server: string, notes: ServerNotes, tookMs: number | null, leftMs: number): void {
    const look = () => {
      if (leftMs <= gatherMs || this.#options.toolCount(server) !== undefined) this.#stopWaiting(server, notes);
      else this.#waitForTools(server, notes, tookMs, leftMs - gatherMs);
    };
    notes.waiting = { tookMs, cancel: this.#options.clock.after(gatherMs, look, { background: true }) };
  }

  #toolsChanged(server: string, count: number): void {
    const notes = this.#notes(server);
    const before = notes.tools;
    notes.tools = count;
    if (notes.waiting) this.#stopWaiting(server, notes);
    else if (before !== undefined && before !== count)
      this.#add('~', `${this.#name(server)} has ${tools(count)} now (before: ${before})`);
  }

  #stopWaiting(server: string, notes: ServerNotes): void {
    const tookMs = notes.waiting?.tookMs ?? null;
    this.#endWaiting(notes);
    notes.tools ??= this.#options.toolCount(server);
    this.#tellConnected(server, notes, tookMs);
  }

  #endWaiting(notes: ServerNotes): void {
    notes.waiting?.cancel();
    notes.waiting = undefined;
  }

  #tellConnected(server: string, { tools: count }: ServerNotes, tookMs: number | null): void {
    const name = this.#name(server);
    const counted = count === undefined ? '' : `, ${tools(count)}`;
    const took = tookMs === null ? '' : `, ${formatDuration(tookMs)}`;
    this.#add('+', `${name} connected${counted}${took}`, count === undefined ? name : `${name} (${tools(count)})`);
  }

  #failed({ server, error, retryAt }: Extract<ManagerEvent, { type: 'server-state' }>, notes: ServerNotes): void {
    notes.failures++;
    const isFinal = retryAt === null;
    if (this.#isMuted(server)) {
      notes.told = 'failed';
      return;
    }
    // Losing a server and giving it up are always news; one more try in vain is not.
    if (!isFinal && notes.told === 'failed' && notes.failures > toldFailures) return;
    notes.told = 'failed';
    const [mark, text] = this.#failureText(server, notes, error, retryAt);
    this.#add(mark, text);
  }

  #failureText(
    server: string,
    { failures }: ServerNotes,
    error: ErrorInfo | null,
    retryAt: string | null,
  ): [Line['mark'], string] {
    const name = this.#name(server);
    if (error?.code === 'CRASH_LOOP') return ['x', `${name} gave up after 5 exits in 60 s; /mcp reconnect ${name}`];
    const what = this.#describe(server, error?.message ?? 'failed');
    if (retryAt === null) return ['x', `${what}${this.#hint(error?.hint ?? `/mcp reconnect ${name}`)}`];
    const waitMs = Math.max(100, Date.parse(retryAt) - this.#options.clock.date().getTime());
    const more = failures === toldFailures ? '; it goes on trying, /mcp status tells' : '';
    return ['!', `${what}; next try in ${formatDuration(waitMs)}${more}`];
  }

  #warned(server: string | null, message: string): void {
    const notes = this.#notes(server ?? '');
    const text = server === null ? this.#safe(message) : this.#describe(server, message);
    if (notes.warnings.has(text) || notes.warnings.size >= maxWarnings) return;
    notes.warnings.add(text);
    this.#add('!', text);
  }

  #isMuted(server: string): boolean {
    return [...this.#muted].some((isReported) => isReported(server));
  }

  /** `Server "github" is unavailable: refused` as `github unavailable: refused`. */
  #describe(server: string, message: string): string {
    const name = this.#name(server);
    const text = this.#safe(message);
    const [named, plain] = [`Server "${server}"`, `"${server}"`];
    if (text.startsWith(named)) return `${name}${text.slice(named.length).replace(/^ is /, ' ')}`;
    return text.includes(plain) || text.startsWith(`${name} `) || text.startsWith(`${name}:`) ? text : `${name}: ${text}`;
  }

  #hint(hint: string | null | undefined): string {
    return hint ? `; ${this.#safe(hint)}` : '';
  }

  #name(server: string): string {
    return sanitizeLine(server, 60);
  }

  #safe(text: string): string {
    return sanitizeLine(this.#options.redactor.redact(text), maxMessageCharacters);
  }

  #forget(server: string): void {
    const notes = this.#servers.get(server);
    if (notes) this.#endWaiting(notes);
    this.#servers.delete(server);
  }

  #notes(server: string): ServerNotes {
    let notes = this.#servers.get(server);
    if (!notes) {
      notes = { told: undefined, failures: 0, connectedAtMs: 0, waiting: undefined, tools: undefined, warnings: new Set() };
      this.#servers.set(server, notes);
    }
    return notes;
  }

  #add(mark: Line['mark'], text: string, short?: string): void {
    this.#lines.push({ mark, text, ...(short === undefined ? {} : { short }) });
    this.#cancelFlush ??= this.#options.clock.after(gatherMs, () => this.#flush(), { background: true });
  }

  #flush(): void {
    this.#cancelFlush = undefined;
    const lines = this.#lines;
    this.#lines = [];
    const together = lines.filter(({ short }) => short !== undefined);
    const shared = together.length > ownLineServers;
    const shown = shared ? lines.filter(({ short }) => short === undefined) : lines;
    if (shared) {
      const names = together.map(({ short }) => short).join(', ');
      shown.unshift({ mark: '+', text: `${together.length} servers connected: ${names}` });
    }
    if (shown.length > 0) this.#options.print(shown.map((line) => this.#paint(line)));
  }

  #paint({ mark, text }: Line): string {
    const line = this.#options.redactor.redact(text);
    if (!this.#options.color) return `${mark} ${line}`;
    const colour = { '+': 32, '~': 36, '!': 33, x: 31 }[mark];
    return `\x1b[${colour}m${mark}\x1b[39m ${line}`;
  }
}

function tools(count: number): string {
  return count === 1 ? '1 tool' : `${count} tools`;
}
