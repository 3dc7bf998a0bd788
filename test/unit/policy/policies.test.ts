/** Deadline, backoff, semaphore and debounce, in fake time. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/core/clock.js';
import { McpctlError } from '../../../src/core/errors.js';
import { backoffMs, reconnectBackoff } from '../../../src/policy/backoff.js';
import { deadline } from '../../../src/policy/deadline.js';
import { Debounced } from '../../../src/policy/debounce.js';
import { compose, type Operation, type Policy, runAttempt } from '../../../src/policy/policy.js';
import { Semaphore } from '../../../src/policy/semaphore.js';
import { FakeClock } from '../../support/fake-clock.js';
import { settle } from '../../support/fake-connection.js';

/** Runs an operation under a policy, as the manager does. */
const under = <T>(policy: Policy, operation: Operation<T>, signal = new AbortController().signal) =>
  runAttempt(signal, (first) => policy(operation, first));

/** A promise that ends with its signal, and only then. */
const never = (ends: AbortSignal) => new Promise<never>((_, reject) => ends.addEventListener('abort', () => reject(ends.reason)));

describe('compose', () => {
  it('puts the first policy outermost', async () => {
    const order: string[] = [];
    const named =
      (name: string): Policy =>
      async (operation, current) => {
        order.push(`${name} in`);
        const result = await operation(current);
        order.push(`${name} out`);
        return result;
      };
    await under(compose(named('a'), named('b')), async () => order.push('work'));
    expect(order).toEqual(['a in', 'b in', 'work', 'b out', 'a out']);
  });
});

describe('deadline', () => {
  const bound = (clock: FakeClock) => deadline({ idleMs: 100, totalMs: 300, what: 'call x/y', server: 'x' }, clock);

  it('ends at 100 ms of silence with TIMEOUT, and aborts the operation', async () => {
    const clock = new FakeClock();
    let inner: AbortSignal | undefined;
    const running = under(bound(clock), ({ signal }) => {
      inner = signal;
      return never(signal);
    });
    running.catch(() => {});
    await clock.advance(99);
    expect(inner?.aborted).toBe(false);
    await clock.advance(1);
    await expect(running).rejects.toMatchObject({ code: 'TIMEOUT', delivered: 'maybe', server: 'x' });
    expect(inner?.aborted).toBe(true);
  });

  it.each([
    [149, 'answer'],
    [150, 'TIMEOUT'],
  ] as const)(
    'after the process stood still for 3 s waits 150 ms for what came meanwhile: %i ms later it is %s',
    async (comesAfterMs, outcome) => {
      const time = new FakeClock();
      let stoodStillMs = 0;
      // Timers do not run while a process is suspended; the monotonic clock does.
      const clock: Clock = {
        now: () => time.now() + stoodStillMs,
        date: () => time.date(),
        sleep: (ms, signal) => time.sleep(ms, signal),
        after: (ms, callback, options) => time.after(ms, callback, options),
      };
      const policy = deadline({ idleMs: 100, totalMs: 300, what: 'call x/y', server: 'x' }, clock);
      let answer = () => {};
      const answered = new Promise<string>((resolve) => {
        answer = () => resolve('answer');
      });
      const running = under(policy, ({ signal }) => Promise.race([answered, never(signal)])).catch(({ code }) => code as string);
      stoodStillMs = 3_000;
      await time.advance(100);
      await time.advance(comesAfterMs);
      answer();
      expect(await running).toBe(outcome);
      expect(time.pending()).toEqual([]);
    },
  );

  it('starts the silence anew at each touch, and ends at 300 ms whatever comes', async () => {
    const clock = new FakeClock();
    let touch = () => {};
    let endedAt = 0;
    under(bound(clock), (current) => {
      touch = current.touch;
      return never(current.signal);
    }).catch(() => {
      endedAt = clock.now();
    });
    for (let i = 0; i < 40; i++) {
      await clock.advance(10);
      touch();
    }
    expect(endedAt).toBe(300);
  });

  it('rejects with the caller’s own reason at once, and leaves no timer behind', async () => {
    const clock = new FakeClock();
    const caller = new AbortController();
    const reason = new McpctlError('CANCELLED', 'Cancelled');
    const running = under(bound(clock), ({ signal }) => never(signal), caller.signal);
    caller.abort(reason);
    await expect(running).rejects.toBe(reason);
    await expect(under(bound(clock), async () => 1, caller.signal)).rejects.toBe(reason);
    expect(clock.pending()).toEqual([]);
  });

  it('passes results and errors through, and leaves no timer behind', async () => {
    const clock = new FakeClock();
    await expect(under(bound(clock), async () => 7)).resolves.toBe(7);
    const error = new Error('own');
    await expect(under(bound(clock), async () => Promise.reject(error))).rejects.toBe(error);
    expect(clock.pending()).toEqual([]);
  });
});

