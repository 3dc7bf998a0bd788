/** The places of one server: how many run, who is next, and what the one too many is told. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bulkhead } from '../../../src/policy/bulkhead.js';
import { compose, runAttempt } from '../../../src/policy/policy.js';
import { FakeClock } from '../../support/fake-clock.js';

function rig(inFlight: number, queue: number) {
  const clock = new FakeClock();
  const limits = { inFlight, queue };
  const bulkhead = new Bulkhead({ server: 'files', clock, limits: () => limits });
  const started: number[] = [];
  const finish = new Map<number, () => void>();
  /** Call number `n`: runs until `finish` is called. */
  const call = (n: number, signal = new AbortController().signal) => {
    const refusal = bulkhead.refusal();
    if (refusal) return Promise.reject(refusal);
    return runAttempt(signal, (first) =>
      compose(bulkhead.hold, bulkhead.place)(() => {
        started.push(n);
        return new Promise<number>((resolve) => finish.set(n, () => resolve(n)));
      }, first),
    );
  };
  return { clock, limits, bulkhead, started, finish, call };
}

describe('Bulkhead', () => {
  it('runs 2, queues 3 in the order they came, and refuses the sixth at once with the time to wait', async () => {
    const { clock, bulkhead, started, finish, call } = rig(2, 3);
    const calls = [1, 2, 3, 4, 5].map((n) => call(n));
    await clock.settle();
    expect(started).toEqual([1, 2]);
    expect(bulkhead.counts).toEqual({ inFlight: 2, queued: 3 });
    await expect(call(6)).rejects.toMatchObject({
      code: 'OVERLOADED',
      delivered: 'no',
      server: 'files',
      details: { inFlight: 2, waiting: 3, retryAfterMs: 2000 },
    });
    for (const n of [2, 1, 3, 4, 5]) {
      finish.get(n)!();
      await clock.settle();
    }
    expect(started).toEqual([1, 2, 3, 4, 5]);
    expect(await Promise.all(calls)).toEqual([1, 2, 3, 4, 5]);
    expect(bulkhead.counts).toEqual({ inFlight: 0, queued: 0 });
    expect(bulkhead.refusal()).toBeUndefined();
  });

  it('lets a call that is given up leave the queue: it never runs, and its room is free', async () => {
    const { clock, started, finish, call } = rig(1, 2);
    const first = call(1);
    const gone = new AbortController();
    const second = call(2, gone.signal);
    const third = call(3);
    await clock.settle();
    await expect(call(4)).rejects.toMatchObject({ code: 'OVERLOADED' });
    gone.abort(new Error('left'));
    await expect(second).rejects.toThrow('left');
    const fourth = call(4);
    for (const n of [1, 3, 4]) {
      finish.get(n)!();
      await clock.settle();
    }
    expect(await Promise.all([first, third, fourth])).toEqual([1, 3, 4]);
    expect(started).toEqual([1, 3, 4]);
  });

  it('follows new limits at the next end of a call: from 1 to 3 places', async () => {
    const { clock, limits, started, finish, call } = rig(1, 9);
    const calls = [1, 2, 3, 4].map((n) => call(n));
    await clock.settle();
    Object.assign(limits, { inFlight: 3 });
    finish.get(1)!();
    await clock.settle();
    expect(started).toEqual([1, 2, 3, 4]);
    for (const n of [2, 3, 4]) finish.get(n)!();
    await Promise.all(calls);
  });

  it('never runs more than its places, never loses one, and serves in order, for any order of calls and ends', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 0, max: 5 }),
        fc.array(fc.constantFrom('call', 'end', 'leave'), { maxLength: 60 }),
        async (inFlight, queue, steps) => {
          const { clock, bulkhead, started, finish, call } = rig(inFlight, queue);
          const signals = new Map<number, AbortController>();
          let n = 0;
          for (const step of steps) {
            if (step === 'call') {
              const controller = new AbortController();
              signals.set(++n, controller);
              void call(n, controller.signal).catch(() => {});
            } else if (step === 'end') {
              const [running] = [...finish.keys()];
              if (running !== undefined) {
                finish.get(running)!();
                finish.delete(running);
              }
            } else [...signals].find(([number]) => !started.includes(number))?.[1].abort(new Error('left'));
            await clock.settle();
            expect(bulkhead.counts.inFlight).toBe(finish.size);
            expect(finish.size).toBeLessThanOrEqual(inFlight);
            if (bulkhead.counts.queued > 0) expect(finish.size).toBe(inFlight);
          }
          expect(started).toEqual([...started].sort((a, b) => a - b));
        },
      ),
      { numRuns: 50 },
    );
  });
});
