/** The bounded cache: each policy against a naive model, time to live, room, one request for all who miss, and its timer. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Cache, type Keepable } from '../../../src/policy/cache.js';
import { FakeClock } from '../../support/fake-clock.js';
import { settle } from '../../support/fake-connection.js';

const policies = ['lru', 'lfu', 'fifo', 'ttl'] as const;
type Policy = (typeof policies)[number];

const { signal } = new AbortController();

/** The same in the slowest and plainest way: a list, sorted anew for each question. */
class Model {
  items: { key: string; value: string; expiresAt: number; hits: number; used: number; stored: number }[] = [];
  counters = { hits: 0, misses: 0, evictions: 0, expirations: 0 };
  #turn = 0;
  constructor(
    readonly maxSize: number,
    readonly policy: Policy,
  ) {}

  at(now: number) {
    const alive = this.items.filter(({ expiresAt }) => now < expiresAt);
    this.counters.expirations += this.items.length - alive.length;
    this.items = alive;
  }

  get(key: string) {
    const item = this.items.find((one) => one.key === key);
    if (!item) {
      this.counters.misses++;
      return undefined;
    }
    this.counters.hits++;
    item.hits++;
    item.used = ++this.#turn;
    return item.value;
  }

  set(key: string, value: string, expiresAt: number, now: number) {
    const before = this.items.find((one) => one.key === key);
    this.items = this.items.filter((one) => one !== before);
    if (expiresAt <= now) return;
    if (this.items.length === this.maxSize) {
      const order = {
        lru: (item: (typeof this.items)[number]) => [item.used],
        lfu: (item: (typeof this.items)[number]) => [item.hits, item.used],
        fifo: (item: (typeof this.items)[number]) => [item.stored],
        ttl: (item: (typeof this.items)[number]) => [item.expiresAt, item.stored],
      }[this.policy];
      const [victim] = this.items.toSorted((a, b) => {
        const [x, y] = [order(a), order(b)];
        return x[0]! - y[0]! || (x[1] ?? 0) - (y[1] ?? 0);
      });
      this.items = this.items.filter((one) => one !== victim);
      this.counters.evictions++;
    }
    const turn = ++this.#turn;
    this.items.push({ key, value, expiresAt, hits: before?.hits ?? 0, used: turn, stored: turn });
  }
}

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('get' as const), key }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('set' as const), key, ttlMs: fc.integer({ min: 0, max: 4000 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delete' as const), key }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 3000 }) }) },
);

describe.each(policies)('%s', (policy) => {
  it('finds, counts and evicts as a naive model does, in 200 random histories of up to 60 steps with room for 1 to 4', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 60 }), async (maxSize, steps) => {
        const clock = new FakeClock();
        const now = () => clock.date().getTime();
        using cache = new Cache<string>({ maxSize, policy }, clock);
        const model = new Model(maxSize, policy);
        for (const [index, one] of steps.entries()) {
          model.at(now());
          if (one.do === 'wait') await clock.advance(one.ms);
          if (one.do === 'get') expect(cache.get(one.key)).toBe(model.get(one.key));
          if (one.do === 'delete') {
            cache.delete(one.key);
            model.items = model.items.filter((item) => item.key !== one.key);
          }
          if (one.do === 'set') {
            cache.set(one.key, { value: `value ${index}`, ttlMs: one.ttlMs });
            model.set(one.key, `value ${index}`, now() + one.ttlMs, now());
          }
          model.at(now());
          const { expirations, ...counters } = cache.counters;
          expect(counters).toEqual({ ...model.counters, expirations: undefined });
          expect(expirations).toBeLessThanOrEqual(model.counters.expirations);
          const both = [cache.entries(), model.items].map((items) =>
            items.map((item) => [item.key, item.value, item.hits, item.expiresAt]).sort(),
          );
          expect(both[0]).toEqual(both[1]);
        }
        // The clean-up finds the rest by itself.
        await clock.advance(10_000);
        model.at(now());
        expect(cache.counters).toEqual(model.counters);
        expect(clock.pending()).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });
});

function cacheOf(limits: { maxSize?: number; policy?: Policy; maxBytes?: number } = {}) {
  const clock = new FakeClock();
  return { clock, cache: new Cache<string>({ maxSize: 10, policy: 'lru', ...limits }, clock) };
}

describe('what is kept', () => {
  it('is found for its 1000 ms and not a millisecond longer', async () => {
    const { cache, clock } = cacheOf();
    cache.set('a', { value: 'x', ttlMs: 1000 });
    await clock.advance(999);
    expect(cache.get('a')).toBe('x');
    await clock.advance(1);
    expect(cache.get('a')).toBeUndefined();
    expect(cache.counters).toEqual({ hits: 1, misses: 1, evictions: 0, expirations: 1 });
  });

  it.each([0, -1, Number.NaN])('is not kept with %s ms to live, and takes the place of nothing', (ttlMs) => {
    const { cache, clock } = cacheOf();
    cache.set('a', { value: 'x', ttlMs });
    expect(cache.entries()).toEqual([]);
    expect(clock.pending()).toEqual([]);
  });

  it('counts from when it was learnt: 700 of 1000 ms old, it has 300 ms left', async () => {
    const { cache, clock } = cacheOf();
    cache.set('a', { value: 'x', ttlMs: 1000, at: clock.date().getTime() - 700 });
    await clock.advance(300);
    expect(cache.get('a')).toBeUndefined();
  });

  it('does not live longer when the clock is set back by an hour', () => {
    const { cache, clock } = cacheOf();
    cache.set('a', { value: 'x', ttlMs: 1000 });
    clock.setDate('2025-12-31T23:00:00Z');
    expect(cache.get('a')).toBeUndefined();
  });

  it('is never more than 100 bytes together, and one of 101 is not kept at all', () => {
    const { cache } = cacheOf({ maxBytes: 100 });
    for (const [name, bytes] of [
      ['a', 50],
      ['b', 40],
      ['c', 30],
      ['d', 101],
    ] as const) {
      cache.set(name, { value: name, ttlMs: 1000, bytes });
    }
    expect(cache.entries().map((entry) => [entry.key, entry.bytes])).toEqual([
      ['b', 40],
      ['c', 30],
    ]);
    expect(cache.counters.evictions).toBe(1);
  });
});

