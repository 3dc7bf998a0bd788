/** A bounded cache: a time to live for each entry, four ways to choose what goes, one request for all who miss at the same time. */

import type { CachePolicy } from '../config/schema.js';
import type { Cancel, Clock } from '../core/clock.js';

export interface CacheLimits {
  /** Entries at most. */
  readonly maxSize: number;
  /**
   * Who makes room: `lru` the one unused for longest, `lfu` the one used least (of these the one unused for longest), `fifo` the
   * oldest, `ttl` the soonest to expire (of these the oldest).
   */
  readonly policy: CachePolicy;
  /** All entries together, as their owners count them; a larger one is not kept at all. Default: no limit. */
  readonly maxBytes?: number;
}

/** A value with what it takes to keep it. */
export interface Keepable<V> {
  readonly value: V;
  /** Counted from `at`; 0 or less (or NaN): it is not kept. */
  readonly ttlMs: number;
  /** Epoch milliseconds; now, unless it was learnt earlier. */
  readonly at?: number;
  readonly bytes?: number;
}

export interface CacheEntry<V> {
  readonly key: string;
  readonly value: V;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly expiresAt: number;
  readonly bytes: number;
  /** How often the key was found here; a newer value does not begin anew. */
  readonly hits: number;
}

/** Since the cache was made. Whoever waits for the request of somebody else has missed too. */
export interface CacheCounters {
  readonly hits: number;
  readonly misses: number;
  /** Made to go before their time, for want of room. */
  readonly evictions: number;
  readonly expirations: number;
}

type Entry<V> = { -readonly [K in keyof CacheEntry<V>]: CacheEntry<V>[K] };

/** A request on which several may wait. */
interface Flight<V> {
  promise: Promise<V>;
  readonly controller: AbortController;
  waiters: number;
  isDone: boolean;
}

/** The clean-up looks through all entries, so it does not come for each of them. */
const cleanUpApartMs = 1000;

export class Cache<V extends object | string> implements Disposable {
  /** First the one that goes first, for `lru` and `fifo`; the two others look for theirs in this order. */
  readonly #entries = new Map<string, Entry<V>>();
  readonly #flights = new Map<string, Flight<V>>();
  /** By the kind of key, see `kindOf`. */
  readonly #counters = new Map<string, { -readonly [K in keyof CacheCounters]: number }>();
  #bytes = 0;
  /** No entry expires earlier. */
  #soonest = Number.POSITIVE_INFINITY;
  #cleanUp: { readonly cancel: Cancel; readonly dueMs: number } | undefined;

  constructor(
    readonly limits: CacheLimits,
    readonly clock: Clock,
  ) {}

