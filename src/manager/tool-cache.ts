/** The list of tools of one server: fetched once for all who ask at the same time, kept while fresh, remembered between runs. */

import type { CacheOptions } from '../config/schema.js';
import type { Clock } from '../core/clock.js';
import type { Tool, ToolPage } from '../mcp/connection.js';

/** The protocol caps the hints of servers at a day. */
const maxTtlMs = 24 * 60 * 60_000;

export interface ToolList {
  readonly tools: readonly Tool[];
  /** Epoch milliseconds. */
  readonly at: number;
  readonly ttlMs: number;
}

export class ToolCache {
  #list: ToolList | undefined;
  #pending: Promise<ToolList> | undefined;
  #stale = false;

  constructor(
    readonly clock: Clock,
    readonly options: CacheOptions,
    /** Told of every new list, to remember it. */
    readonly onStored: (list: ToolList) => void,
  ) {}

  /** What was known in an earlier run; never replaces something newer. */
  restore(list: ToolList): void {
    if (!this.#list || this.#list.at < list.at) this.#list = list;
  }

  /** The last known list, however old. */
  get known(): ToolList | undefined {
    return this.#list;
  }

  /** The last known list while its time to live has not passed and no change was announced. */
  get fresh(): ToolList | undefined {
    const list = this.#list;
    if (!list || this.#stale || !this.options.enabled) return undefined;
    const ageMs = this.clock.date().getTime() - list.at;
    return ageMs >= 0 && ageMs < list.ttlMs ? list : undefined;
  }

  /** The server announced a change: the next reader asks again, whatever the time to live says. */
  invalidate(): void {
    this.#stale = true;
  }

  /** Fetches the list; whoever asks meanwhile gets the same answer. */
  refresh(fetch: () => Promise<ToolPage>): Promise<ToolList> {
    this.#pending ??= this.#fetch(fetch).finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #fetch(fetch: () => Promise<ToolPage>): Promise<ToolList> {
    this.#stale = false;
    try {
      const { tools, ttlMs } = await fetch();
      const list = { tools, at: this.clock.date().getTime(), ttlMs: Math.min(ttlMs ?? this.options.ttlMs, maxTtlMs) };
      this.#list = list;
      this.onStored(list);
      return list;
    } catch (error) {
      this.#stale = true;
      throw error;
    }
  }
}
