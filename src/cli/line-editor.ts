/** The line a person types: node:readline behind a gate, so that keys typed during a command wait and notices do not disturb the line. */

import { createInterface, emitKeypressEvents, type Interface, type Key } from 'node:readline';
import { PassThrough } from 'node:stream';
import { cancelled } from '../core/errors.js';
import { type Completion, commonPrefix } from './complete.js';
import { HiddenAnswer } from './hidden-answer.js';
import type { AskOptions } from './terminal.js';

export interface LineEditorOptions {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  /** May contain colour sequences. */
  readonly prompt: string;
  /** Oldest first. */
  readonly history: readonly string[];
  readonly historyLines: number;
  /** A terminal that knows no escape sequences (TERM=dumb, as inside an editor): lines only ever follow each other. */
  readonly isDumb?: boolean;
  readonly complete: (line: string, cursor: number) => Completion;
  /** Ctrl-C. `cleared`: it emptied the line that was being typed, which is all it was meant for. */
  readonly onInterrupt: (cleared: boolean) => void;
}

/** What `readLine` came back with: a line, Ctrl-D, or a terminal that is gone. */
export type LineInput = { readonly type: 'line'; readonly text: string } | { readonly type: 'end' } | { readonly type: 'hangup' };

interface KeyPress {
  readonly text: string | undefined;
  readonly key: Key;
}

/** Keys that wait while a command runs. Beyond this a file was pasted, not typed; the rest is dropped with a bell. */
const maxHeldKeys = 100_000;
/** Candidates shown at once; the rest is counted. */
const maxShownCandidates = 200;
/** Texts that wait while somebody else has the screen: the last ones are kept. */
const maxHeldTexts = 500;

/**
 * Reads lines with editing, history and completion.
 *
 * Keys come from `stdin` and are handed to readline one at a time, only while `readLine` or `ask` waits. Everything else is held
 * back, in order: lines typed ahead are run later, pasted lines one after the other. Ctrl-C is never held back.
 */
export class LineEditor implements Disposable {
  readonly #options: LineEditorOptions;
  readonly #readline: Interface;
  #reading: ((input: LineInput) => void) | undefined;
  #asking:
    | {
        readonly answer: (text: string) => void;
        readonly fail: (reason: unknown) => void;
        /** Keeps what is typed away from readline, which would show it. */
        readonly hidden: HiddenAnswer | undefined;
      }
    | undefined;
  #completing = false;
  #held: KeyPress[] = [];
  /** What is to be printed when the screen comes back; undefined while we have it. */
  #lent: string[] | undefined;
  #ended: 'end' | 'hangup' | undefined;
  #disposed = false;

