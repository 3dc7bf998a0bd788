/** The pool in every situation that pools of connections are known to get wrong; no real time, no real connections. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Lease, Pool, type PoolOptions } from '../../../src/policy/pool.js';
import { FakeClock } from '../../support/fake-clock.js';

interface Member {
  readonly id: number;
  isOpen: boolean;
  /** The other end goes away. */
  end(): void;
}

const defaults: PoolOptions = {
  min: 0,
  max: 3,
  maxIdle: 3,
  maxIdleMs: 60_000,
  maxLifetimeMs: 600_000,
  waitMs: 1000,
  sharing: 1,
  checkMs: 0,
};
const live = new AbortController().signal;

function start(options: Partial<PoolOptions> = {}, { openMs = 0 } = {}) {
  const clock = new FakeClock();
  const members: Member[] = [];
  const rig = {
    clock,
    members,
    /** What the next attempts to open meet. */
    trouble: undefined as Error | undefined,
    sick: new Set<number>(),
    checks: 0,
    /** How many were open, or being opened, at the same time. */
    most: 0,
    opening: 0,
    pool: undefined as unknown as Pool<Member>,
    live: () => members.filter(({ isOpen }) => isOpen).map(({ id }) => id),
  };
  const ends = new Map<Member, Promise<void>>();
  rig.pool = new Pool<Member>(
    { ...defaults, ...options },
    {
      name: 'db',
      clock,
      random: () => 0.5,
      async open(signal) {
        rig.opening++;
        rig.most = Math.max(rig.most, rig.live().length + rig.opening);
        try {
          if (openMs > 0) await clock.sleep(openMs, signal);
          if (rig.trouble) throw rig.trouble;
        } finally {
          rig.opening--;
        }
        let end = () => {};
        const ended = new Promise<void>((resolve) => {
          end = resolve;
        });
        const member: Member = { id: members.length + 1, isOpen: true, end };
        ends.set(member, ended);
        members.push(member);
        return member;
      },
      async close(member) {
        expect(member.isOpen).toBe(true);
        member.isOpen = false;
      },
      ended: (member) => ends.get(member)!,
      async check({ id }) {
        rig.checks++;
        if (rig.sick.has(id)) throw new Error('sick');
      },
    },
  );
  return rig;
}

const ids = (leases: readonly Lease<Member>[]) => leases.map(({ member }) => member.id);

describe('lending', () => {
  it('gives the idle member that was used last, so that the others can grow old', async () => {
    const { pool, clock } = start();
    const [a, b] = await Promise.all([pool.acquire(live), pool.acquire(live)]);
    a.release();
    await clock.advance(10);
    b.release();
    const next = await pool.acquire(live);
    expect(next.member.id).toBe(2);
    next.release();
  });

  it('opens at most 3 for 20 callers, and serves the rest in the order in which they came', async () => {
    const rig = start({}, { openMs: 5 });
    const order: number[] = [];
    const calls = Array.from({ length: 20 }, async (_, index) => {
      const lease = await rig.pool.acquire(live);
      order.push(index);
      await rig.clock.sleep(10);
      lease.release();
    });
    await rig.clock.advance(100);
    await Promise.all(calls);
    expect(rig.most).toBe(3);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(rig.pool.counters).toMatchObject({
      open: 3,
      idle: 3,
      inUse: 0,
      waiting: 0,
      acquired: 20,
      released: 20,
      opened: 3,
      waits: 20,
    });
  });

  it('counts how long callers waited: 40 ms for the one that had to', async () => {
    const { pool, clock } = start({ max: 1 });
    const first = await pool.acquire(live);
    const before = pool.counters.waitMs;
    const second = pool.acquire(live);
    await clock.advance(40);
    first.release();
    (await second).release();
    expect(pool.counters.waitMs - before).toBe(40);
  });

  it('lets 64 share one member where sharing is allowed, without a second one', async () => {
    const { pool, members } = start({ max: 1, sharing: Number.POSITIVE_INFINITY }, { openMs: 0 });
    const leases = await Promise.all(Array.from({ length: 64 }, () => pool.acquire(live)));
    expect(new Set(ids(leases))).toEqual(new Set([1]));
    expect(members).toHaveLength(1);
    expect(pool.counters).toMatchObject({ inUse: 1, idle: 0, opened: 1 });
  });

  it('lets a caller share at once, and has a second member for the next', async () => {
    const { pool } = start({ max: 2, sharing: 8 });
    const leases = [await pool.acquire(live), await pool.acquire(live), await pool.acquire(live)];
    expect(ids(leases)).toEqual([1, 1, 2]);
  });

  it('takes a lease back once, however often it is given', async () => {
    const { pool } = start({ max: 1 });
    const lease = await pool.acquire(live);
    lease.release();
    lease.release();
    lease.discard();
    expect(pool.counters).toMatchObject({ released: 1, idle: 1, open: 1 });
  });
});

