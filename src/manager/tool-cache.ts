/** The list of tools of one server: fetched once for all who ask at the same time, kept while fresh, remembered between runs. */

import type { CacheOptions } from '../config/schema.js';
import type { Clock } from '../core/clock.js';
import type { Tool, ToolPage } from '../mcp/connection.js';
import type { Cache } from '../policy/cache.js';

/** The protocol caps the hints of servers at a day. */
const maxTtlMs = 24 * 60 * 60_000;

export interface ToolList {
  readonly tools: readonly Tool[];
  /** Epoch milliseconds. */
  readonly at: number;
  readonly ttlMs: number;
  /** Whose list it is, see `loginId`: absent for a list got without a login, and for one that its server calls public. */
  readonly login?: string | undefined;
  readonly isPublic?: true | undefined;
}

/** Where the list stands in the cache of its server. */
export const toolsKey = 'tools/list';

const { signal: forEver } = new AbortController();

export class ToolCache {
  #known: ToolList | undefined;
  #started = 0;
  /** Which fetch `#known` came from. */
  #newest = 0;

  constructor(
    readonly cache: Cache<ToolList | string>,
    readonly clock: Clock,
    readonly options: Pick<CacheOptions, 'enabled' | 'ttlMs'>,
    /** The login in force; undefined without one. */
    readonly login: () => string | undefined,
    /** Told of every new list, to remember it. */
    readonly onStored: (list: ToolList) => void,
  ) {}

  /** What was known in an earlier run; never replaces something newer. */
  restore(list: ToolList): void {
    if (!this.#isOurs(list) || (this.#known && this.#known.at >= list.at)) return;
    this.#known = list;
    this.cache.set(toolsKey, this.#keepable(list));
  }

  /** The last known list, however old; never that of another login. */
  get known(): ToolList | undefined {
    return this.#known && this.#isOurs(this.#known) ? this.#known : undefined;
  }

  /** The last known list while its time to live has not passed and no change was announced. Counts as a use of the cache. */
  get fresh(): ToolList | undefined {
    this.dropOthers();
    return this.cache.get(toolsKey) as ToolList | undefined;
  }

  /** The server announced a change: the next reader asks again, whatever the time to live says. */
  invalidate(): void {
    this.cache.delete(toolsKey);
  }

  /** Forgets the list if it is that of another login. */
  dropOthers(): void {
    if (this.#known && !this.#isOurs(this.#known)) this.clear();
  }

  /** Forgets the list, and what is still under way. */
  clear(): void {
    this.invalidate();
    this.#known = undefined;
    this.#newest = this.#started;
  }

  /** Fetches the list; whoever asks meanwhile gets the same answer. */
  refresh(fetch: () => Promise<ToolPage>): Promise<ToolList> {
    const load = async () => this.#keepable(await this.#fetch(fetch));
    return this.cache.fetch(toolsKey, load, forEver, { refresh: true }) as Promise<ToolList>;
  }

  async #fetch(fetch: () => Promise<ToolPage>): Promise<ToolList> {
    const turn = ++this.#started;
    const { tools, ttlMs, isPublic } = await fetch();
    const list: ToolList = {
      tools,
      at: this.clock.date().getTime(),
      ttlMs: Math.min(ttlMs ?? this.options.ttlMs, maxTtlMs),
      ...(isPublic ? { isPublic } : { login: this.login() }),
    };
    // An answer that was overtaken by a later one says less than that. One that is only no longer fresh says more than nothing.
    if (turn > this.#newest) {
      this.#newest = turn;
      this.#known = list;
      this.onStored(list);
    }
    return list;
  }

  #keepable(list: ToolList) {
    return { value: list, at: list.at, ttlMs: this.options.enabled ? list.ttlMs : 0 };
  }

  #isOurs({ isPublic, login }: ToolList): boolean {
    return isPublic === true || login === this.login();
  }
}
