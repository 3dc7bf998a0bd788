/** What a manager's events come to: totals, the last hours, a new beginning; and the text for Prometheus. */
import { describe, expect, it } from 'vitest';
import { Emitter } from '../../../src/core/events.js';
import type { ManagerEvent } from '../../../src/manager/server-status.js';
import { exposition } from '../../../src/observe/exposition.js';
import { Metrics } from '../../../src/observe/metrics.js';
import { reportOf } from '../../../src/observe/report.js';
import { newTally } from '../../../src/observe/tally.js';
import { FakeClock } from '../../support/fake-clock.js';

function counting() {
  const clock = new FakeClock({ date: '2026-03-01T12:00:00Z' });
  const events = new Emitter<ManagerEvent>();
  const metrics = new Metrics(clock).listen(events);
  const call = (outcome: 'ok' | 'TIMEOUT' | 'CIRCUIT_OPEN' = 'ok', durationMs = 10, tool = 'echo') =>
    events.emit({
      type: 'call-finished',
      server: 'a',
      tool,
      callId: 'a',
      attempts: 1,
      durationMs,
      isSent: outcome !== 'CIRCUIT_OPEN',
      outcome,
    });
  const state = (from: 'connecting' | 'connected', to: 'connecting' | 'connected' | 'error') =>
    events.emit({ type: 'server-state', server: 'a', from, to, error: null, retryAt: null, durationMs: 5 });
  const read = async (sinceMs?: number) => reportOf('manager', await metrics.read(['a'], sinceMs)).servers[0]!;
  return { clock, events, metrics, call, state, read };
}

describe('the figures of a manager', () => {
  it('count 3 calls with 2 failures by class; what was refused is in no latency', async () => {
    const { call, read } = counting();
    call('ok', 10);
    call('TIMEOUT', 400);
    call('CIRCUIT_OPEN', 0);
    expect(await read()).toMatchObject({
      calls: 3,
      success: 1,
      failed: 2,
      errorRate: 66.67,
      errors: { timeout: 1, circuit_open: 1 },
      latencyMs: { mean: 205 },
      tools: [{ tool: 'echo', success: 1, failed: 2 }],
    });
  });

  it('count 2 connects, 1 failure and 1 restart of a server that was lost once', async () => {
    const { state, read } = counting();
    state('connecting', 'error');
    state('connecting', 'connected');
    state('connected', 'error');
    state('connecting', 'connected');
    expect(await read()).toMatchObject({ connects: { success: 2, failed: 1 }, restarts: 1 });
  });

  it('of the last hour leave out what happened two hours ago, and have a bar for each of 24 parts', async () => {
    const { clock, call, read } = counting();
    call();
    await clock.advance(2 * 3_600_000);
    call();
    call();
    expect((await read()).calls).toBe(3);
    const hour = await read(3_600_000);
    expect(hour).toMatchObject({ calls: 2, tools: null, series: { spanMs: 3_600_000 } });
    expect(hour.series.calls).toEqual([...Array(23).fill(0), 2]);
  });

  it('begin anew at a reset, while the totals for Prometheus go on', async () => {
    const { clock, metrics, call, read } = counting();
    call();
    await metrics.reset(['a']);
    expect(await read()).toMatchObject({ calls: 0, latencyMs: null, tools: [] });
    await clock.advance(60_000);
    call();
    expect([(await read()).calls, (await read(600_000)).calls]).toEqual([1, 1]);
    expect((await metrics.totals(['a'])).get('a')!.tools.get('echo')).toEqual([2, 0]);
  });

  it('are those of all calls so far, though calls are counted a second later, or 1000 at a time; an idle manager has no timer', async () => {
    const { clock, metrics, call, read } = counting();
    expect(clock.pending()).toEqual([]);
    call();
    call();
    expect(clock.pending()).toHaveLength(1);
    expect((await read()).calls).toBe(2);
    expect(clock.pending()).toEqual([]);
    call();
    await clock.advance(1_000);
    expect(clock.pending()).toEqual([]);
    for (let i = 0; i < 1000; i++) call();
    expect(clock.pending()).toEqual([]);
    call();
    metrics[Symbol.dispose]();
    expect(clock.pending()).toEqual([]);
    expect((await read()).calls).toBe(1004);
  });

  it('are dropped with a server that is removed, count none of its calls that end later, and begin anew when it is back', async () => {
    const { events, call, read } = counting();
    call();
    events.emit({ type: 'config-changed', added: [], removed: ['a'], changed: [] });
    expect((await read()).calls).toBe(0);
    call();
    expect((await read()).calls).toBe(0);
    events.emit({ type: 'config-changed', added: ['a'], removed: [], changed: [] });
    call();
    expect((await read()).calls).toBe(1);
  });
});

