/** Writes OTLP messages in the wire format of protocol buffers, from their JSON form and a table of the fields that we use. */

type Scalar = 'string' | 'hex' | 'enum' | 'uint32' | 'fixed32' | 'fixed64' | 'int64' | 'double' | 'bool';

interface Field {
  readonly number: number;
  readonly type: Scalar | Message;
  /** Of a list: one after the other in one field. */
  readonly isPacked?: true;
}

type Message = () => Readonly<Record<string, Field>>;

const field = (number: number, type: Field['type']): Field => ({ number, type });
const packed = (number: number, type: Scalar): Field => ({ number, type, isPacked: true });

// opentelemetry-proto 1.x: common/v1, resource/v1, trace/v1, metrics/v1, and the two requests of collector/*/v1.
const anyValue: Message = () => ({
  stringValue: field(1, 'string'),
  boolValue: field(2, 'bool'),
  intValue: field(3, 'int64'),
  doubleValue: field(4, 'double'),
});
const keyValue: Message = () => ({ key: field(1, 'string'), value: field(2, anyValue) });
const resource: Message = () => ({ attributes: field(1, keyValue) });
const scope: Message = () => ({ name: field(1, 'string'), version: field(2, 'string') });
const event: Message = () => ({
  timeUnixNano: field(1, 'fixed64'),
  name: field(2, 'string'),
  attributes: field(3, keyValue),
});
const status: Message = () => ({ code: field(3, 'enum') });
const span: Message = () => ({
  traceId: field(1, 'hex'),
  spanId: field(2, 'hex'),
  traceState: field(3, 'string'),
  parentSpanId: field(4, 'hex'),
  name: field(5, 'string'),
  kind: field(6, 'enum'),
  startTimeUnixNano: field(7, 'fixed64'),
  endTimeUnixNano: field(8, 'fixed64'),
  attributes: field(9, keyValue),
  events: field(11, event),
  droppedEventsCount: field(12, 'uint32'),
  status: field(15, status),
  flags: field(16, 'fixed32'),
});
const scopeSpans: Message = () => ({ scope: field(1, scope), spans: field(2, span) });
const resourceSpans: Message = () => ({ resource: field(1, resource), scopeSpans: field(2, scopeSpans) });
const dataPoint: Message = () => ({
  startTimeUnixNano: field(2, 'fixed64'),
  timeUnixNano: field(3, 'fixed64'),
  count: field(4, 'fixed64'),
  sum: field(5, 'double'),
  bucketCounts: packed(6, 'fixed64'),
  explicitBounds: packed(7, 'double'),
  attributes: field(9, keyValue),
  min: field(11, 'double'),
  max: field(12, 'double'),
});
const histogram: Message = () => ({ dataPoints: field(1, dataPoint), aggregationTemporality: field(2, 'enum') });
const metric: Message = () => ({
  name: field(1, 'string'),
  description: field(2, 'string'),
  unit: field(3, 'string'),
  histogram: field(9, histogram),
});
const scopeMetrics: Message = () => ({ scope: field(1, scope), metrics: field(2, metric) });
const resourceMetrics: Message = () => ({ resource: field(1, resource), scopeMetrics: field(2, scopeMetrics) });

/** What is sent to a collector. Both requests have their one field at number 1. */
const request: Message = () => ({ resourceSpans: field(1, resourceSpans), resourceMetrics: field(1, resourceMetrics) });

/** @param message as `messages.ts` makes it @throws TypeError for a field that the tables do not have */
export function toProtobuf(message: object): Uint8Array {
  return encode(message, request());
}

const [varint, bits64, bytes, bits32] = [0, 1, 2, 5] as const;
const wireTypes: Readonly<Record<Scalar, number>> = {
  string: bytes,
  hex: bytes,
  enum: varint,
  uint32: varint,
  int64: varint,
  bool: varint,
  fixed32: bits32,
  fixed64: bits64,
  double: bits64,
};

function encode(message: object, fields: Readonly<Record<string, Field>>): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of Object.entries(message)) {
    if (value === undefined) continue;
    const known = fields[name];
    if (!known) throw new TypeError(`OTLP: no field ${name}`);
    const { number, type, isPacked } = known;
    if (isPacked)
      parts.push(tag(number, bytes), delimited(Buffer.concat((value as unknown[]).map((one) => scalar(one, type as Scalar)))));
    else for (const one of Array.isArray(value) ? value : [value]) parts.push(...fieldOf(number, type, one));
  }
  return Buffer.concat(parts);
}

function fieldOf(number: number, type: Field['type'], value: unknown): [Buffer, Buffer] {
  if (typeof type === 'function') return [tag(number, bytes), delimited(encode(value as object, type()))];
  const written = scalar(value, type);
  return [tag(number, wireTypes[type]), wireTypes[type] === bytes ? delimited(written) : written];
}

function scalar(value: unknown, type: Scalar): Buffer {
  switch (type) {
    case 'string':
      return Buffer.from(String(value));
    case 'hex':
      return Buffer.from(String(value), 'hex');
    case 'double': {
      const written = Buffer.alloc(8);
      written.writeDoubleLE(Number(value));
      return written;
    }
    case 'fixed64': {
      const written = Buffer.alloc(8);
      written.writeBigUInt64LE(BigInt(String(value)));
      return written;
    }
    case 'fixed32': {
      const written = Buffer.alloc(4);
      written.writeUInt32LE(Number(value));
      return written;
    }
    default:
      // A negative number is written as its two's complement of 64 bits.
      return varintOf(BigInt.asUintN(64, typeof value === 'boolean' ? BigInt(value) : BigInt(String(value))));
  }
}

function tag(number: number, wireType: number): Buffer {
  return varintOf(BigInt(number * 8 + wireType));
}

function delimited(content: Buffer): Buffer {
  return Buffer.concat([varintOf(BigInt(content.length)), content]);
}

function varintOf(value: bigint): Buffer {
  const written: number[] = [];
  let rest = value;
  for (; rest > 0x7fn; rest >>= 7n) written.push(Number(rest & 0x7fn) | 0x80);
  written.push(Number(rest));
  return Buffer.from(written);
}
