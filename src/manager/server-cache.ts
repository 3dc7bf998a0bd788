/** What one server's cache holds: its list of tools and, where that is asked for, results of its tools. What `cache` shows of it. */

import type { CachePolicy, ServerConfig } from '../config/schema.js';
import type { Clock } from '../core/clock.js';
import type { Tool } from '../mcp/connection.js';
import { Cache, type CacheCounters } from '../policy/cache.js';
import type { ServerMemory } from '../state/server-memory.js';
import { maxResultBytes, ResultCache, resultsKind, toolOfKey } from './result-cache.js';
import { ToolCache, type ToolList, toolsKey } from './tool-cache.js';

/** One thing that is kept. Times are ISO 8601 UTC, durations end in `Ms`. */
export interface CachedThing {
  readonly kind: 'tools' | 'result';
  /** Whose result it is; null for a list. */
  readonly tool: string | null;
  /** How many tools the list has; null for a result. */
  readonly tools: number | null;
  readonly at: string;
  readonly ageMs: number;
  /** 0: it is known, and asked for anew by the next who needs it. */
  readonly ttlLeftMs: number;
  readonly hits: number;
  /** As JSON. */
  readonly bytes: number;
}

export interface CacheStatus extends CacheCounters {
  readonly server: string;
  readonly enabled: boolean;
  readonly policy: CachePolicy;
  readonly maxSize: number;
  readonly ttlMs: number;
  readonly size: number;
  readonly bytes: number;
  readonly entries: readonly CachedThing[];
}

/** Of one kind of thing. */
export interface CacheFigures extends CacheCounters {
  readonly size: number;
}

export interface ServerCacheOptions {
  readonly config: ServerConfig;
  readonly clock: Clock;
  /** See `loginId`; undefined without a login. */
  readonly login: () => string | undefined;
  /** Told of every new list, to remember it between runs. */
  readonly onTools: (tools: NonNullable<ServerMemory['tools']>) => void;
}

export class ServerCache implements Disposable {
  readonly tools: ToolCache;
  readonly results: ResultCache;
  readonly #cache: Cache<ToolList | string>;
  readonly #options: ServerCacheOptions;

  constructor(options: ServerCacheOptions) {
    const { config, clock, login, onTools } = options;
    this.#options = options;
    const { maxSize, policy } = config.cache;
    this.#cache = new Cache({ maxSize, policy, maxBytes: maxResultBytes }, clock);
    this.tools = new ToolCache(this.#cache, clock, config.cache, login, ({ tools: list, ...rest }) =>
      onTools({ list: list as never, ...rest }),
    );
    this.results = new ResultCache(this.#cache, config, login);
  }

  restore({ tools }: ServerMemory): void {
    if (!tools) return;
    const { list, ...rest } = tools;
    this.tools.restore({ ...rest, tools: list as unknown as readonly Tool[] });
  }

  /** The server says that its tools have changed, and so may have what they answer. */
  toolsChanged(): void {
    this.tools.invalidate();
    this.results.drop();
  }

  /** Forgets everything. @returns how many things that were */
  clear(): number {
    const count = this.status().size;
    this.tools.clear();
    this.results.drop();
    return count;
  }

  /** Counts of lists and of results, since the start. */
  counters(): { readonly tools: CacheFigures; readonly results: CacheFigures } {
    return { tools: this.#cache.countersOf(toolsKey), results: this.#cache.countersOf(resultsKind) };
  }

  status(): CacheStatus {
    const { config, clock } = this.#options;
    const { enabled, policy, maxSize, ttlMs } = config.cache;
    const now = clock.date().getTime();
    this.tools.dropOthers();
    const kept = this.#cache.entries();
    const { known } = this.tools;
    // A list that is no longer fresh still is known: names are completed from it.
    const stale = known && !kept.some(({ key }) => key === toolsKey) ? [{ key: toolsKey, value: known, at: known.at }] : [];
    const entries = [...stale.map((one) => ({ ...one, expiresAt: now, hits: 0, bytes: 0 })), ...kept].map(
      ({ key, value, at, expiresAt, hits, bytes }): CachedThing => ({
        kind: typeof value === 'string' ? 'result' : 'tools',
        tool: toolOfKey(key) ?? null,
        tools: typeof value === 'string' ? null : value.tools.length,
        at: new Date(at).toISOString(),
        ageMs: Math.max(0, now - at),
        ttlLeftMs: expiresAt - now,
        hits,
        bytes: typeof value === 'string' ? bytes : Buffer.byteLength(JSON.stringify(value.tools)),
      }),
    );
    const size = entries.length;
    const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
    return { server: config.name, enabled, policy, maxSize, ttlMs, size, bytes, ...this.#cache.counters, entries };
  }

  [Symbol.dispose](): void {
    this.results.drop();
    this.#cache[Symbol.dispose]();
  }
}
