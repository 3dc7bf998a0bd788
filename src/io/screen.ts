/** The whole screen of a terminal, for a live view: taken, drawn on in one write a frame, and given back as it was found. */

import { StringDecoder } from 'node:string_decoder';
import type { Cancel, Clock } from '../core/clock.js';
import { KeyReader } from './screen-keys.js';

/** A key by its name (`screen-keys.ts`), or the size, which is told first and after each change. */
export type ScreenInput =
  | { readonly type: 'key'; readonly key: string }
  | { readonly type: 'size'; readonly columns: number; readonly rows: number };

/** Safe to dispose of twice. */
export interface Screen extends Disposable {
  /** Shows these lines, from the top; the rest is empty. None may be wider than the screen. Resolves when they were taken. */
  draw(lines: readonly string[]): Promise<void>;
}

/** What somebody lends who has the keys of the terminal already. */
export interface ScreenLoan {
  /** Gives the keys away until disposed of. */
  readonly lend: () => Disposable;
  /** Ctrl-C. */
  readonly onInterrupt: () => void;
}

export interface TtyScreenOptions {
  readonly stdin: Pick<NodeJS.ReadStream, 'on' | 'off' | 'resume' | 'pause' | 'setRawMode'>;
  readonly stdout: Pick<NodeJS.WriteStream, 'on' | 'off' | 'write' | 'columns' | 'rows'>;
  readonly process: Pick<NodeJS.Process, 'on' | 'off' | 'prependListener' | 'listenerCount' | 'kill' | 'pid'>;
  readonly clock: Pick<Clock, 'after'>;
  readonly onInput: (input: ScreenInput) => void;
  /** The screen is as it was before: what was not to be written on it can be written now. */
  readonly onClosed: () => void;
  readonly loan?: ScreenLoan | undefined;
}

/** Alternate screen, cursor hidden. */
const enter = '\x1b[?1049h\x1b[?25l\x1b[2J';
/** Also when a frame was cut in the middle: no colour, lines that wrap, a cursor, the screen of before. */
const leave = '\x1b[?2026l\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l';
/** Synchronized output: a terminal that knows it shows the frame as a whole; others ignore it. A line too wide does not spill. */
const beginFrame = '\x1b[?2026h\x1b[?7l';
const endFrame = '\x1b[?7h\x1b[?2026l';

/** A terminal sends its sequences in one piece; only a slow line tears them. */
const escapeMs = 50;
/** A stop that nobody can undo (no shell above us) is refused by the system: then it goes on after this. */
const stoppedMs = 200;

export class TtyScreen implements Screen {
  readonly #options: TtyScreenOptions;
  readonly #keys = new KeyReader();
  readonly #decoder = new StringDecoder('utf8');
  readonly #lent: Disposable | undefined;
  #lines: readonly string[] = [];
  /** What stands on each row now. */
  #shown: string[] = [];
  #isOn = false;
  #isClosed = false;
  #cancelEscape: Cancel = () => {};
  #cancelStop: Cancel = () => {};

