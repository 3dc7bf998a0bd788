/** The wire format, read back by a reader that knows nothing of our tables: field numbers and types as opentelemetry-proto has them. */
import { describe, expect, it } from 'vitest';
import { Durations } from '../../../../src/observe/otlp/durations.js';
import { metricsMessage, tracesMessage } from '../../../../src/observe/otlp/messages.js';
import { toProtobuf } from '../../../../src/observe/otlp/protobuf.js';
import type { SpanRecord } from '../../../../src/observe/otlp/span.js';

interface WireField {
  readonly number: number;
  readonly value: bigint | Buffer;
}

/** Fields of one message in their order; a number for varint and fixed widths, bytes for the rest. */
function read(bytes: Uint8Array): WireField[] {
  const buffer = Buffer.from(bytes);
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = buffer[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const fields: WireField[] = [];
  while (at < buffer.length) {
    const tag = Number(varint());
    const number = tag >> 3;
    switch (tag & 7) {
      case 0:
        fields.push({ number, value: varint() });
        break;
      case 1:
        fields.push({ number, value: buffer.readBigUInt64LE(at) });
        at += 8;
        break;
      case 2: {
        const length = Number(varint());
        fields.push({ number, value: buffer.subarray(at, at + length) });
        at += length;
        break;
      }
      case 5:
        fields.push({ number, value: BigInt(buffer.readUInt32LE(at)) });
        at += 4;
        break;
      default:
        throw new Error(`wire type ${tag & 7}`);
    }
  }
  expect(at).toBe(buffer.length);
  return fields;
}
const all = (bytes: Uint8Array, number: number) =>
  read(bytes)
    .filter((field) => field.number === number)
    .map(({ value }) => value);
const bytesAt = (bytes: Uint8Array, ...path: number[]) =>
  path.reduce<Buffer>((inside, number) => all(inside, number)[0] as Buffer, Buffer.from(bytes));
const textAt = (bytes: Uint8Array, ...path: number[]) => bytesAt(bytes, ...path).toString();
const numberAt = (bytes: Uint8Array, number: number) => all(bytes, number)[0];
const doubleOf = (value: unknown) => {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(value as bigint);
  return buffer.readDoubleLE();
};
const attributesAt = (bytes: Uint8Array, number: number) =>
  Object.fromEntries(all(bytes, number).map((pair) => [textAt(pair as Buffer, 1), read(bytesAt(pair as Buffer, 2))[0]]));

const context = { resource: { 'service.name': 'süß' }, version: '1.2.3' };
const record: SpanRecord = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  parentSpanId: '00f067aa0ba902b7',
  tracestate: 'a=b',
  kind: 'client',
  name: 'tools/call echo',
  startedAt: 1_767_225_600_000.25,
  endedAt: 1_767_225_600_100,
  sentAt: 1_767_225_600_001,
  attributes: { text: 'x'.repeat(200), port: 8080, below: -1, ratio: 0.5, yes: true, no: false, empty: '' },
  events: [{ at: 1_767_225_600_050, name: 'attempt', attributes: { n: 1 } }],
  droppedEvents: 3,
  isError: true,
};

describe('toProtobuf', () => {
  it('writes a span with every field at its number', () => {
    const bytes = toProtobuf(tracesMessage([record, { ...record, parentSpanId: undefined, isError: false }], context));
    expect(attributesAt(bytesAt(bytes, 1, 1), 1)).toEqual({ 'service.name': { number: 1, value: Buffer.from('süß') } });
    expect([textAt(bytes, 1, 2, 1, 1), textAt(bytes, 1, 2, 1, 2)]).toEqual(['mcpctl', '1.2.3']);
    const spans = all(bytesAt(bytes, 1, 2), 2) as Buffer[];
    expect(spans).toHaveLength(2);
    const [span, other] = spans as [Buffer, Buffer];
    expect([1, 2, 4].map((number) => bytesAt(span, number).toString('hex'))).toEqual([
      record.traceId,
      record.spanId,
      record.parentSpanId,
    ]);
    expect([textAt(span, 3), textAt(span, 5)]).toEqual(['a=b', 'tools/call echo']);
    expect([6, 7, 8, 12, 16].map((number) => numberAt(span, number))).toEqual([
      3n,
      1_767_225_600_000_250_000n,
      1_767_225_600_100_000_000n,
      3n,
      1n,
    ]);
    const attributes = attributesAt(span, 9);
    expect(attributes.text).toEqual({ number: 1, value: Buffer.from('x'.repeat(200)) });
    expect(attributes.port).toEqual({ number: 3, value: 8080n });
    expect(BigInt.asIntN(64, attributes.below!.value as bigint)).toBe(-1n);
    expect(attributes.ratio!.number).toBe(4);
    expect(doubleOf(attributes.ratio!.value)).toBe(0.5);
    expect([attributes.yes, attributes.no, attributes.empty]).toEqual([
      { number: 2, value: 1n },
      { number: 2, value: 0n },
      { number: 1, value: Buffer.alloc(0) },
    ]);
    const event = bytesAt(span, 11);
    expect([numberAt(event, 1), textAt(event, 2)]).toEqual([1_767_225_600_050_000_000n, 'attempt']);
    expect(attributesAt(event, 3)).toEqual({ n: { number: 3, value: 1n } });
    expect(numberAt(bytesAt(span, 15), 3)).toBe(2n);
    expect(all(other, 4)).toEqual([]);
    expect(bytesAt(other, 15)).toHaveLength(0);
  });

  it('writes a histogram with packed buckets and bounds', () => {
    const durations = new Durations();
    durations.add({ ...record, attributes: { 'mcp.method.name': 'tools/call' } });
    const times = { from: 1000, to: 2000, temporality: 'cumulative' } as const;
    const bytes = toProtobuf(metricsMessage(durations.all, times, context));
    const metric = bytesAt(bytes, 1, 2, 2);
    expect([textAt(metric, 1), textAt(metric, 3)]).toEqual(['mcp.client.operation.duration', 's']);
    const histogram = bytesAt(metric, 9);
    expect(numberAt(histogram, 2)).toBe(2n);
    const point = bytesAt(histogram, 1);
    expect([2, 3, 4].map((number) => numberAt(point, number))).toEqual([1_000_000_000n, 2_000_000_000n, 1n]);
    expect([5, 11, 12].map((number) => doubleOf(numberAt(point, number)))).toEqual([0.099, 0.099, 0.099]);
    const [buckets, bounds] = [bytesAt(point, 6), bytesAt(point, 7)];
    expect(Array.from({ length: 15 }, (_, i) => Number(buckets.readBigUInt64LE(8 * i)))).toEqual(
      Array.from({ length: 15 }, (_, i) => (i === 3 ? 1 : 0)),
    );
    expect(Array.from({ length: 14 }, (_, i) => bounds.readDoubleLE(8 * i))).toEqual([
      0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300,
    ]);
    expect(attributesAt(point, 9)).toEqual({ 'mcp.method.name': { number: 1, value: Buffer.from('tools/call') } });
  });

  it('refuses a field that it does not know, rather than leaving it out', () => {
    expect(() => toProtobuf({ resourceSpans: [{ other: 1 }] })).toThrow('OTLP: no field other');
  });
});