describe('the clean-up', () => {
  it('has one background timer, for the soonest, and none when nothing is kept', async () => {
    const { cache, clock } = cacheOf();
    expect(clock.pending()).toEqual([]);
    cache.set('late', { value: 'x', ttlMs: 60_000 });
    cache.set('soon', { value: 'x', ttlMs: 5_000 });
    expect(clock.pending({ background: true })).toEqual([5_000]);
    expect(clock.pending({ background: false })).toEqual([]);
    await clock.advance(5_000);
    expect(cache.counters.expirations).toBe(1);
    expect(clock.pending()).toEqual([55_000]);
    cache.delete('late');
    expect(clock.pending()).toEqual([]);
  });

  it('comes at most once a second for 100 entries that expire 10 ms apart', async () => {
    const { cache, clock } = cacheOf({ maxSize: 100 });
    for (let n = 1; n <= 100; n++) cache.set(`${n}`, { value: 'x', ttlMs: n * 10 });
    expect(clock.pending()).toEqual([1000]);
    expect(await clock.advanceToNext()).toBe(1000);
    expect(cache.counters.expirations).toBe(100);
    expect(clock.pending()).toEqual([]);
  });
});

/** A source whose answers a test gives by hand. */
function source() {
  const asked: { resolve: (loaded: Keepable<string>) => void; reject: (error: Error) => void; signal: AbortSignal }[] = [];
  const load = (until: AbortSignal) =>
    new Promise<Keepable<string>>((resolve, reject) => asked.push({ resolve, reject, signal: until }));
  return { asked, load };
}

describe('fetch', () => {
  it('asks once for 20 who miss at the same time, and not at all for the next', async () => {
    const { cache } = cacheOf();
    const { asked, load } = source();
    const all = Promise.all(Array.from({ length: 20 }, () => cache.fetch('a', load, signal)));
    expect(asked).toHaveLength(1);
    asked[0]!.resolve({ value: 'x', ttlMs: 1000 });
    expect(new Set(await all)).toEqual(new Set(['x']));
    expect(await cache.fetch('a', load, signal)).toBe('x');
    expect(asked).toHaveLength(1);
    expect(cache.counters).toMatchObject({ hits: 1, misses: 20 });
  });

  it('gives a failure to the 3 who waited for it and asks anew for the next', async () => {
    const { cache } = cacheOf();
    const { asked, load } = source();
    const all = Promise.allSettled([1, 2, 3].map(() => cache.fetch('a', load, signal)));
    asked[0]!.reject(new Error('no'));
    expect((await all).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    const next = cache.fetch('a', load, signal);
    asked[1]!.resolve({ value: 'x', ttlMs: 1000 });
    expect(await next).toBe('x');
  });

  it('goes on when the first of two stops waiting, and ends when the second does too', async () => {
    const { cache } = cacheOf();
    const { asked, load } = source();
    const [first, second] = [new AbortController(), new AbortController()];
    const waiting = [first, second].map((one) => cache.fetch('a', load, one.signal).catch((error: Error) => error.message));
    first.abort(new Error('first'));
    expect(await waiting[0]).toBe('first');
    expect(asked[0]!.signal.aborted).toBe(false);
    second.abort(new Error('second'));
    expect(await waiting[1]).toBe('second');
    await settle();
    expect(asked[0]!.signal.reason).toMatchObject({ message: 'second' });
    // Nobody joins what was given up.
    const third = cache.fetch('a', load, signal);
    asked[1]!.resolve({ value: 'x', ttlMs: 1000 });
    expect(await third).toBe('x');
  });

  it('does not keep an answer whose key was deleted meanwhile; who asks after that asks anew', async () => {
    const { cache } = cacheOf();
    const { asked, load } = source();
    const before = cache.fetch('a', load, signal);
    cache.delete('a');
    const after = cache.fetch('a', load, signal);
    asked[1]!.resolve({ value: 'new', ttlMs: 1000 });
    expect(await after).toBe('new');
    asked[0]!.resolve({ value: 'old', ttlMs: 1000 });
    expect(await before).toBe('old');
    expect(cache.get('a')).toBe('new');
  });

  it('with refresh asks although there is an answer, and a failure leaves that in place', async () => {
    const { cache } = cacheOf();
    const { asked, load } = source();
    cache.set('a', { value: 'x', ttlMs: 1000 });
    const again = cache.fetch('a', load, signal, { refresh: true });
    asked[0]!.reject(new Error('no'));
    await expect(again).rejects.toThrow('no');
    expect(cache.get('a')).toBe('x');
  });
});