  constructor(options: LineEditorOptions) {
    this.#options = options;
    const { stdin, stdout, prompt, history, historyLines } = options;
    // readline gets a stream nobody writes to; it steers the real terminal through it when Ctrl-Z suspends and resumes us.
    const input = Object.assign(new PassThrough(), { setRawMode: (on: boolean) => void stdin.setRawMode(on) });
    this.#readline = createInterface({
      input,
      output: stdout,
      terminal: true,
      prompt,
      history: [...history].reverse(),
      historySize: historyLines,
      removeHistoryDuplicates: true,
      completer: (line: string) => this.#complete(line),
      // However slowly the second half of a pasted \r\n comes, it is no second line.
      crlfDelay: Number.POSITIVE_INFINITY,
    });
    const rl = this.#readline;
    rl.on('line', (text) => this.#onLine(text));
    rl.on('history', (lines: string[]) => void (this.#asking && lines.shift()));
    rl.on('SIGINT', () => this.#onInterrupt());
    rl.on('SIGCONT', () => rl.resume());
    rl.on('close', () => this.#end('end'));
    // readline completes asynchronously between these two; a key that came in between would act on the line before it is completed.
    rl.on('pause', () => {
      this.#completing = true;
    });
    rl.on('resume', () =>
      queueMicrotask(() => {
        this.#completing = false;
        this.#feed();
      }),
    );
    // Without the interface as second argument: with it, text pasted into the middle of a line lands at its end.
    emitKeypressEvents(stdin);
    stdin.on('keypress', this.#onKey);
    stdin.on('end', this.#onHangup);
    stdin.on('error', this.#onHangup);
    stdout.on('error', this.#onHangup);
    stdin.setRawMode(true);
    stdin.resume();
  }

  /** Draws the prompt and resolves with the next line. */
  readLine(): Promise<LineInput> {
    this.#abandonQuestion();
    if (this.#ended) return Promise.resolve({ type: this.#ended });
    return new Promise((resolve) => {
      this.#reading = resolve;
      this.#readline.setPrompt(this.#options.prompt);
      this.#readline.prompt();
      this.#feed();
    });
  }

  /** Asks while a command runs. What was typed before the question is no answer to it, and the answer enters no history. */
  ask(question: string, { isHidden = false, signal }: AskOptions = {}): Promise<string> {
    if (this.#ended) return Promise.reject(cancelled('SIGHUP'));
    if (signal?.aborted) return Promise.reject(signal.reason);
    this.#abandonQuestion();
    let onAbort = () => {};
    return new Promise<string>((answer, fail) => {
      const asking = { answer, fail, hidden: isHidden ? new HiddenAnswer() : undefined };
      this.#asking = asking;
      onAbort = () => {
        if (this.#asking === asking) this.#abandonQuestion(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#readline.setPrompt(`${question} `);
      this.#readline.prompt();
    }).finally(() => signal?.removeEventListener('abort', onAbort));
  }

  /** Writes whole lines: above the line that is being typed, which then stands below them as it was, cursor included. */
  print(text: string): void {
    const { stdout, isDumb } = this.#options;
    if (this.#lent) {
      if (this.#lent.push(text) > maxHeldTexts) this.#lent.shift();
      return;
    }
    if ((!this.#reading && !this.#asking) || this.#disposed) {
      stdout.write(`${text}\n`);
      return;
    }
    if (isDumb) {
      stdout.write(`\n${text}\n`);
      this.#readline.prompt(true);
      stdout.write(this.#readline.line);
      return;
    }
    const { rows } = this.#readline.getCursorPos();
    const toPromptStart = `${rows > 0 ? `\x1b[${rows}A` : ''}\r\x1b[J`;
    // readline goes up by the rows it believes to be in when it draws: these newlines are what it goes back over.
    stdout.write(`${toPromptStart}${text}\n${'\n'.repeat(rows)}`);
    this.#readline.prompt(true);
  }

  /** Gives the keys and the screen to a command until disposed of. Line, history and what was typed ahead stay as they are. */
  lend(): Disposable {
    const { stdin } = this.#options;
    // Off, so that the decoder of keys sees nothing either: half a sequence in it would swallow the first key typed later.
    stdin.off('keypress', this.#onKey);
    this.#lent = [];
    return {
      [Symbol.dispose]: () => {
        const texts = this.#lent ?? [];
        this.#lent = undefined;
        if (!this.#disposed) stdin.on('keypress', this.#onKey);
        for (const text of texts) this.print(text);
      },
    };
  }

  /** Forgets the keys that wait. @returns how many complete lines that were */
  dropTypedAhead(): number {
    const lines = this.#held.filter(({ key }) => key.name === 'return').length;
    this.#held = [];
    return lines;
  }

  /** Gives the terminal back as it was. Safe to call twice. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const { stdin, stdout, isDumb } = this.#options;
    // A prompt without a newline would be in front of the shell's own.
    if (this.#reading) stdout.write('\n');
    this.#reading = undefined;
    this.#asking?.fail(cancelled());
    this.#asking = undefined;
    stdin.off('keypress', this.#onKey);
    stdin.off('end', this.#onHangup);
    // The listeners for errors stay: a terminal that is gone fails every further call on it.
    this.#readline.close();
    try {
      stdin.setRawMode(false);
      if (!stdout.destroyed && !isDumb) stdout.write('\x1b[?25h');
    } catch {
      // The terminal is gone: nothing to restore.
    }
    stdin.pause();
  }

  #onKey = (text: string | undefined, key: Key): void => {
    const isInterrupt = key.ctrl === true && key.name === 'c';
    const hidden = this.#asking?.hidden;
    const isWaiting = this.#reading !== undefined || this.#asking !== undefined;
    if (hidden) this.#pressHidden(hidden, text, key);
    else if (isInterrupt && !isWaiting) this.#options.onInterrupt(false);
    else if (isInterrupt || this.#asking) this.#press({ text, key });
    else if (this.#held.length >= maxHeldKeys) this.#options.stdout.write('\x07');
    else {
      this.#held.push({ text, key });
      this.#feed();
    }
  };

  #pressHidden(hidden: HiddenAnswer, text: string | undefined, key: Key): void {
    const step = hidden.press(text, key);
    if (step === 'more' || this.#ended) return;
    if (step === 'interrupt') this.#onInterrupt();
    // An empty line for readline: it ends the question on the screen.
    else this.#press({ text: '\r', key: { name: 'return' } });
  }

  /** Hands held keys to readline until one of them ends the line. */
  #feed(): void {
    while (this.#reading && !this.#completing && !this.#ended) {
      const next = this.#held.shift();
      if (!next) return;
      this.#press(next);
    }
  }

  #press({ text, key }: KeyPress): void {
    if (this.#ended) return;
    // The types lack what the documentation has: the text may be undefined for keys that write none.
    this.#readline.write(text as string, key);
  }

  #onLine(text: string): void {
    const asking = this.#asking;
    const reading = this.#reading;
    // readline redraws when the window's size changes: no prompt may appear in the middle of a command's output.
    this.#readline.setPrompt('');
    if (asking) this.#asking = undefined;
    else this.#reading = undefined;
    if (asking) asking.answer(asking.hidden?.text ?? text);
    else reading?.({ type: 'line', text });
  }

  #onInterrupt(): void {
    const typed = this.#readline.line !== '';
    this.#eraseLine();
    this.#options.onInterrupt(typed && this.#reading !== undefined);
  }

  #eraseLine(): void {
    if (this.#readline.line === '') return;
    this.#readline.write(null as unknown as string, { ctrl: true, name: 'e' });
    this.#readline.write(null as unknown as string, { ctrl: true, name: 'u' });
  }

  /** A command that was cancelled while it asked leaves its question on the screen. */
  #abandonQuestion(reason: unknown = cancelled()): void {
    if (!this.#asking) return;
    this.#asking.fail(reason);
    this.#asking = undefined;
    if (this.#ended) return;
    this.#eraseLine();
    this.#readline.setPrompt('');
    this.#options.stdout.write('\n');
  }

  #onHangup = (): void => this.#end('hangup');

  #end(type: 'end' | 'hangup'): void {
    if (this.#ended) return;
    this.#ended = type;
    if (!this.#disposed && this.#reading) this.#options.stdout.write('\n');
    this.#asking?.fail(cancelled(type === 'hangup' ? 'SIGHUP' : 'SIGINT'));
    this.#asking = undefined;
    const reading = this.#reading;
    this.#reading = undefined;
    reading?.({ type });
  }

  /** For readline: the candidates, and the typed text they replace. */
  #complete(line: string): [string[], string] {
    if (this.#asking) return [[], line];
    const { candidates, replaceFrom, typed } = this.#options.complete(line, line.length);
    const raw = line.slice(replaceFrom);
    const texts = candidates.map(({ text }) => text);
    const common = commonPrefix(candidates.map(({ value }) => value));
    // One candidate, or a longer common beginning: readline puts it in.
    if (candidates.length === 1 || common.length > typed.length) {
      const text = commonPrefix(texts);
      return text === '' || text === raw ? list(texts) : [[text], raw];
    }
    return list(texts);
  }
}

/** Makes readline show a list without touching the line: it inserts what the candidates share beyond the second value. */
function list(texts: readonly string[]): [string[], string] {
  const shown = texts.slice(0, maxShownCandidates);
  const rest = texts.length - shown.length;
  return [rest > 0 ? [...shown, `… and ${rest} more`] : shown, rest > 0 ? '' : commonPrefix(shown)];
}
