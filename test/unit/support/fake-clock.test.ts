/** The fake clock behaves as the real one would, minus the waiting. */
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../support/fake-clock.js';
import { fakeRandom } from '../../support/fake-random.js';

describe('FakeClock', () => {
  it('fires timers of 30, 10 and 20 ms in the order 10, 20, 30, each at its own time', async () => {
    const clock = new FakeClock();
    const fired: number[] = [];
    for (const ms of [30, 10, 20]) clock.after(ms, () => fired.push(clock.now()));
    await clock.advance(25);
    expect(fired).toEqual([10, 20]);
    expect(clock.now()).toBe(25);
    await clock.advance(5);
    expect(fired).toEqual([10, 20, 30]);
  });

  it('fires timers with the same due time in the order they were set', async () => {
    const clock = new FakeClock();
    const fired: string[] = [];
    clock.after(10, () => fired.push('first'));
    clock.after(10, () => fired.push('second'));
    await clock.advance(10);
    expect(fired).toEqual(['first', 'second']);
  });

  it('runs a loop of 100 ms sleeps ten times in one advance of 1000 ms, promises between them included', async () => {
    const clock = new FakeClock();
    const wokenAt: number[] = [];
    const loop = async () => {
      for (;;) {
        await clock.sleep(100);
        await Promise.resolve().then(() => Promise.resolve());
        wokenAt.push(clock.now());
      }
    };
    void loop();
    await clock.advance(1_000);
    expect(wokenAt).toEqual([100, 200, 300, 400, 500, 600, 700, 800, 900, 1_000]);
  });

  it('rejects a sleep with the reason of the signal at once and forgets its timer', async () => {
    const clock = new FakeClock();
    const controller = new AbortController();
    const sleep = clock.sleep(1_000, controller.signal);
    controller.abort(new Error('enough'));
    await expect(sleep).rejects.toThrow('enough');
    expect(clock.pending()).toEqual([]);
    await expect(clock.sleep(1, AbortSignal.abort(new Error('before')))).rejects.toThrow('before');
    expect(clock.pending()).toEqual([]);
  });

  it('does not fire a cancelled timer, and cancelling twice is harmless', async () => {
    const clock = new FakeClock();
    let fired = 0;
    const cancel = clock.after(10, () => fired++);
    cancel();
    cancel();
    await clock.advance(10);
    expect(fired).toBe(0);
  });

  it('moves the wall clock with time, and alone with setDate', async () => {
    const clock = new FakeClock({ date: '2026-03-01T00:00:00Z' });
    await clock.advance(1_500);
    expect(clock.date().toISOString()).toBe('2026-03-01T00:00:01.500Z');
    clock.setDate('2030-01-01T00:00:00Z');
    await clock.advance(1_000);
    expect(clock.date().toISOString()).toBe('2030-01-01T00:00:01.000Z');
    expect(clock.now()).toBe(2_500);
  });

  it('lists what waits, foreground and background apart, and jumps to the next', async () => {
    const clock = new FakeClock();
    clock.after(50, () => {}, { background: true });
    clock.after(20, () => {});
    expect(clock.pending()).toEqual([20, 50]);
    expect(clock.pending({ background: true })).toEqual([50]);
    expect(await clock.advanceToNext()).toBe(20);
    expect(await clock.advanceToNext()).toBe(30);
    expect(await clock.advanceToNext()).toBeUndefined();
  });

  it('refuses NaN milliseconds and stops an endless loop of 0 ms timers', async () => {
    const clock = new FakeClock();
    expect(() => clock.after(Number.NaN, () => {})).toThrow(RangeError);
    const again = () => void clock.after(0, again);
    again();
    await expect(clock.advance(1)).rejects.toThrow('endless loop');
  });

  it('lets the error of a timer reach the test', async () => {
    const clock = new FakeClock();
    clock.after(1, () => {
      throw new Error('in a timer');
    });
    await expect(clock.advance(1)).rejects.toThrow('in a timer');
  });
});

describe('fakeRandom', () => {
  it('gives 0.1, 0.9 and then 0.9 for ever, and refuses 1', () => {
    const random = fakeRandom(0.1, 0.9);
    expect([random(), random(), random()]).toEqual([0.1, 0.9, 0.9]);
    expect(() => fakeRandom(1)).toThrow(RangeError);
  });
});
