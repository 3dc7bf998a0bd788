/** `top` on a whole screen: looks, draws, and does what the keys say, until the person leaves. */

import type { Cancel, Clock } from '../../core/clock.js';
import { toMcpctlError } from '../../core/errors.js';
import type { Screen, ScreenInput } from '../../io/screen.js';
import { logPath } from '../../state/log-line.js';
import type { CommandContext, Stage } from '../command.js';
import { TopFeed } from './feed.js';
import { LogTail } from './log-tail.js';
import type { TopData } from './model.js';
import { logPageSize, logRows, pageSize, screenLines, type TopStyle } from './render.js';
import { firstView, press, sorted, type TopAction, type TopView } from './view.js';

export interface LiveTopOptions {
  readonly servers: readonly string[];
  readonly intervalMs: number;
  readonly context: Pick<CommandContext, 'manager' | 'observation' | 'signal'>;
  readonly stage: Stage;
  readonly clock: Clock;
}

/** What changes a state is shown at once, at most so often, in milliseconds: a hundred servers may start at one moment. */
const soonMs = 100;
/** Lines of a log may come by the thousand: at most so often, in milliseconds, the new ones are drawn. */
const linesMs = 50;
const stateEvents: ReadonlySet<string> = new Set(['server-state', 'breaker-changed', 'config-changed', 'health-checked']);

/** @throws `signal.reason` */
export async function showTop(options: LiveTopOptions): Promise<void> {
  const live = new LiveTop(options);
  try {
    await live.run();
  } finally {
    live[Symbol.dispose]();
  }
}

class LiveTop implements Disposable {
  readonly #options: LiveTopOptions;
  readonly #feed: TopFeed;
  #data: TopData | undefined;
  #view: TopView = firstView;
  #size = { columns: 80, rows: 24 };
  #log: LogTail | undefined;
  #screen: Screen | undefined;
  #isOver = false;
  #isDirty = true;
  #failure: { readonly error: unknown } | undefined;
  #wake = () => {};
  #cancelTick: Cancel = () => {};
  #cancelSoon: Cancel | undefined;
  #cancelLines: Cancel | undefined;
  #listening: Disposable | undefined;

  constructor(options: LiveTopOptions) {
    this.#options = options;
    this.#feed = new TopFeed(options.context, options.servers, options.clock);
  }