describe('waiting', () => {
  it('ends with OVERLOADED after 1000 ms, says when to come again, and leaves the queue', async () => {
    const { pool, clock } = start({ max: 1 });
    const lease = await pool.acquire(live);
    const late = pool.acquire(live);
    late.catch(() => {});
    await clock.advance(999);
    expect(pool.counters.waiting).toBe(1);
    await clock.advance(1);
    await expect(late).rejects.toMatchObject({ code: 'OVERLOADED', details: { retryAfterMs: 1000 }, delivered: 'no' });
    expect(pool.counters.waiting).toBe(0);
    lease.release();
    expect(pool.counters.idle).toBe(1);
  });

  it('ends with the reason of its signal, and the member goes to the next in the queue', async () => {
    const { pool } = start({ max: 1 });
    const lease = await pool.acquire(live);
    const abort = new AbortController();
    const gone = pool.acquire(abort.signal);
    const next = pool.acquire(live);
    abort.abort('no more');
    await expect(gone).rejects.toBe('no more');
    lease.release();
    expect((await next).member.id).toBe(1);
  });

  it('keeps no timer and no listener behind', async () => {
    const { pool, clock } = start({ max: 1, maxIdleMs: 50 });
    const lease = await pool.acquire(live);
    const second = pool.acquire(live);
    lease.release();
    (await second).release();
    await clock.advance(50);
    expect(pool.counters.open).toBe(0);
    expect(clock.pending()).toEqual([]);
  });
});

describe('members that cannot be opened', () => {
  it('tells the caller why, and does not count against the limit', async () => {
    const rig = start({ max: 1 });
    rig.trouble = new Error('refused');
    for (let i = 0; i < 5; i++) await expect(rig.pool.acquire(live)).rejects.toThrow('refused');
    rig.trouble = undefined;
    expect((await rig.pool.acquire(live)).member.id).toBe(1);
    expect(rig.pool.counters).toMatchObject({ failed: 5, opened: 1 });
  });

  it('gives every caller in the queue an attempt of its own', async () => {
    const rig = start({ max: 1 }, { openMs: 10 });
    rig.trouble = new Error('refused');
    const calls = [1, 2, 3].map(() => rig.pool.acquire(live).catch((error: Error) => error.message));
    await rig.clock.advance(30);
    expect(await Promise.all(calls)).toEqual(['refused', 'refused', 'refused']);
    expect(rig.pool.counters.failed).toBe(3);
  });

  it('tells all who would have shared it after one attempt', async () => {
    const rig = start({ max: 1, sharing: Number.POSITIVE_INFINITY }, { openMs: 10 });
    rig.trouble = new Error('refused');
    const calls = Array.from({ length: 50 }, () => rig.pool.acquire(live).catch((error: Error) => error.message));
    await rig.clock.advance(10);
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['refused']));
    expect(rig.pool.counters.failed).toBe(1);
  });

  it('keeps the one that was opened for a caller who left', async () => {
    const { pool, clock } = start({}, { openMs: 10 });
    const abort = new AbortController();
    const call = pool.acquire(abort.signal);
    abort.abort('left');
    await expect(call).rejects.toBe('left');
    await clock.advance(10);
    expect(pool.counters).toMatchObject({ idle: 1, opened: 1 });
  });
});

