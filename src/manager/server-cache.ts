/** What one server's cache holds: its list of tools and, where that is asked for, results of its tools. What `cache` shows of it. */

import { hashOf } from '../config/canonical.js';
import type { CachePolicy, ServerConfig } from '../config/schema.js';
import type { Clock } from '../core/clock.js';
import type { CallToolResult, Tool } from '../mcp/connection.js';
import { Cache, type CacheCounters } from '../policy/cache.js';
import type { ServerMemory } from '../state/server-memory.js';
import { ToolCache, type ToolList, toolsKey } from './tool-cache.js';
import { globMatcher } from './tool-filter.js';

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

/** All results of one server together; lists are bounded by the size of messages. */
const maxResultBytes = 64 * 1024 ** 2;
/** A larger result is not kept. */
const maxOneResultBytes = 4 * 1024 ** 2;

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
  readonly #cache: Cache<ToolList | string>;
  readonly #options: ServerCacheOptions;
  readonly #isNamed: (tool: string) => boolean;

  constructor(options: ServerCacheOptions) {
    const { config, clock, login, onTools } = options;
    this.#options = options;
    const { maxSize, policy, enabled, results } = config.cache;
    this.#cache = new Cache({ maxSize, policy, maxBytes: maxResultBytes }, clock);
    this.tools = new ToolCache(this.#cache, clock, config.cache, login, ({ tools: list, ...rest }) =>
      onTools({ list: list as never, ...rest }),
    );
    const globs = enabled && results ? results.tools.map(globMatcher) : [];
    this.#isNamed = (tool) => globs.some((fits) => fits(tool));
  }

  restore({ tools }: ServerMemory): void {
    if (!tools) return;
    const { list, ...rest } = tools;
    this.tools.restore({ ...rest, tools: list as unknown as readonly Tool[] });
  }

  /** Whether the results of a tool may stand for a call of it: the user has named it, and its server says that nothing is lost. */
  keepsResults({ name, annotations }: Tool): boolean {
    return this.#isNamed(name) && (annotations?.readOnlyHint === true || annotations?.idempotentHint === true);
  }

  /**
   * The result of a call that was made with the same login, tool and arguments, or else that of `call`, which is kept if it may be.
   * Equal calls at the same time are one, unless `isAlone`.
   *
   * @param isAlone its limits are its own: no other call may get what comes of them
   * @param isAnew asks in any case
   */
  async throughResults(
    { name }: Tool,
    args: Readonly<Record<string, unknown>>,
    { signal, isAlone, isAnew }: { signal: AbortSignal; isAlone: boolean; isAnew: boolean },
    call: (signal: AbortSignal) => Promise<CallToolResult>,
  ): Promise<CallToolResult> {
    const { config, login } = this.#options;
    const key = resultKey(name, hashOf({ server: config.hash, login: login() ?? null, tool: name, args }));
    let own: CallToolResult | undefined;
    const load = async (until: AbortSignal) => {
      own = await call(until);
      const text = JSON.stringify(own);
      const bytes = Buffer.byteLength(text);
      const mayBeKept = isComplete(own) && bytes <= maxOneResultBytes;
      return { value: text, bytes, ttlMs: mayBeKept ? config.cache.results!.ttlMs : 0 };
    };
    if (!isAlone && !isAnew) {
      const text = await this.#cache.fetch(key, load, signal);
      return own ?? JSON.parse(text as string);
    }
    const kept = isAnew ? undefined : this.#cache.get(key);
    if (kept !== undefined) return JSON.parse(kept as string);
    const epoch = this.#epoch;
    const loaded = await load(signal);
    if (epoch === this.#epoch) this.#cache.set(key, loaded);
    return own!;
  }

  /** Counts what made results worthless. */
  #epoch = 0;

  /** The server says that its tools have changed, and so may have what they answer. */
  toolsChanged(): void {
    this.tools.invalidate();
    this.dropResults();
  }

  /** Forgets everything. @returns how many things that were */
  clear(): number {
    const count = this.status().size;
    this.tools.clear();
    this.dropResults();
    return count;
  }

  dropResults(): void {
    this.#epoch++;
    this.#cache.deleteWhere((key) => key !== toolsKey);
  }

  status(): CacheStatus {
    const { config, clock } = this.#options;
    const { enabled, policy, maxSize, ttlMs } = config.cache;
    const now = clock.date().getTime();
    const kept = this.#cache.entries();
    const { known } = this.tools;
    // A list that is no longer fresh still is known: names are completed from it.
    const stale = known && !kept.some(({ key }) => key === toolsKey) ? [{ key: toolsKey, value: known, at: known.at }] : [];
    const entries = [...stale.map((one) => ({ ...one, expiresAt: now, hits: 0, bytes: 0 })), ...kept].map(
      ({ key, value, at, expiresAt, hits, bytes }): CachedThing => ({
        kind: typeof value === 'string' ? 'result' : 'tools',
        tool: typeof value === 'string' ? toolOfKey(key) : null,
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
    this.#epoch++;
    this.#cache[Symbol.dispose]();
  }
}

/** The name of the tool, for people; the hash decides. */
const resultKey = (tool: string, hash: string) => `tools/call ${hash} ${tool}`;
const toolOfKey = (key: string) => key.split(' ').slice(2).join(' ');

/** An error may be gone the next time, and a question is not an answer. */
function isComplete(result: CallToolResult): boolean {
  const { resultType = 'complete' } = result as { resultType?: unknown };
  return result.isError !== true && resultType === 'complete';
}
