/** Spans: who is whose child, what a request carries, when a span ends, and what never gets into one. */
import { describe, expect, it } from 'vitest';
import { McpctlError } from '../../../../src/core/errors.js';
import { Redactor } from '../../../../src/core/redact.js';
import { OtlpTracer, type TracerOptions } from '../../../../src/observe/otlp/otlp-tracer.js';
import type { SpanRecord } from '../../../../src/observe/otlp/span.js';
import { FakeClock } from '../../../support/fake-clock.js';

const [traceId, spanId] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];
const parent = { traceparent: `00-${traceId}-${spanId}-01`, tracestate: 'v=1', baggage: 'who=me' };
const call = { methods: ['tools/call'] as const, target: 'echo', attributes: {} };
const frame = { name: 'mcpctl call', attributes: {} };
const message = { jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'echo', _meta: { progressToken: 1 } } };

function setUp(options: Partial<TracerOptions> = {}) {
  const clock = new FakeClock({ nowMs: 1000, date: '2026-01-01T00:00:00Z' });
  const redactor = new Redactor();
  const spans: SpanRecord[] = [];
  const requests: SpanRecord[] = [];
  const tracer = new OtlpTracer({
    clock,
    redactor,
    sampler: { followsParent: true, ratio: 1 },
    parent: undefined,
    propagates: true,
    onSpan: (record) => spans.push(record),
    onRequest: (record) => requests.push(record),
    ...options,
  });
  const meta = () => (tracer.carry(message).params as { _meta: Record<string, unknown> })._meta;
  return { clock, redactor, spans, requests, tracer, meta };
}

describe('a span', () => {
  it('is a child of the one around it, carries its own id, and knows when its request was sent', async () => {
    const { tracer, clock, spans, meta } = setUp();
    let carried: Record<string, unknown> = {};
    await tracer.run(frame, async () => {
      await tracer.run(call, async () => {
        await clock.advance(5);
        carried = meta();
        await clock.advance(10);
      });
    });
    const [inner, outer] = spans as [SpanRecord, SpanRecord];
    expect([inner.name, inner.kind, outer.name, outer.kind]).toEqual(['tools/call echo', 'client', 'mcpctl call', 'internal']);
    expect(inner).toMatchObject({ traceId: outer.traceId, parentSpanId: outer.spanId });
    expect(outer.parentSpanId).toBeUndefined();
    expect(carried).toEqual({ progressToken: 1, traceparent: `00-${inner.traceId}-${inner.spanId}-01` });
    const start = Date.parse('2026-01-01T00:00:00Z');
    expect([inner.startedAt, inner.sentAt, inner.endedAt].map((at) => at! - start)).toEqual([0, 5, 15]);
    expect(inner.attributes).toMatchObject({ 'mcp.method.name': 'tools/call', 'jsonrpc.request.id': '7' });
  });

  it('is named after the request that was sent last', async () => {
    const { tracer, spans } = setUp();
    await tracer.run({ methods: ['initialize', 'server/discover'], attributes: {} }, async () => {
      tracer.carry({ id: 'a', method: 'server/discover' });
      tracer.carry({ method: 'notifications/initialized' });
    });
    expect(spans[0]).toMatchObject({ name: 'server/discover', attributes: { 'mcp.method.name': 'server/discover' } });
  });

  it('of ours is told only when something was done under it', async () => {
    const { tracer, spans, requests } = setUp();
    await tracer.run(frame, async () => {});
    expect([spans, requests]).toEqual([[], []]);
  });

  it('ends once, whatever the work does, and takes nothing after that', async () => {
    const { tracer, spans } = setUp();
    let span: { set(attributes: object): void; event(name: string): void; fail(type: string): void } | undefined;
    await tracer.run(call, async (own) => {
      span = own;
    });
    span!.set({ late: 1 });
    span!.event('late');
    span!.fail('late');
    expect(spans).toHaveLength(1);
    expect(spans[0]).toMatchObject({ isError: false, events: [] });
    expect(spans[0]!.attributes).not.toHaveProperty('late');
  });

  it.each([
    [new McpctlError('TIMEOUT', 'x'), 'TIMEOUT', {}],
    [
      new McpctlError('REQUEST_REFUSED', 'x', { details: { rpcCode: -32602 } }),
      '-32602',
      { 'rpc.response.status_code': '-32602' },
    ],
    [new McpctlError('UNAVAILABLE', 'x', { details: { status: 503 } }), 'UNAVAILABLE', { 'http.response.status_code': 503 }],
    [new TypeError('x'), 'INTERNAL', {}],
    [undefined, 'CANCELLED', {}],
  ])('fails with %s as error.type %s, and the error goes on unchanged', async (error, type, more) => {
    const { tracer, spans } = setUp();
    await expect(tracer.run(call, () => Promise.reject(error))).rejects.toBe(error);
    expect(spans[0]).toMatchObject({ isError: true, attributes: { 'error.type': type, ...more } });
  });

  it('fails with what is thrown before there is a promise', () => {
    const { tracer, spans } = setUp();
    const broken = () => {
      throw new McpctlError('USAGE', 'x');
    };
    expect(() => tracer.run(call, broken)).toThrow('x');
    expect(spans[0]).toMatchObject({ isError: true, attributes: { 'error.type': 'USAGE' } });
  });

  it('keeps no secret, no control character, no message, and no more than 256 characters and 64 events', async () => {
    const { tracer, spans, redactor } = setUp();
    redactor.add('hunter2-hunter2');
    const target = `echo\u001b[31m hunter2-hunter2 ${'x'.repeat(500)}`;
    const error = new McpctlError('UNAVAILABLE', 'the message', { details: { why: 'the details' }, hint: 'the hint' });
    const work = tracer.run({ ...call, target, attributes: { long: target, none: undefined } }, async (span) => {
      for (let i = 0; i < 70; i++) span.event(`event ${i}`, { secret: 'hunter2-hunter2' });
      throw error;
    });
    await expect(work).rejects.toBe(error);
    const record = spans[0]!;
    expect(record.name).toMatch(/^tools\/call echo \[redacted\] x+…$/);
    expect(record.name).toHaveLength(256);
    expect(record.attributes.long).toHaveLength(256);
    expect(record).toMatchObject({ droppedEvents: 6 });
    expect(record.events).toHaveLength(64);
    expect(JSON.stringify(record)).not.toMatch(/hunter2|the message|the details|the hint|none|\\u001b/);
  });
});

