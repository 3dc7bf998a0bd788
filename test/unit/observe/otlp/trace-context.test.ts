/** What of a context that comes from elsewhere is believed. */
import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../../src/core/tracing.js';
import { readContext, traceparentOf } from '../../../../src/observe/otlp/trace-context.js';

const [traceId, spanId] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];
const good = `00-${traceId}-${spanId}-01`;

describe('readContext', () => {
  it('reads version 00 and what later versions have in common with it', () => {
    expect(readContext({ traceparent: good })).toMatchObject({ traceId, spanId, isSampled: true });
    expect(readContext({ traceparent: good.replace(/01$/, '00') })).toMatchObject({ isSampled: false });
    expect(readContext({ traceparent: good.replace(/01$/, 'ff') })).toMatchObject({ isSampled: true });
    expect(readContext({ traceparent: `cc${good.slice(2)}-what-the-future-brings` })).toMatchObject({ traceId, spanId });
  });

  it.each([
    '',
    `ff${good.slice(2)}`,
    `${good}-more`,
    good.toUpperCase(),
    good.replace(traceId, '0'.repeat(32)),
    good.replace(spanId, '0'.repeat(16)),
    good.slice(0, -1),
    good.replace('-', '_'),
    `00-${'1'.repeat(300)}`,
  ])('takes %j for none', (traceparent) => {
    expect(readContext({ traceparent, tracestate: 'a=b' })).toBeUndefined();
  });

  it('passes on a tracestate of 512 characters and a baggage of 1024, and nothing longer or unprintable', () => {
    const read = (tracestate: string, baggage: string) => readContext({ traceparent: good, tracestate, baggage });
    expect(read('a=b', 'c=d')).toMatchObject({ tracestate: 'a=b', baggage: 'c=d' });
    expect(read('a'.repeat(512), 'b'.repeat(1024))).toMatchObject({ tracestate: 'a'.repeat(512), baggage: 'b'.repeat(1024) });
    expect(read('a'.repeat(513), 'b'.repeat(1025))).toMatchObject({ tracestate: undefined, baggage: undefined });
    expect(read('a=\n', 'b=\u001b[31m')).toMatchObject({ tracestate: undefined, baggage: undefined });
  });

  it('believes nothing about what another process sent in its place', () => {
    expect(readContext({ traceparent: 5 as never })).toBeUndefined();
    expect(readContext({ traceparent: good, tracestate: { a: 1 } as never })).toMatchObject({ tracestate: undefined });
  });
});

describe('the context of a process', () => {
  it('is what its environment says, and comes back as it was', () => {
    const context = contextOf({ TRACEPARENT: good, TRACESTATE: 'a=b', PATH: '/bin' });
    expect(context).toEqual({ traceparent: good, tracestate: 'a=b', baggage: undefined });
    expect(traceparentOf(readContext(context)!)).toBe(good);
    expect(contextOf({ TRACESTATE: 'a=b' })).toBeUndefined();
  });
});