  async run(): Promise<void> {
    const { context, stage } = this.#options;
    const { signal, manager } = context;
    this.#data = await this.#feed.next();
    signal.throwIfAborted();
    signal.addEventListener('abort', this.#onAbort, { once: true });
    this.#listening = manager.events.onAny(({ type }) => {
      if (stateEvents.has(type)) this.#lookSoon();
    });
    const opening = stage.open((input) => this.#heard(input));
    // One that comes when we have left already is given back.
    opening.then(
      (screen) => this.#isOver && screen[Symbol.dispose](),
      () => {},
    );
    this.#screen = await until(signal, opening);
    this.#tickLater();
    while (!this.#isOver) {
      this.#isDirty = false;
      await until(signal, this.#screen.draw(this.#lines()));
      if (!this.#isDirty && !this.#isOver) await new Promise<void>((resolve) => (this.#wake = resolve));
      signal.throwIfAborted();
      if (this.#failure) throw this.#failure.error;
    }
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#cancelTick();
    this.#cancelSoon?.();
    this.#cancelLines?.();
    this.#listening?.[Symbol.dispose]();
    this.#options.context.signal.removeEventListener('abort', this.#onAbort);
    this.#log?.[Symbol.dispose]();
    this.#screen?.[Symbol.dispose]();
  }

  get #style(): TopStyle {
    const { color, redact } = this.#options.stage;
    return { ...this.#size, color, redact };
  }

  #lines(): string[] {
    return screenLines(this.#data!, this.#view, this.#style, this.#log?.lines);
  }

  #onAbort = (): void => this.#changed();

  #changed(): void {
    this.#isDirty = true;
    this.#wake();
  }

  #tickLater(): void {
    const { clock, intervalMs } = this.#options;
    this.#cancelTick = clock.after(intervalMs, () => {
      void this.#take(this.#feed.next()).then(() => {
        if (!this.#isOver) this.#tickLater();
      });
    });
  }

  #lookSoon(): void {
    this.#cancelSoon ??= this.#options.clock.after(soonMs, () => {
      this.#cancelSoon = undefined;
      void this.#take(this.#feed.again());
    });
  }

  async #take(look: Promise<TopData>): Promise<void> {
    try {
      this.#data = await look;
    } catch (error) {
      this.#failure = { error };
    }
    this.#changed();
  }

  #heard(input: ScreenInput): void {
    if (input.type === 'size') this.#size = { columns: input.columns, rows: input.rows };
    else this.#press(input.key);
    this.#changed();
  }

  #press(key: string): void {
    const rows = sorted(this.#data!.servers, this.#view.sort);
    const page = this.#view.page === 'log' ? logPageSize(this.#size.rows) : pageSize(this.#size.rows);
    const scrolled = Math.min(this.#view.scrolled, this.#maxScrolled());
    const { view, action } = press({ ...this.#view, scrolled }, key, rows, page);
    this.#view = view;
    if (action) this.#do(action);
  }

  #maxScrolled(): number {
    if (!this.#log) return 0;
    const { redact } = this.#options.stage;
    return Math.max(0, logRows(this.#log.lines, this.#size.columns, redact).length - logPageSize(this.#size.rows));
  }

  #do(action: TopAction): void {
    switch (action.type) {
      case 'quit':
        this.#isOver = true;
        break;
      case 'open-log':
        this.#openLog(action.server);
        break;
      case 'close-log':
        this.#log?.[Symbol.dispose]();
        this.#log = undefined;
        break;
      default:
        void this.#steer(action.type, action.server);
    }
  }

  #openLog(server: string): void {
    const { context, clock, stage } = this.#options;
    const { config } = context.manager;
    const file = config.servers.get(server)?.file;
    const cannot = (why: string) => {
      this.#view = { ...this.#view, page: 'servers' };
      this.#say(why);
    };
    this.#log?.[Symbol.dispose]();
    // Since the last look.
    if (file === undefined) {
      cannot(`${server} is not configured any more`);
      return;
    }
    this.#log = new LogTail(logPath(config.places.stateDir, server, file), clock, {
      onLine: (line) => {
        // Who reads further up goes on reading there.
        if (this.#view.scrolled > 0) {
          const more = logRows([line], this.#size.columns, stage.redact).length;
          this.#view = { ...this.#view, scrolled: this.#view.scrolled + more };
        }
        this.#cancelLines ??= clock.after(linesMs, () => {
          this.#cancelLines = undefined;
          this.#changed();
        });
      },
      onProblem: cannot,
    });
  }

  async #steer(verb: 'reconnect' | 'enable' | 'disable', server: string): Promise<void> {
    const { manager, signal } = this.#options.context;
    this.#say(`${server}: ${verb === 'reconnect' ? 'connecting anew' : verb === 'enable' ? 'enabling' : 'disabling'} …`);
    try {
      if (verb === 'reconnect') await manager.reconnect(server, signal);
      else await manager.setEnabled(server, verb === 'enable', { persist: false, signal });
      if (this.#isOver) return;
      if (verb === 'reconnect') this.#say(`${server}: connected`);
      else if (verb === 'enable') this.#say(`${server}: enabled`);
      else this.#say(`${server}: disabled until this manager ends`);
    } catch (error) {
      if (this.#isOver || signal.aborted) return;
      const { code, message, hint } = toMcpctlError(error);
      this.#say(`${server}: ${code}: ${message}${hint === undefined ? '' : ` (${hint})`}`);
    }
    this.#lookSoon();
  }

  #say(message: string): void {
    this.#view = { ...this.#view, message };
    this.#changed();
  }
}

/** What is awaited, or the end: a terminal may take its time, and a person may leave meanwhile. */
function until<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
