/** What is known of a manager from watching it: figures, and how it is. What only `metrics`, `health` and the HTTP endpoint need is loaded by them. */

import type { Clock } from '../core/clock.js';
import type { Emitter } from '../core/events.js';
import type { ManagerEvent, ServerFigures, ServerStatus } from '../manager/server-status.js';
import type { OnWriteFailure } from '../state/write-failures.js';
import type { HealthReport } from './health.js';
import { RunCounts } from './run-counts.js';
import type { TallySource } from './tally-source.js';

/** What is watched: a `Manager`. */
export interface Observed {
  readonly longLived: boolean;
  readonly events: Emitter<ManagerEvent>;
  names(): string[];
  snapshot(): ServerStatus[];
  figures(names?: readonly string[]): ServerFigures[];
}

export interface ObservationOptions {
  readonly manager: Observed;
  readonly stateDir: string;
  readonly clock: Clock;
  readonly pid: number;
  /** The configuration file that defines a server. */
  readonly fileOf: (server: string) => string | undefined;
  /** What is wrong with the configuration on disk; null = it is in force. */
  readonly problem: () => string | null;
  /** Takes secrets out of names that servers chose. */
  readonly redact: (text: string) => string;
  readonly onWriteFailure: OnWriteFailure;
}

export class Observation implements AsyncDisposable {
  /** Where the figures are offered over HTTP. */
  endpoint: string | null = null;
  readonly #options: ObservationOptions;
  /** Of a manager that stays. */
  #metrics: Promise<TallySource & Disposable> | undefined;
  /** Of a single command, or a script. */
  #run: RunCounts | undefined;

  constructor(options: ObservationOptions) {
    this.#options = options;
  }

  /** Of the process that counts. */
  get pid(): number {
    return this.#options.pid;
  }

  /** Begins to count. Resolves when nothing that happens from now on is missed. */
  async start(): Promise<this> {
    const { manager, clock, redact } = this.#options;
    if (manager.longLived) {
      this.#metrics = import('./metrics.js').then(({ Metrics }) => new Metrics(clock, redact).listen(manager.events));
      await this.#metrics;
    } else this.#run = new RunCounts(this.#options).listen(manager.events);
    return this;
  }

  /** The figures of this manager; of a single command, those of the day. */
  async source(): Promise<TallySource> {
    return this.#metrics ?? this.#run!.source();
  }

  /** For Prometheus: the named servers, all by default. */
  async exposition(names: readonly string[] = this.#options.manager.names()): Promise<string> {
    const { manager, clock } = this.#options;
    const [{ exposition }, { newTally }, source] = await Promise.all([
      import('./exposition.js'),
      import('./tally.js'),
      this.source(),
    ]);
    const totals = await source.totals(names);
    const figures = source.from === 'manager' ? manager.figures(names) : [];
    const samples = names.map((server, index) => ({ server, tally: totals.get(server) ?? newTally(), figures: figures[index] }));
    return exposition({ at: clock.date().getTime(), startedAt: source.startedAt, samples });
  }

  async health(): Promise<HealthReport> {
    const { manager, clock, problem } = this.#options;
    const { healthOf } = await import('./health.js');
    return healthOf({ servers: manager.snapshot(), problem: problem(), endpoint: this.endpoint, at: clock.date() });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    (await this.#metrics)?.[Symbol.dispose]();
    await this.#run?.[Symbol.asyncDispose]();
  }
}
