/** Looks at a manager again and again, for `top`: what `status`, `metrics` and `health` know, at one moment. */

import type { Clock } from '../../core/clock.js';
import type { CommandContext } from '../command.js';
import { seriesSlots, type TopData, type TopLook, topData } from './model.js';

export class TopFeed {
  readonly #context: Pick<CommandContext, 'manager' | 'observation'>;
  readonly #named: readonly string[];
  readonly #clock: Pick<Clock, 'date'>;
  #before: TopLook | undefined;
  #now: TopLook | undefined;

  /** @param named which servers; all of them when it is empty */
  constructor(context: Pick<CommandContext, 'manager' | 'observation'>, named: readonly string[], clock: Pick<Clock, 'date'>) {
    this.#context = context;
    this.#named = [...new Set(named)];
    this.#clock = clock;
  }

  /** A new look: rates are those since the one before. */
  async next(): Promise<TopData> {
    const look = await this.#look();
    this.#before = this.#now;
    this.#now = look;
    return topData(this.#before, look);
  }

  /** The states of now with the rates of the last look: a state may change at any time, a rate needs some. */
  async again(): Promise<TopData> {
    if (!this.#now) return this.next();
    const { manager, observation } = this.#context;
    const { status, ready } = await observation.health();
    return topData(this.#before, { ...this.#now, health: { status, ready }, servers: manager.snapshot(this.#names()) });
  }

  async #look(): Promise<TopLook> {
    const { manager, observation } = this.#context;
    const names = this.#names();
    const source = await observation.source();
    const [{ reportOf }, reading, { status, ready }] = await Promise.all([
      import('../../observe/report.js'),
      source.read(names, undefined),
      observation.health(),
    ]);
    return {
      at: this.#clock.date().getTime(),
      pid: observation.pid,
      startedAt: source.startedAt,
      health: { status, ready },
      servers: manager.snapshot(this.#names()),
      reports: new Map(reportOf(source.from, reading).servers.map((report) => [report.server, report])),
      recent: source.recent?.(names, seriesSlots) ?? new Map(),
    };
  }

  /** Those of the named ones that are still there: the configuration may change meanwhile. */
  #names(): string[] {
    const names = this.#context.manager.names();
    return this.#named.length === 0 ? names : this.#named.filter((name) => names.includes(name));
  }
}
