/** What two looks at a manager come to. */
import { describe, expect, it } from 'vitest';
import { topData } from '../../../../src/cli/top/model.js';
import { at, look, serverStatus } from './rows.js';

const counted = (calls: number, failed = 0) => ({ calls, failed, errors: failed > 0 ? { timeout: failed } : {} });

describe('the figures of top', () => {
  it('are 4 calls/s when a server made 8 more within 2 s, and unknown at the first look', () => {
    const server = serverStatus('a');
    const before = look([server], { at: at - 2000, reports: new Map([['a', counted(10)]]) });
    const now = look([server], { reports: new Map([['a', counted(18, 9)]]) });
    expect(topData(undefined, now).servers[0]).toMatchObject({ callsPerSecond: null, calls: 18 });
    expect(topData(before, now).servers[0]).toMatchObject({
      callsPerSecond: 4,
      failed: 9,
      errorRate: 50,
      errors: { timeout: 9 },
    });
    expect(topData(before, now).totals).toEqual({
      servers: 1,
      counts: { connected: 1 },
      callsPerSecond: 4,
      calls: 18,
      failed: 9,
    });
    expect(topData(undefined, now).totals.callsPerSecond).toBeNull();
  });

  it('are never negative: a count that fell to 3 began anew, and made 3 calls since', () => {
    const server = serverStatus('a');
    const before = look([server], { at: at - 1000, reports: new Map([['a', counted(10)]]) });
    expect(topData(before, look([server], { reports: new Map([['a', counted(3)]]) })).servers[0]!.callsPerSecond).toBe(3);
  });

  it('are 0 for a server without a call, also one that was added since, and unknown when no time has passed', () => {
    const before = look([], { at: at - 1000 });
    const server = serverStatus('new', { latencyMs: null });
    expect(topData(before, look([server])).servers[0]).toMatchObject({
      callsPerSecond: 0,
      calls: 0,
      errorRate: 0,
      latencyMs: null,
      latencySeries: null,
      pingMs: null,
    });
    expect(topData(look([server]), look([server])).servers[0]!.callsPerSecond).toBeNull();
  });

  it('count servers by status, tell the uptime, and say why a server is not connected, not what happened to it before', () => {
    const lastError = { code: 'UNAVAILABLE' as const, message: 'refused', hint: 'try', at: '2026-03-01T11:59:00Z' };
    const data = topData(undefined, look([serverStatus('a', { lastError }), serverStatus('b', { status: 'error', lastError })]));
    expect(data.manager).toEqual({ pid: 4242, uptimeMs: 3 * 3_600_000 });
    expect(data.totals.counts).toEqual({ connected: 1, error: 1 });
    expect(data.servers.map((one) => one.lastError)).toEqual([null, { code: 'UNAVAILABLE', message: 'refused', hint: 'try' }]);
  });

  it('are JSON as they are', () => {
    const data = topData(undefined, look([serverStatus('a')]));
    expect(JSON.parse(JSON.stringify(data))).toEqual(data);
  });
});