describe('backoff', () => {
  it('stays within [wait, 1.5 x wait] and never above 90 s, for any failure count and chance', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.double({ min: 0, max: 0.999, noNaN: true }), (failures, chance) => {
        const wait = Math.min(60_000, 1000 * 2 ** (failures - 1));
        const ms = backoffMs(failures, reconnectBackoff, () => chance);
        return ms >= wait && ms <= wait * 1.5 && Number.isFinite(ms);
      }),
    );
  });
});

describe('Semaphore', () => {
  it('runs at most 3 of 20 at a time, in the order they came', async () => {
    const places = new Semaphore(3);
    const { signal } = new AbortController();
    const started: number[] = [];
    let running = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        places.run(signal, async () => {
          started.push(i);
          most = Math.max(most, ++running);
          await settle();
          running--;
        }),
      ),
    );
    expect(most).toBe(3);
    expect(started).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });

  it('gives the place of one that left while waiting, or failed, to the next', async () => {
    const places = new Semaphore(1);
    const leaving = new AbortController();
    const { signal } = new AbortController();
    let release = () => {};
    const first = places.run(signal, () => new Promise<void>((_, reject) => (release = () => reject(new Error('failed')))));
    first.catch(() => {});
    const second = places.run(leaving.signal, async () => 'never');
    const third = places.run(signal, async () => 'third');
    leaving.abort(new Error('left'));
    await expect(second).rejects.toThrow('left');
    release();
    await expect(third).resolves.toBe('third');
  });
});

describe('Debounced', () => {
  const pace = { quietMs: 300, apartMs: 1000, maxApartMs: 8000, idleRuns: 5, idleApartMs: 60_000 };

  /** Triggered again by each of its own runs, as by a server that announces a change after every list. */
  const livelock = (findsNews: (run: number) => boolean) => {
    const clock = new FakeClock();
    const runs: number[] = [];
    const work: Debounced = new Debounced(pace, clock, async () => {
      runs.push(clock.now());
      work.trigger();
      return findsNews(runs.length);
    });
    work.trigger();
    return { clock, runs, work };
  };

  it('that triggers itself runs 10 times in a minute when there is always news, and 5 times and then once a minute when there is none', async () => {
    const news = livelock(() => true);
    await news.clock.advance(60_000);
    expect(news.runs).toEqual([300, 1300, 3300, 7300, 15_300, 23_300, 31_300, 39_300, 47_300, 55_300]);
    const none = livelock(() => false);
    await none.clock.advance(200_000);
    expect(none.runs).toEqual([300, 1300, 3300, 7300, 15_300, 75_300, 135_300, 195_300]);
  });

  it('is as quick as ever after a pause, and after news', async () => {
    const { clock, runs, work } = livelock((run) => run === 6);
    await clock.advance(75_300);
    expect(runs).toHaveLength(6);
    await clock.advance(8000);
    expect(runs.slice(6)).toEqual([83_300]);
    work.cancel();
    await clock.advance(100_000);
    const startedAt = clock.now();
    work.trigger();
    await clock.advance(1300);
    expect(runs.slice(7)).toEqual([startedAt + 300, startedAt + 1300]);
  });

  it('answers triggers that never pause for 300 ms after 1 s, then 2, 4 and 8 s apart', async () => {
    const clock = new FakeClock();
    const runs: number[] = [];
    const work = new Debounced(pace, clock, async () => runs.push(clock.now()) > 0);
    for (let at = 0; at < 30_000; at += 100) {
      work.trigger();
      await clock.advance(100);
    }
    expect(runs).toEqual([1000, 2000, 4000, 8000, 16_000, 24_000]);
  });

  it('runs once 300 ms after a burst, again at most 1 s later, and once more for triggers during a run', async () => {
    const clock = new FakeClock();
    const runs: number[] = [];
    let finish = () => {};
    const work = new Debounced(pace, clock, () => {
      runs.push(clock.now());
      return new Promise((resolve) => (finish = () => resolve(true)));
    });
    for (let i = 0; i < 100; i++) work.trigger();
    await clock.advance(299);
    expect(runs).toEqual([]);
    await clock.advance(1);
    for (let i = 0; i < 100; i++) work.trigger();
    finish();
    await settle();
    await clock.advance(2000);
    finish();
    await settle();
    await clock.advance(5000);
    expect(runs).toEqual([300, 1300]);
    work.trigger();
    work.cancel();
    await clock.advance(5000);
    expect(runs).toHaveLength(2);
  });
});
