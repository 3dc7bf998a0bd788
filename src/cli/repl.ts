/** The REPL: a prompt at once, servers that come up behind it, one command at a time, and a terminal left as it was found. */

import type { Clock } from '../core/clock.js';
import { cancelled, exitCodeFor } from '../core/errors.js';
import type { Redactor } from '../core/redact.js';
import { sanitizeLine } from '../core/sanitize.js';
import type { ScreenInput, ScreenLoan } from '../io/screen.js';
import { complete } from './complete.js';
import { globalFlags } from './global-flags.js';
import { History, historyLimits } from './history.js';
import { LineEditor } from './line-editor.js';
import { Notices } from './notices.js';
import { registry } from './registry.js';
import { replSession, sessionCommand } from './repl-session.js';
import type { ReplTarget } from './repl-target.js';
import { printError, runCommand, type Session } from './run.js';
import type { AskOptions } from './terminal.js';
import { tokenize } from './tokenize.js';

export interface ReplOptions {
  readonly session: Session;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  /** Called once the prompt stands there, and again when the manager it gave has gone. */
  readonly target: () => Promise<ReplTarget>;
  readonly historyFile: string;
  readonly redactor: Redactor;
  readonly clock: Clock;
  /** SIGTERM and SIGHUP; the reason decides the exit code. */
  readonly signal: AbortSignal;
  readonly version: string;
  /** TERM=dumb: no escape sequence is written. */
  readonly isDumb?: boolean;
}

/** A second Ctrl-C within this time leaves. */
const leaveWithinMs = 2_000;

/** Runs until the user leaves, a signal comes or the terminal goes. The manager is the caller's to close. @returns the exit code */
export async function runRepl(options: ReplOptions): Promise<number> {
  const repl = new Repl(options);
  try {
    return await repl.run();
  } finally {
    await repl[Symbol.asyncDispose]();
  }
}

class Repl implements AsyncDisposable {
  readonly #options: ReplOptions;
  readonly #session: Session;
  readonly #history: History;
  readonly #notices: Notices;
  readonly #color: boolean;
  #editor: LineEditor | undefined;
  #target: ReplTarget | undefined;
  #listening: Disposable | undefined;
  #running: AbortController | undefined;
  #interruptedAtMs = Number.NEGATIVE_INFINITY;
  #leave: (code: number) => void = () => {};
  #onSignal: () => void = () => {};
  #isLeft = false;

