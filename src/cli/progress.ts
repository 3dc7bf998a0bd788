/** Says what is awaited when something takes long: a spinner on a terminal, a plain line now and then elsewhere. */

import type { Cancel, Clock } from '../core/clock.js';
import type { Redactor } from '../core/redact.js';
import { sanitizeLine } from '../core/sanitize.js';
import type { Manager } from '../manager/manager.js';
import type { ManagerEvent } from '../manager/server-status.js';
import type { Session } from './run.js';
import type { Terminal } from './terminal.js';

/** As much of a spinner as is needed here. */
export interface SpinnerLike {
  text: string;
  start(): unknown;
  stop(): unknown;
}

export interface ProgressOptions {
  readonly clock: Clock;
  readonly redactor: Pick<Redactor, 'redact'>;
  readonly terminal: Pick<Terminal, 'stderrIsTerminal' | 'colorAllowed' | 'columns' | 'writeError'>;
  /** Makes a spinner on stderr; asked at the first wait that is worth one. Tests put their own here. */
  readonly spinner?: (text: string) => Promise<SpinnerLike>;
}

/** Nothing that ends sooner is worth a word, in milliseconds. */
const spinnerAfterMs = 500;
const lineAfterMs = 3_000;
const lineEveryMs = 10_000;
/** How often the elapsed seconds in the spinner are renewed. */
const refreshMs = 1_000;
const maxNames = 4;
/** What changes the line of the spinner. */
const news: ReadonlySet<ManagerEvent['type']> = new Set(['call-started', 'call-progress', 'call-retry', 'server-state'] as const);

/** What is waited for: where to look, and what to say when nothing more is known. */
interface Awaited {
  readonly command: string;
  readonly manager: Pick<Manager, 'events' | 'snapshot'>;
}

/** `Session.progress`: called when a command starts; the returned function ends it and leaves nothing on the screen. */
export function createProgress(options: ProgressOptions): NonNullable<Session['progress']> {
  return ({ name }, manager, { json, quiet, noColor }) => {
    const { stderrIsTerminal, colorAllowed } = options.terminal;
    // A script that reads JSON reads stderr for the error document, and for nothing else.
    if (quiet || (json && !stderrIsTerminal)) return () => {};
    const watch = new Watch(options, { command: name, manager });
    if (stderrIsTerminal && colorAllowed && !noColor && !json) watch.spin();
    else watch.tell();
    return () => watch.end();
  };
}

async function terminalSpinner(text: string): Promise<SpinnerLike> {
  const { default: yoctoSpinner } = await import('yocto-spinner');
  // Signals are ours: with its own handlers it would end the process.
  return yoctoSpinner({ text, handleSignals: false });
}

interface Call {
  readonly server: string;
  readonly tool: string;
  step: string;
}

class Watch {
  readonly #options: ProgressOptions;
  readonly #awaited: Awaited;
  readonly #startedAtMs: number;
  readonly #calls: Call[] = [];
  readonly #subscription: Disposable;
  #cancel: Cancel = () => {};
  #spinner: SpinnerLike | undefined;
  #isOver = false;

  constructor(options: ProgressOptions, awaited: Awaited) {
    this.#options = options;
    this.#awaited = awaited;
    this.#startedAtMs = options.clock.now();
    this.#subscription = awaited.manager.events.onAny((event) => this.#heard(event));
  }

  spin(): void {
    this.#cancel = this.#options.clock.after(spinnerAfterMs, () => void this.#show(), { background: true });
  }

  tell(): void {
    this.#later(lineAfterMs, () => {
      this.#options.terminal.writeError(`${this.#text()}\n`);
      return lineEveryMs;
    });
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancel();
    this.#subscription[Symbol.dispose]();
    this.#spinner?.stop();
  }

  async #show(): Promise<void> {
    const spinner = await (this.#options.spinner ?? terminalSpinner)(this.#text());
    // It may have ended while the spinner was being loaded.
    if (this.#isOver) return;
    this.#spinner = spinner;
    spinner.start();
    this.#later(refreshMs, () => {
      spinner.text = this.#text();
      return refreshMs;
    });
  }

  /** Runs `step` after `ms` milliseconds, and again after as many as it returns. */
  #later(ms: number, step: () => number): void {
    this.#cancel = this.#options.clock.after(ms, () => this.#later(step(), step), { background: true });
  }

  #heard(event: ManagerEvent): void {
    const at = 'tool' in event ? this.#calls.findIndex(({ server, tool }) => server === event.server && tool === event.tool) : -1;
    if (event.type === 'call-started') this.#calls.push({ server: event.server, tool: event.tool, step: '' });
    else if (event.type === 'call-finished' && at !== -1) this.#calls.splice(at, 1);
    else if (event.type === 'call-progress') {
      const step = progressText(event);
      if (at === -1) this.#calls.push({ server: event.server, tool: event.tool, step });
      else this.#calls[at]!.step = step;
    } else if (event.type === 'call-retry' && at !== -1)
      this.#calls[at]!.step = `: ${event.code}, try ${event.attempt} of ${event.maxAttempts}`;
    // What has ended is not worth a frame: the spinner goes next.
    if (this.#spinner && news.has(event.type)) this.#spinner.text = this.#text();
  }

  /** One line that fits: `connecting files, memory (3 s)`, `everything/long 3/10 half done (3 s)`. */
  #text(): string {
    const seconds = Math.round((this.#options.clock.now() - this.#startedAtMs) / 1000);
    const elapsed = ` (${seconds} s)`;
    const { redactor, terminal } = this.#options;
    // Three columns for the spinner itself and the space after it.
    const room = Math.max(20, terminal.columns - elapsed.length - 3);
    return `${sanitizeLine(redactor.redact(this.#subject()), room)}${elapsed}`;
  }

  #subject(): string {
    const call = this.#calls.at(-1);
    if (call) return `${call.server}/${call.tool}${call.step}`;
    const connecting = this.#awaited.manager.snapshot().flatMap(({ name, status }) => (status === 'connecting' ? [name] : []));
    if (connecting.length === 0) return this.#awaited.command;
    const names = connecting.slice(0, maxNames).join(', ');
    return `connecting ${names}${connecting.length > maxNames ? ` and ${connecting.length - maxNames} more` : ''}`;
  }
}

/** ` 3/10 half done`: what the server says, which may be anything. */
function progressText({ progress, total, message }: Extract<ManagerEvent, { type: 'call-progress' }>): string {
  const done = Number.isFinite(progress) ? ` ${round(progress)}` : '';
  const of = total !== null && Number.isFinite(total) ? `/${round(total)}` : '';
  return `${done}${done && of}${message ? ` ${message}` : ''}`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