  constructor(options: TtyScreenOptions) {
    this.#options = options;
    const { stdin, stdout, process, loan } = options;
    this.#lent = loan?.lend();
    process.on('exit', this.#restore);
    // Before the text of a bug is written, which would go with the screen. The monitor is told also where nobody handles it.
    process.on('uncaughtExceptionMonitor', this.#restore);
    if (process.listenerCount('unhandledRejection') > 0) process.prependListener('unhandledRejection', this.#restore);
    process.on('SIGTSTP', this.#onStop);
    process.on('SIGCONT', this.#resume);
    stdin.on('data', this.#onData).on('end', this.#onGone).on('error', this.#onGone);
    stdout.on('resize', this.#onResize);
    try {
      this.#take();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
    stdin.resume();
    this.#tellSize();
  }

  draw(lines: readonly string[]): Promise<void> {
    this.#lines = lines;
    const frame = this.#frame();
    if (frame === '') return Promise.resolve();
    return new Promise((resolve) => this.#options.stdout.write(frame, () => resolve()));
  }

  /** Only what differs from what is shown. Nothing while we are not on the screen. */
  #frame(): string {
    if (!this.#isOn) return '';
    let changes = '';
    for (let row = 0; row < this.#size.rows; row++) {
      const line = this.#lines[row] ?? '';
      if (this.#shown[row] === line) continue;
      this.#shown[row] = line;
      changes += `\x1b[${row + 1};1H\x1b[2K${line}${line.includes('\x1b') ? '\x1b[0m' : ''}`;
    }
    return changes === '' ? '' : `${beginFrame}${changes}${endFrame}`;
  }

  get #size(): { columns: number; rows: number } {
    const { columns, rows } = this.#options.stdout;
    // A terminal that does not know its size says 0.
    return { columns: columns || 80, rows: rows || 24 };
  }

  #tellSize(): void {
    this.#options.onInput({ type: 'size', ...this.#size });
  }

  #take(): void {
    const { stdin, stdout } = this.#options;
    // Off first: after a stop the terminal may be in another mode than Node believes. In the background this stops us again.
    if (this.#isOn) stdin.setRawMode(false);
    stdin.setRawMode(true);
    stdout.write(enter);
    this.#shown = [];
    this.#isOn = true;
  }

  #give(isStop: boolean): void {
    if (!this.#isOn) return;
    this.#isOn = false;
    const { stdin, stdout } = this.#options;
    try {
      stdout.write(leave);
      if (isStop || !this.#lent) stdin.setRawMode(false);
    } catch {
      // The terminal is gone: nothing to restore.
    }
  }

  #onData = (bytes: Buffer): void => {
    this.#cancelEscape();
    this.#press(this.#keys.read(this.#decoder.write(bytes)));
    if (this.#keys.isWaiting) this.#cancelEscape = this.#options.clock.after(escapeMs, () => this.#press(this.#keys.flush()));
  };

  #press(keys: readonly string[]): void {
    for (const key of keys) {
      if (this.#isClosed) return;
      if (key === 'ctrl-c') this.#interrupt();
      // What the terminal itself does with this key in its usual mode: the whole group stops, a wrapper around us included.
      else if (key === 'ctrl-z') this.#stop(0);
      else if (key === 'ctrl-l') this.#onResize();
      else this.#options.onInput({ type: 'key', key });
    }
  }

  #interrupt(): void {
    const { loan, process } = this.#options;
    if (loan) loan.onInterrupt();
    else process.kill(process.pid, 'SIGINT');
  }

  #onGone = (): void => {
    const { loan, process } = this.#options;
    // Who lent the keys notices by himself.
    if (!loan && !this.#isClosed) process.kill(process.pid, 'SIGHUP');
  };

  #onResize = (): void => {
    this.#shown = [];
    this.#tellSize();
  };

  #onStop = (): void => this.#stop(this.#options.process.pid);

  /** Stops, as a shell's user expects of Ctrl-Z; `#resume` goes on. */
  #stop(target: number): void {
    if (!this.#isOn) return;
    const { process, clock } = this.#options;
    this.#give(true);
    process.off('SIGTSTP', this.#onStop);
    this.#cancelStop = clock.after(stoppedMs, this.#resume);
    process.kill(target, 'SIGTSTP');
  }

  #resume = (): void => {
    if (this.#isClosed) return;
    this.#cancelStop();
    const { process } = this.#options;
    process.off('SIGTSTP', this.#onStop);
    process.on('SIGTSTP', this.#onStop);
    try {
      this.#take();
    } catch {
      this.#onGone();
      return;
    }
    // Nobody told us of a new size meanwhile.
    process.kill(process.pid, 'SIGWINCH');
    void this.draw(this.#lines);
    this.#tellSize();
  };

  #restore = (): void => this[Symbol.dispose]();

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { stdin, stdout, process } = this.#options;
    this.#cancelEscape();
    this.#cancelStop();
    process.off('exit', this.#restore).off('uncaughtExceptionMonitor', this.#restore).off('unhandledRejection', this.#restore);
    process.off('SIGTSTP', this.#onStop).off('SIGCONT', this.#resume);
    stdin.off('data', this.#onData).off('end', this.#onGone);
    stdout.off('resize', this.#onResize);
    this.#give(false);
    if (this.#lent) {
      stdin.off('error', this.#onGone);
      this.#lent[Symbol.dispose]();
    }
    // The listener for errors stays: a terminal that is gone fails every further call on it.
    else stdin.pause();
    this.#options.onClosed();
  }
}
