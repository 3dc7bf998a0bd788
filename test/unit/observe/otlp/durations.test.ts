/** How long requests took: what is counted where, and how many sets of attributes there can be. */
import { describe, expect, it } from 'vitest';
import { Durations, durationBounds } from '../../../../src/observe/otlp/durations.js';
import type { SpanRecord } from '../../../../src/observe/otlp/span.js';

const request = (ms: number | undefined, attributes: SpanRecord['attributes'] = {}) =>
  ({ sentAt: ms === undefined ? undefined : 1000, endedAt: 1000 + (ms ?? 0), attributes }) as SpanRecord;

describe('Durations', () => {
  it('counts 10 ms into the first bucket, 11 ms into the second, 301 s into the last, from the moment of sending', () => {
    const durations = new Durations();
    for (const ms of [10, 11, 301_000]) durations.add(request(ms));
    const [only] = durations.all;
    expect(only).toMatchObject({ count: 3, min: 0.01, max: 301 });
    expect(only!.sum).toBeCloseTo(301.021);
    expect(only!.buckets).toEqual([1, 1, ...Array(12).fill(0), 1]);
    expect(only!.buckets).toHaveLength(durationBounds.length + 1);
  });

  it('counts nothing that was never sent', () => {
    const durations = new Durations();
    durations.add(request(undefined));
    expect(durations.all).toEqual([]);
  });

  it('tells by method, tool, outcome and place, not by ids', () => {
    const durations = new Durations();
    const same = { 'mcp.method.name': 'tools/call', 'gen_ai.tool.name': 'echo', 'mcpctl.server': 'a' };
    durations.add(request(1, { ...same, 'jsonrpc.request.id': '1', 'mcpctl.attempts': 1 }));
    durations.add(request(1, { ...same, 'jsonrpc.request.id': '2', 'mcpctl.attempts': 2 }));
    durations.add(request(1, { ...same, 'error.type': 'tool_error' }));
    expect(durations.all.map(({ count, attributes }) => [count, attributes])).toEqual([
      [2, same],
      [1, { ...same, 'error.type': 'tool_error' }],
    ]);
  });

  it('names 200 tools of a server and calls the rest "other"', () => {
    const durations = new Durations();
    for (let i = 0; i < 300; i++) durations.add(request(1, { 'gen_ai.tool.name': `tool-${i}`, 'mcpctl.server': 'a' }));
    expect(durations.all).toHaveLength(201);
    expect(durations.all.at(-1)).toMatchObject({ count: 100, attributes: { 'gen_ai.tool.name': 'other' } });
  });

  it('keeps 2000 sets and counts what is beyond them together', () => {
    const durations = new Durations();
    for (let i = 0; i < 2100; i++) durations.add(request(1, { 'error.type': String(i) }));
    expect(durations.all).toHaveLength(2001);
    expect(durations.all.at(-1)).toMatchObject({ count: 100, attributes: { 'otel.metric.overflow': true } });
  });

  it('gives away what was counted, and takes it back when it could not be delivered', () => {
    const durations = new Durations();
    durations.add(request(10));
    const taken = durations.take();
    expect(durations.all).toEqual([]);
    durations.add(request(1000));
    durations.putBack(taken);
    expect(durations.all).toHaveLength(1);
    expect(durations.all[0]).toMatchObject({ count: 2, sum: 1.01, min: 0.01, max: 1 });
  });
});