describe('the span around', () => {
  it('is none once it has ended: what a timer does later begins a trace of its own, and carries nothing', async () => {
    const { tracer, clock, spans } = setUp();
    let later: Promise<unknown> | undefined;
    let carried: unknown;
    await tracer.run(call, async () => {
      clock.after(100, () => {
        carried = tracer.carry(message);
        later = tracer.run(call, async () => {});
      });
    });
    await clock.advance(100);
    await later;
    expect(carried).toBe(message);
    expect(spans).toHaveLength(2);
    expect(spans[1]!.traceId).not.toBe(spans[0]!.traceId);
    expect(spans[1]!.parentSpanId).toBeUndefined();
  });

  it('of work at the same time is its own', async () => {
    const { tracer, clock, spans, meta } = setUp();
    const carried: unknown[] = [];
    const one = (ms: number) =>
      tracer.run(call, async () => {
        await clock.sleep(ms);
        carried.push(meta().traceparent);
      });
    const all = Promise.all([one(30), one(10), one(20)]);
    await clock.advance(30);
    await all;
    expect(carried).toEqual(spans.map((span) => `00-${span.traceId}-${span.spanId}-01`));
    expect(new Set(carried).size).toBe(3);
  });

  it('leaves an answer, and whatever is sent without a span, as it is', async () => {
    const { tracer } = setUp();
    expect(tracer.carry(message)).toBe(message);
    const answer = { jsonrpc: '2.0', id: 1, result: {} };
    await tracer.run(call, async () => expect(tracer.carry(answer)).toBe(answer));
  });
});

describe('a trace that began elsewhere', () => {
  it('goes on in the first span of the process, and its state travels with every request', async () => {
    const { tracer, spans, meta } = setUp({ parent });
    let carried: unknown;
    await tracer.run(frame, () =>
      tracer.run(call, async () => {
        carried = meta();
      }),
    );
    expect(spans.map((span) => span.traceId)).toEqual([traceId, traceId]);
    expect(spans[1]).toMatchObject({ name: 'mcpctl call', parentSpanId: spanId, tracestate: 'v=1' });
    expect(carried).toMatchObject({ traceparent: `00-${traceId}-${spans[0]!.spanId}-01`, tracestate: 'v=1', baggage: 'who=me' });
  });

  it('of whoever asks wins over that of the process; one that is nonsense counts for nothing', async () => {
    const { tracer, spans } = setUp();
    const inside = () => tracer.run(call, async () => {});
    await tracer.run({ ...frame, parent }, inside);
    expect(spans[1]).toMatchObject({ traceId, parentSpanId: spanId });
    await tracer.run({ ...frame, parent: { traceparent: 'nonsense' } }, inside);
    expect(spans[3]!.parentSpanId).toBeUndefined();
  });

  it('that is not kept there is not kept here, but carried on as it is, and measured', async () => {
    const { tracer, spans, requests, meta } = setUp({ parent: { traceparent: parent.traceparent.replace(/01$/, '00') } });
    let carried: unknown;
    await tracer.run(call, async () => {
      carried = meta().traceparent;
    });
    expect(spans).toEqual([]);
    expect(requests).toHaveLength(1);
    expect(carried).toBe(`00-${traceId}-${requests[0]!.spanId}-00`);
  });

  it('that is not kept there is kept here by a sampler that does not ask', async () => {
    const { tracer, spans } = setUp({ parent, sampler: { followsParent: false, ratio: 0 } });
    await tracer.run(call, async () => {});
    expect(spans).toEqual([]);
  });
});

describe('sampling and the end', () => {
  it('keeps about a quarter of 2000 traces at a ratio of 0.25, each whole or not at all', async () => {
    const { tracer, spans } = setUp({ sampler: { followsParent: true, ratio: 0.25 } });
    for (let i = 0; i < 2000; i++) await tracer.run(frame, () => tracer.run(call, async () => {}));
    const traces = new Set(spans.map((span) => span.traceId));
    expect(spans).toHaveLength(2 * traces.size);
    expect(traces.size).toBeGreaterThan(380);
    expect(traces.size).toBeLessThan(620);
  });

  it('carries nothing when only durations are wanted, and measures all the same', async () => {
    const { tracer, requests } = setUp({ propagates: false });
    await tracer.run(call, async () => expect(tracer.carry(message)).toBe(message));
    expect(requests[0]!.sentAt).toBeDefined();
  });

  it('ends what still runs as cancelled, children first', async () => {
    const { tracer, spans } = setUp();
    void tracer.run(frame, () => tracer.run(call, () => new Promise(() => {})));
    tracer.endAll();
    expect(spans.map((span) => [span.name, span.attributes['error.type']])).toEqual([
      ['tools/call echo', 'CANCELLED'],
      ['mcpctl call', 'CANCELLED'],
    ]);
  });
});