  get counters(): CacheCounters {
    const sum = { hits: 0, misses: 0, evictions: 0, expirations: 0 };
    for (const counters of this.#counters.values())
      for (const name of Object.keys(sum) as (keyof CacheCounters)[]) sum[name] += counters[name];
    return sum;
  }

  /** Of the keys that begin with this word, and how many of them are here now, the expired ones included. */
  countersOf(kind: string): CacheCounters & { readonly size: number } {
    let size = 0;
    for (const key of this.#entries.keys()) if (kindOf(key) === kind) size++;
    return { hits: 0, misses: 0, evictions: 0, expirations: 0, ...this.#counters.get(kind), size };
  }

  #count(key: string, what: keyof CacheCounters): void {
    const kind = kindOf(key);
    let counters = this.#counters.get(kind);
    if (!counters) {
      counters = { hits: 0, misses: 0, evictions: 0, expirations: 0 };
      this.#counters.set(kind, counters);
    }
    counters[what]++;
  }

  /** The value if it is here and has not expired. Counts as a use. */
  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    const now = this.#now();
    if (entry && isAlive(entry, now)) {
      this.#count(key, 'hits');
      entry.hits++;
      if (this.limits.policy === 'lru' || this.limits.policy === 'lfu') {
        this.#entries.delete(key);
        this.#entries.set(key, entry);
      }
      return entry.value;
    }
    if (entry) this.#expire(entry);
    this.#count(key, 'misses');
    return undefined;
  }

  /** Keeps a value in the place of an earlier one, if it can be kept. What has expired makes room first. */
  set(key: string, { value, ttlMs, at = this.#now(), bytes = 0 }: Keepable<V>): void {
    const { maxSize, maxBytes = Number.POSITIVE_INFINITY } = this.limits;
    this.#purge();
    const before = this.#entries.get(key);
    if (before) this.#remove(before);
    const entry = { key, value, at, expiresAt: at + ttlMs, bytes, hits: before?.hits ?? 0 };
    if (maxSize < 1 || bytes > maxBytes || !isAlive(entry, this.#now())) return;
    while (this.#entries.size >= maxSize || this.#bytes + bytes > maxBytes) {
      const victim = this.#victim();
      this.#remove(victim);
      this.#count(victim.key, 'evictions');
    }
    this.#entries.set(key, entry);
    this.#bytes += bytes;
    this.#soonest = Math.min(this.#soonest, entry.expiresAt);
    this.#planCleanUp();
  }

  /**
   * The value from here, or else from `load`. Who asks meanwhile waits for the same request; the last who stops waiting ends it.
   * A failed one is not kept, nor one whose key was deleted meanwhile: that may be of before.
   *
   * @param options.refresh loads in any case, or waits for the request that is under way
   * @throws what `load` throws; `signal.reason` at once on abort
   */
  fetch(
    key: string,
    load: (signal: AbortSignal) => Promise<Keepable<V>>,
    signal: AbortSignal,
    { refresh = false } = {},
  ): Promise<V> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const kept = refresh ? undefined : this.get(key);
    return kept === undefined
      ? this.#wait(key, this.#flights.get(key) ?? this.#takeOff(key, load), signal)
      : Promise.resolve(kept);
  }

  #takeOff(key: string, load: (signal: AbortSignal) => Promise<Keepable<V>>): Flight<V> {
    const controller = new AbortController();
    const run = async () => {
      try {
        const loaded = await load(controller.signal);
        if (this.#flights.get(key) === flight) this.set(key, loaded);
        return loaded.value;
      } finally {
        flight.isDone = true;
        this.#forget(key, flight);
      }
    };
    const flight: Flight<V> = { promise: Promise.resolve() as never, controller, waiters: 0, isDone: false };
    this.#flights.set(key, flight);
    flight.promise = run();
    return flight;
  }

  #wait(key: string, flight: Flight<V>, signal: AbortSignal): Promise<V> {
    flight.waiters++;
    return new Promise<V>((resolve, reject) => {
      const onAbort = () => reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      flight.promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    }).finally(() => {
      flight.waiters--;
      if (flight.waiters > 0 || flight.isDone) return;
      this.#forget(key, flight);
      flight.controller.abort(signal.reason);
    });
  }

  #forget(key: string, flight: Flight<V>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }

  /** Forgets a key. Who asks from now on gets a request of their own. */
  delete(key: string): void {
    this.#purge();
    const entry = this.#entries.get(key);
    if (entry) this.#remove(entry);
    this.#flights.delete(key);
  }

  /** `delete` for every key that fits. */
  deleteWhere(fits: (key: string) => boolean): void {
    for (const key of [...this.#entries.keys(), ...this.#flights.keys()]) if (fits(key)) this.delete(key);
  }

  /** What is here and has not expired, the one first that would go first by `lru` or `fifo`. Does not count as a use. */
  entries(): CacheEntry<V>[] {
    const now = this.#now();
    return [...this.#entries.values()].filter((entry) => isAlive(entry, now)).map((entry) => ({ ...entry }));
  }

  /** Forgets everything and lets go of its timer; requests under way go on for those who wait. */
  [Symbol.dispose](): void {
    this.deleteWhere(() => true);
  }

  #victim(): Entry<V> {
    const rank = { lru: undefined, fifo: undefined, lfu: 'hits', ttl: 'expiresAt' } as const;
    const field = rank[this.limits.policy];
    let victim: Entry<V> | undefined;
    for (const entry of this.#entries.values()) {
      if (victim === undefined || (field !== undefined && entry[field] < victim[field])) victim = entry;
      if (field === undefined) break;
    }
    return victim!;
  }

  #remove(entry: Entry<V>): void {
    this.#entries.delete(entry.key);
    this.#bytes -= entry.bytes;
    if (this.#entries.size > 0) return;
    this.#soonest = Number.POSITIVE_INFINITY;
    this.#cleanUp?.cancel();
    this.#cleanUp = undefined;
  }

  #expire(entry: Entry<V>): void {
    this.#remove(entry);
    this.#count(entry.key, 'expirations');
  }

  /** Takes out what has expired; costs nothing as long as nothing can have. */
  #purge(): void {
    const now = this.#now();
    if (now < this.#soonest) return;
    this.#soonest = Number.POSITIVE_INFINITY;
    for (const entry of [...this.#entries.values()]) {
      if (isAlive(entry, now)) this.#soonest = Math.min(this.#soonest, entry.expiresAt);
      else this.#expire(entry);
    }
  }

  /** One timer, for the entry that expires first; it never keeps the process alive. */
  #planCleanUp(): void {
    if (this.#entries.size === 0) return;
    const waitMs = Math.max(cleanUpApartMs, this.#soonest - this.#now());
    const dueMs = this.clock.now() + waitMs;
    if (this.#cleanUp && this.#cleanUp.dueMs <= dueMs) return;
    this.#cleanUp?.cancel();
    const run = () => {
      this.#cleanUp = undefined;
      this.#purge();
      this.#planCleanUp();
    };
    this.#cleanUp = { cancel: this.clock.after(waitMs, run, { background: true }), dueMs };
  }

  #now(): number {
    return this.clock.date().getTime();
  }
}

/** The first word of a key. */
function kindOf(key: string): string {
  const end = key.indexOf(' ');
  return end === -1 ? key : key.slice(0, end);
}

/** A clock that was set back makes no entry live longer: one from the future counts as expired. */
function isAlive({ at, expiresAt }: Pick<CacheEntry<unknown>, 'at' | 'expiresAt'>, now: number): boolean {
  return at <= now && now < expiresAt;
}
