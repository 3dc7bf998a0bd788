/** Latencies of the last minutes, from the slots of the history. */
import { describe, expect, it } from 'vitest';
import { Emitter } from '../../../src/core/events.js';
import type { ManagerEvent } from '../../../src/manager/server-status.js';
import { Metrics } from '../../../src/observe/metrics.js';
import { FakeClock } from '../../support/fake-clock.js';

describe('the latencies of the last slots', () => {
  it('are in the slot of their time, empty slots between them, older ones left out, and summed up', async () => {
    const clock = new FakeClock({ date: '2026-03-01T12:00:10Z' });
    const events = new Emitter<ManagerEvent>();
    const metrics = new Metrics(clock).listen(events);
    const call = (durationMs: number) =>
      events.emit({
        type: 'call-finished',
        server: 'a',
        tool: 't',
        callId: 'c',
        attempts: 1,
        durationMs,
        isSent: true,
        outcome: 'ok',
      });
    call(4000);
    await clock.advance(30_000);
    for (let i = 0; i < 10; i++) call(15);
    await clock.advance(60_000);
    call(150);
    const { slotMs, p50, p95, all } = metrics.recent(['a'], 3).get('a')!;
    expect(slotMs).toBe(30_000);
    // Within the bucket from 10 to 20 ms, nothing, and the one from 100 to 200 ms.
    expect(p50).toEqual([15, null, 150]);
    expect(p95[0]).toBeGreaterThan(15);
    expect(p95[0]).toBeLessThanOrEqual(20);
    expect(all!.p50).toBeLessThan(20);
    expect(all!.p95).toBeGreaterThan(100);
    expect(metrics.recent(['a'], 5).get('a')!.p50[1]).toBeGreaterThan(1000);
    expect(metrics.recent(['nobody'], 2).get('nobody')).toEqual({
      slotMs: 30_000,
      p50: [null, null],
      p95: [null, null],
      all: null,
    });
    await metrics.reset(['a']);
    expect(metrics.recent(['a'], 5).get('a')!.all).toBeNull();
  });
});