describe('members that go', () => {
  it('forgets an idle one that ended, and opens another for the next caller', async () => {
    const { pool, members, clock } = start();
    (await pool.acquire(live)).release();
    members[0]!.end();
    await clock.settle();
    expect(pool.counters).toMatchObject({ open: 0, closed: 1 });
    expect((await pool.acquire(live)).member.id).toBe(2);
  });

  it('replaces one that ended in use, at once, for those who wait', async () => {
    const { pool, members } = start({ max: 1 });
    const lease = await pool.acquire(live);
    const next = pool.acquire(live);
    members[0]!.end();
    expect((await next).member.id).toBe(2);
    lease.release();
    expect(pool.counters).toMatchObject({ open: 1, inUse: 1, closed: 1 });
  });

  it('closes one that is discarded, when the last who shares it is done', async () => {
    const { pool, members } = start({ max: 1, sharing: 2 });
    const [a, b] = await Promise.all([pool.acquire(live), pool.acquire(live)]);
    a.discard();
    expect(members[0]!.isOpen).toBe(true);
    b.release();
    expect(members[0]!.isOpen).toBe(false);
  });

  it('lets an idle one go after 60 s, but never the last of min', async () => {
    const { pool, clock } = start({ min: 1 });
    const leases = await Promise.all([pool.acquire(live), pool.acquire(live), pool.acquire(live)]);
    for (const lease of leases) lease.release();
    await clock.advance(59_999);
    expect(pool.counters.open).toBe(3);
    await clock.advance(1);
    expect(pool.counters.open).toBe(1);
    await clock.advance(500_000);
    expect(pool.counters.open).toBe(1);
  });

  it('keeps at most 1 idle when maxIdle is 1', async () => {
    const { pool } = start({ maxIdle: 1 });
    const leases = await Promise.all([pool.acquire(live), pool.acquire(live), pool.acquire(live)]);
    for (const lease of leases) lease.release();
    expect(pool.counters).toMatchObject({ open: 1, idle: 1, closed: 2 });
  });

  it('lets one go at the end of its life only when nobody uses it, and replaces it where min wants one', async () => {
    const rig = start({ min: 1, maxLifetimeMs: 1000, maxIdleMs: 1_000_000 });
    rig.pool.fill();
    await rig.clock.settle();
    const lease = await rig.pool.acquire(live);
    await rig.clock.advance(5000);
    expect(rig.live()).toEqual([1]);
    lease.release();
    await rig.clock.settle();
    expect(rig.live()).toEqual([2]);
  });

  it('spreads the ends of lives over ± 10 %', async () => {
    const clock = new FakeClock();
    const lives: number[] = [];
    for (const random of [0, 0.5, 0.999]) {
      let closedAt = 0;
      const pool = new Pool(
        { ...defaults, maxLifetimeMs: 1000, maxIdleMs: 1_000_000 },
        {
          name: 'db',
          clock,
          random: () => random,
          open: async () => ({}),
          close: async () => {
            closedAt = clock.now();
          },
          ended: () => new Promise(() => {}),
          check: async () => {},
        },
      );
      const startedAt = clock.now();
      (await pool.acquire(live)).release();
      await clock.advance(2000);
      lives.push(closedAt - startedAt);
    }
    expect(lives.map(Math.round)).toEqual([900, 1000, 1100]);
  });
});

describe('checking idle members', () => {
  it('drops the one that does not answer, keeps the other, and leaves those in use alone', async () => {
    const rig = start({ checkMs: 1000, maxIdleMs: 1_000_000 });
    const leases = await Promise.all([rig.pool.acquire(live), rig.pool.acquire(live), rig.pool.acquire(live)]);
    leases[0]!.release();
    leases[1]!.release();
    rig.sick.add(1).add(3);
    await rig.clock.advance(1000);
    expect(rig.checks).toBe(2);
    expect(rig.live()).toEqual([2, 3]);
  });

  it('checks again only after another 1000 ms of silence', async () => {
    const rig = start({ checkMs: 1000, maxIdleMs: 1_000_000 });
    (await rig.pool.acquire(live)).release();
    await rig.clock.advance(3500);
    expect(rig.checks).toBe(3);
  });
});