const hostile = [
  'a"b',
  'back\\slash',
  'new\nline',
  '{le="1"}',
  '\u001b[31mred',
  '\u202egnirts',
  '',
  ' ',
  '# HELP x',
  'ä'.repeat(500),
];

describe('the text for Prometheus', () => {
  async function textOf(names: readonly string[]) {
    const { clock, metrics, call } = counting();
    for (const name of names) call('ok', 3, name);
    const samples = [{ server: 'a', tally: (await metrics.totals(['a'])).get('a')!, figures: undefined }];
    return exposition({ at: clock.date().getTime(), startedAt: metrics.startedAt, samples });
  }

  it('escapes names of tools, and has at most 2000 series with 10 000 of them', async () => {
    const text = await textOf([...hostile, ...Array.from({ length: 10_000 }, (_, i) => `tool-${i}`)]);
    const series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(series.length).toBeGreaterThan(400);
    expect(series.length).toBeLessThanOrEqual(2000);
    expect(new Set(series.map((line) => line.slice(0, line.lastIndexOf(' ')))).size).toBe(series.length);
    expect(text).toContain('tool_name="a\\"b"');
    expect(text).toContain('tool_name="back\\\\slash"');
    expect(text).not.toMatch(/[\u001b\u202e]/);
    for (const line of series) expect(line).toMatch(/^\w+(\{(\w+="([^"\\\n]|\\["\\n])*",?)*\})? [\d.e+-]+$/);
  });

  it('has one label for names that are the same bytes: half of a surrogate pair, alone or where a long name is cut', async () => {
    const cut = (second: string) => `${'x'.repeat(126)}${second}${'y'.repeat(99)}`;
    const text = await textOf(['\ud800', '\udfff', cut('\u{1f600}'), cut('\u{1f9ff}')]);
    const labels = [...text.matchAll(/tool_name="([^"]*)",status="success"\} (\d)/g)].map(([, label, calls]) => [label, calls]);
    expect(labels).toEqual([
      ['\ufffd', '2'],
      [`${'x'.repeat(126)}\ufffd…`, '2'],
    ]);
  });

  it('counts each bucket of a histogram with those below it', async () => {
    const text = await textOf(['x', 'y']);
    const buckets = [...text.matchAll(/^mcp_tool_execution_duration_seconds_bucket\{server="a",le="(.+?)"\} (\d+)$/gm)];
    const at = Object.fromEntries(buckets.map(([, le, count]) => [le, Number(count)]));
    expect(at).toMatchObject({ '0.002': 0, '0.005': 2, '0.01': 2, '300': 2, '+Inf': 2 });
    expect(text).toContain('mcp_tool_execution_duration_seconds_count{server="a"} 2');
    expect(text).toContain('mcp_tool_execution_duration_seconds_sum{server="a"} 0.006');
  });

  it('is empty without a server', () => {
    expect(exposition({ at: 0, startedAt: undefined, samples: [] })).toBe('');
    expect(
      exposition({ at: 0, startedAt: undefined, samples: [{ server: 'a', tally: newTally(), figures: undefined }] }),
    ).toContain('mcp_client_calls_total{server="a"} 0');
  });
});