  constructor(options: ReplOptions) {
    this.#options = options;
    const { session, redactor, clock, historyFile } = options;
    const { stdoutIsTerminal, colorAllowed } = session.terminal;
    this.#color = stdoutIsTerminal && colorAllowed && !session.defaults.noColor;
    const { openScreen } = session.terminal;
    const own = {
      ask: (question: string, options?: AskOptions) => this.#ask(question, options),
      ...(openScreen && { openScreen: (onInput: (input: ScreenInput) => void) => openScreen(onInput, this.#loan()) }),
    };
    this.#session = replSession(session, own, { atPrompt: true });
    this.#history = new History({ file: historyFile, redactor, onProblem: (problem) => this.#report(problem) });
    this.#notices = new Notices({
      clock,
      redactor,
      color: this.#color,
      toolCount: (server) => this.#target?.view.knownTools(server)?.length,
      print: (lines) => this.#say(lines.join('\n')),
    });
  }

  async run(): Promise<number> {
    const { stdin, stdout, version, signal, isDumb = false } = this.#options;
    const history = await this.#history.read();
    if (signal.aborted) return exitCodeFor(signal.reason);
    this.#editor = new LineEditor({
      stdin,
      stdout,
      prompt: this.#color ? '\x1b[36mmcpctl>\x1b[39m ' : 'mcpctl> ',
      history,
      historyLines: historyLimits.lines,
      isDumb,
      complete: (line, cursor) => complete(line, cursor, this.#sources),
      onInterrupt: (cleared) => this.#interrupted(cleared),
    });
    if (!this.#session.defaults.quiet) this.#say(`mcpctl ${version} (/help for the commands, Ctrl-D leaves)`);
    // Whatever happens first ends it; a command that does not let go is not waited for.
    const left = new Promise<number>((resolve) => {
      this.#leave = resolve;
    });
    this.#onSignal = () => {
      this.#running?.abort(signal.reason);
      this.#leave(exitCodeFor(signal.reason));
    };
    signal.addEventListener('abort', this.#onSignal, { once: true });
    // After this turn of the loop, in which the prompt is drawn.
    const opened = Promise.resolve().then(() => this.#open());
    return await Promise.race([left, this.#readLines(this.#editor, opened)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isLeft = true;
    this.#options.signal.removeEventListener('abort', this.#onSignal);
    this.#listening?.[Symbol.dispose]();
    this.#target?.close();
    this.#notices[Symbol.dispose]();
    this.#editor?.[Symbol.dispose]();
    await this.#history[Symbol.asyncDispose]();
  }

  get #sources() {
    const view = this.#target?.view;
    return {
      registry,
      globalFlags,
      front: 'repl' as const,
      servers: () => view?.names() ?? [],
      tools: (server: string) => view?.knownTools(server),
    };
  }

  async #open(): Promise<void> {
    try {
      const target = await this.#options.target();
      if (this.#isLeft) return target.close();
      this.#target = target;
      if (!this.#session.defaults.quiet) this.#welcome(target);
      target.start();
      void target.lost.then(() => this.#reopen());
    } catch (error) {
      // Nothing can be done in a session without a configuration; what is wrong with it stands in the error.
      this.#report(error);
      this.#leave(exitCodeFor(error));
    }
  }

  /** The manager of another process has gone: the session goes on with what there is now, its own if need be. */
  #reopen(): Promise<void> | undefined {
    if (this.#isLeft) return;
    this.#listening?.[Symbol.dispose]();
    this.#notices.forget();
    this.#say('~ the manager has ended; the session goes on');
    return this.#open();
  }

  #welcome({ view, greeting, warnings }: ReplTarget): void {
    this.#listening = view.events.onAny(this.#notices.handle);
    for (const line of greeting) this.#say(line);
    for (const message of warnings) this.#notices.handle({ type: 'warning', server: null, message });
  }

  async #readLines(editor: LineEditor, opened: Promise<void>): Promise<number> {
    for (;;) {
      const input = await editor.readLine();
      if (input.type === 'end') return 0;
      if (input.type === 'hangup') return exitCodeFor(cancelled('SIGHUP'));
      // Which words are secrets is known once the configuration has been read.
      void opened.then(() => this.#history.add(input.text));
      if ((await this.#runLine(input.text)) === 'exit') return 0;
    }
  }

  async #runLine(line: string): Promise<'exit' | undefined> {
    const running = new AbortController();
    this.#running = running;
    let unmute = () => {};
    try {
      const words = tokenize(line);
      if (words.length === 0) return;
      const own = await sessionCommand(words);
      if (own?.name === 'exit') return 'exit';
      if (own?.name === 'clear') return this.#clear();
      unmute = this.#muteReported(words);
      await runCommand(words, this.#session, running.signal);
    } catch (error) {
      this.#report(error);
    } finally {
      unmute();
      this.#running = undefined;
    }
    return;
  }

  #clear(): undefined {
    const { stdout, isDumb } = this.#options;
    if (!isDumb) stdout.write('\x1b[H\x1b[2J\x1b[3J');
  }

  /** `reconnect` and `auth` wait for their servers and say how it went: a notice would say it twice. */
  #muteReported(words: readonly string[]): () => void {
    const at = words.findIndex((word) => /^\/?(reconnect|auth)$/.test(word));
    if (at === -1) return () => {};
    const named = new Set(words.slice(at + 1));
    return this.#notices.mute((server) => named.has(server) || named.has('--all') || named.has('--failed'));
  }

  /** Ctrl-C: cancels the command, or clears the line (which the editor has done by then); a second one leaves. */
  #interrupted(cleared: boolean, onScreen = false): void {
    if (cleared) return;
    const { clock, stdout } = this.#options;
    const isSecond = clock.now() - this.#interruptedAtMs < leaveWithinMs;
    this.#interruptedAtMs = clock.now();
    if (isSecond) {
      this.#running?.abort(cancelled('SIGINT'));
      this.#leave(exitCodeFor(cancelled('SIGINT')));
    } else if (this.#running) {
      if (!onScreen) stdout.write('^C\n');
      this.#cancel(this.#running);
    } else this.#say('(Ctrl-C again within 2 s or Ctrl-D leaves)');
  }

  #cancel(running: AbortController): void {
    if (running.signal.aborted)
      this.#say('(The command has not ended yet; Ctrl-C again within 2 s leaves without waiting for it)');
    running.abort(cancelled('SIGINT'));
    // As a terminal does: what was typed for after this command is not run when it did not end as planned.
    const dropped = this.#editor?.dropTypedAhead() ?? 0;
    if (dropped > 0) this.#say(`(${dropped === 1 ? 'a line' : `${dropped} lines`} typed ahead dropped)`);
  }

  /** For a command that takes the screen. */
  #loan(): ScreenLoan {
    const lend = () => this.#editor?.lend() ?? { [Symbol.dispose]: () => {} };
    return { lend, onInterrupt: () => this.#interrupted(false, true) };
  }

  #ask(question: string, options?: AskOptions): Promise<string> {
    return this.#editor?.ask(`${sanitizeLine(question, 2_000)} `, options) ?? Promise.reject(cancelled());
  }

  #say(text: string): void {
    const safe = this.#options.redactor.redact(text);
    if (this.#editor) this.#editor.print(safe);
    else this.#options.stdout.write(`${safe}\n`);
  }

  /** An error that belongs to no command, above the line that is being typed. */
  #report(error: unknown): void {
    const { defaults } = this.#session;
    const terminal = { ...this.#session.terminal, writeError: (text: string) => this.#say(text.trimEnd()) };
    printError(error, { json: defaults.json ?? false, verbose: defaults.verbose ?? false }, { ...this.#session, terminal });
  }
}