describe('opening ahead', () => {
  it('opens min members, and tries again 5 s after a failure', async () => {
    const rig = start({ min: 2 });
    rig.trouble = new Error('refused');
    rig.pool.fill();
    await rig.clock.settle();
    expect(rig.pool.counters).toMatchObject({ open: 0, failed: 2 });
    rig.trouble = undefined;
    await rig.clock.advance(5000);
    expect(rig.pool.counters.open).toBe(2);
  });
});

describe('the end', () => {
  it('drain takes nobody more, waits for those in use, and closes everything', async () => {
    const rig = start({ max: 1 });
    const lease = await rig.pool.acquire(live);
    const waiting = rig.pool.acquire(live);
    waiting.catch(() => {});
    let isDrained = false;
    const draining = rig.pool.drain().then(() => {
      isDrained = true;
    });
    await expect(waiting).rejects.toMatchObject({ code: 'UNAVAILABLE', delivered: 'no' });
    await expect(rig.pool.acquire(live)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await rig.clock.settle();
    expect(isDrained).toBe(false);
    lease.release();
    await draining;
    expect(rig.live()).toEqual([]);
    expect(rig.clock.pending()).toEqual([]);
  });

  it('dispose closes members in use too, and ends what is being opened; twice is harmless', async () => {
    const rig = start({}, { openMs: 10 });
    const first = rig.pool.acquire(live);
    await rig.clock.advance(10);
    const lease = await first;
    const late = rig.pool.acquire(live).catch((error: { code: string }) => error.code);
    await rig.pool[Symbol.asyncDispose]();
    await rig.pool[Symbol.asyncDispose]();
    expect(await late).toBe('UNAVAILABLE');
    lease.release();
    expect(rig.live()).toEqual([]);
    expect(rig.clock.pending()).toEqual([]);
  });
});

it('keeps its promises in 300 random histories: never over max, nobody served out of turn, nothing open at the end', async () => {
  const step = fc.oneof(
    fc.constant('acquire' as const),
    fc.constant('release' as const),
    fc.constant('discard' as const),
    fc.constant('cancel' as const),
    fc.constant('end' as const),
    fc.constant('fail' as const),
    fc.constant('wait' as const),
  );
  const settings = fc.record({
    max: fc.integer({ min: 1, max: 4 }),
    sharing: fc.integer({ min: 1, max: 3 }),
    min: fc.constant(0),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), settings, async (steps, options) => {
      const rig = start({ ...options, maxIdle: options.max, maxIdleMs: 300, waitMs: 500 }, { openMs: 7 });
      const held: Lease<Member>[] = [];
      const waiting: AbortController[] = [];
      const served: number[] = [];
      const calls: Promise<void>[] = [];
      for (const [index, what] of steps.entries()) {
        if (what === 'acquire') {
          const abort = new AbortController();
          waiting.push(abort);
          const call = rig.pool.acquire(abort.signal).then(
            (lease) => {
              served.push(index);
              held.push(lease);
            },
            () => {},
          );
          calls.push(call);
        } else if (what === 'release') held.shift()?.release();
        else if (what === 'discard') held.pop()?.discard();
        else if (what === 'cancel') waiting.shift()?.abort('cancelled');
        else if (what === 'end') rig.members.find(({ isOpen }) => isOpen)?.end();
        else if (what === 'fail') rig.trouble = rig.trouble ? undefined : new Error('refused');
        else await rig.clock.advance(20);
        const { open, opening, idle, inUse } = rig.pool.counters;
        expect(open + opening).toBeLessThanOrEqual(options.max);
        expect(idle + inUse).toBe(open);
      }
      await rig.clock.advance(600);
      expect(served).toEqual(served.toSorted((a, b) => a - b));
      for (const lease of held) lease.release();
      await rig.pool.drain();
      await Promise.all(calls);
      expect(rig.live()).toEqual([]);
      expect(rig.clock.pending()).toEqual([]);
    }),
    { numRuns: 300 },
  );
});
