/** Asking for announcements again: when, how often, and when not any more. */
import { describe, expect, it } from 'vitest';
import { ChangeSubscription } from '../../../src/mcp/change-subscription.js';
import { FakeClock } from '../../support/fake-clock.js';

function subscription(judge: (error: unknown) => 'again' | 'never' | 'lost' = () => 'again') {
  const clock = new FakeClock();
  const tries: number[] = [];
  const lost: unknown[] = [];
  const streams: (() => void)[] = [];
  const state = { gaps: 0, fails: false };
  const subject = new ChangeSubscription({
    clock,
    judge,
    onGap: () => state.gaps++,
    onLost: (error) => lost.push(error),
    listen: async () => {
      tries.push(clock.now());
      if (state.fails) throw new Error('refused');
      return { closed: new Promise<void>((resolve) => streams.push(resolve)) };
    },
  });
  return { clock, tries, lost, state, subject, cut: () => streams.pop()?.() };
}

describe('ChangeSubscription', () => {
  it('asks once and tells of no gap while its stream lives', async () => {
    const { clock, tries, state } = subscription();
    await clock.advance(3_600_000);
    expect(tries).toEqual([0]);
    expect(state.gaps).toBe(0);
    expect(clock.pending()).toEqual([]);
  });

  it('asks again 250 ms after a cut and tells of the gap only then; after 10 good seconds it is 250 ms again', async () => {
    const { clock, tries, state, cut } = subscription();
    await clock.advance(1_000);
    cut();
    await clock.advance(249);
    expect([tries.length, state.gaps]).toEqual([1, 0]);
    await clock.advance(1);
    expect([tries.length, state.gaps]).toEqual([2, 1]);
    await clock.advance(10_000);
    cut();
    await clock.advance(250);
    expect([tries.length, state.gaps]).toEqual([3, 2]);
  });

  it('waits 0.25, 0.5, 1, 2 … 60 s between tries that fail', async () => {
    const { clock, tries, state, cut } = subscription();
    await clock.advance(0);
    state.fails = true;
    cut();
    await clock.advance(250_000);
    const waits = tries.map((at, i) => at - (tries[i - 1] ?? 0)).slice(1);
    expect(waits).toEqual([250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    expect(state.gaps).toBe(0);
  });

  it.each([
    ['never', 0],
    ['lost', 1],
  ] as const)('stops after a failure that is judged as %s', async (verdict, told) => {
    const { clock, tries, lost, state, cut } = subscription(() => verdict);
    await clock.advance(0);
    state.fails = true;
    cut();
    await clock.advance(1_000_000);
    expect([tries.length, lost.length]).toEqual([2, told]);
  });

  it('asks no more and leaves no timer once it has ended, also in the middle of a wait', async () => {
    const { clock, tries, subject, cut } = subscription();
    await clock.advance(0);
    cut();
    await clock.advance(100);
    subject.end();
    await clock.advance(1_000_000);
    expect(tries).toHaveLength(1);
    expect(clock.pending()).toEqual([]);
  });
});
