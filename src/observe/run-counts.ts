/** What one command, or one script, counts. Only remembers events; what adds them up is loaded at the end, when the answer is out. */

import type { Clock } from '../core/clock.js';
import type { Emitter, Subscription } from '../core/events.js';
import type { ManagerEvent } from '../manager/server-status.js';
import type { OnWriteFailure } from '../state/write-failures.js';
import { type CountedEvent, isCounted } from './counted-events.js';
import type { DayTotals } from './day-totals.js';

export interface RunCountsOptions {
  readonly stateDir: string;
  readonly clock: Clock;
  readonly pid: number;
  /** The configuration file that defines a server. */
  readonly fileOf: (server: string) => string | undefined;
  readonly redact: (text: string) => string;
  readonly onWriteFailure: OnWriteFailure;
}

/** A long script writes in between. */
const maxWaiting = 1000;

export class RunCounts implements AsyncDisposable {
  readonly #options: RunCountsOptions;
  #waiting: CountedEvent[] = [];
  /** Servers that were connected in this run: once more is a restart. */
  readonly #connected = new Set<string>();
  #writing: Promise<void> = Promise.resolve();
  #listening: Subscription | undefined;

  constructor(options: RunCountsOptions) {
    this.#options = options;
  }

  listen(events: Emitter<ManagerEvent>): this {
    this.#listening = events.onAny((event) => {
      if (!isCounted(event)) return;
      this.#waiting.push(event);
      if (this.#waiting.length >= maxWaiting) void this.flush();
    });
    return this;
  }

  /** The totals of the day, with what was counted here so far. */
  async source(): Promise<DayTotals> {
    await this.flush();
    const { DayTotals } = await import('./day-totals.js');
    return new DayTotals(this.#options);
  }

  /** Never rejects: figures that cannot be written fail no command. */
  flush(): Promise<void> {
    const events = this.#waiting;
    this.#waiting = [];
    if (events.length === 0) return this.#writing;
    this.#writing = this.#writing.then(() => this.#write(events)).catch(this.#options.onWriteFailure);
    return this.#writing;
  }

  async #write(events: readonly CountedEvent[]): Promise<void> {
    const { DayTotals } = await import('./day-totals.js');
    await new DayTotals(this.#options).add(events, this.#connected);
  }

  /** What happens from now on, servers that are closed, counts no more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listening?.off();
    await this.flush();
  }
}
