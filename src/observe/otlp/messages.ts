/** Spans and histograms as OTLP has them in JSON (opentelemetry-proto 1.x): ids in hex, 64-bit numbers as text, enums as numbers. */

import { durationBounds, type Histogram } from './durations.js';
import type { AttributeValue, SpanRecord } from './span.js';

export interface MessageContext {
  readonly resource: Readonly<Record<string, string>>;
  readonly version: string;
}

/** `SpanKind`, `StatusCode` and `AggregationTemporality` of the protocol. */
const kinds = { internal: 1, client: 3 } as const;
const statusError = 2;
const temporalities = { delta: 1, cumulative: 2 } as const;

/** An `ExportTraceServiceRequest`. */
export function tracesMessage(spans: readonly SpanRecord[], context: MessageContext): object {
  return {
    resourceSpans: [{ resource: resourceOf(context), scopeSpans: [{ scope: scopeOf(context), spans: spans.map(spanOf) }] }],
  };
}

/** An `ExportMetricsServiceRequest`. @param from @param to epoch milliseconds between which was counted */
export function metricsMessage(
  histograms: readonly Histogram[],
  { from, to, temporality }: { from: number; to: number; temporality: keyof typeof temporalities },
  context: MessageContext,
): object {
  const dataPoints = histograms.map(({ attributes, count, sum, min, max, buckets }) => ({
    startTimeUnixNano: nanos(from),
    timeUnixNano: nanos(to),
    count: String(count),
    sum,
    bucketCounts: buckets.map(String),
    explicitBounds: [...durationBounds],
    attributes: attributesOf(attributes),
    min,
    max,
  }));
  const metric = {
    name: 'mcp.client.operation.duration',
    description: 'The duration of an MCP request as observed by the client, from the moment it was sent',
    unit: 's',
    histogram: { dataPoints, aggregationTemporality: temporalities[temporality] },
  };
  return {
    resourceMetrics: [{ resource: resourceOf(context), scopeMetrics: [{ scope: scopeOf(context), metrics: [metric] }] }],
  };
}

function spanOf(span: SpanRecord): object {
  const { traceId, spanId, parentSpanId, tracestate, kind, name, startedAt, endedAt, events, droppedEvents } = span;
  return {
    traceId,
    spanId,
    traceState: tracestate,
    parentSpanId,
    name,
    kind: kinds[kind],
    startTimeUnixNano: nanos(startedAt),
    endTimeUnixNano: nanos(endedAt),
    attributes: attributesOf(span.attributes),
    events: events.map((event) => ({
      timeUnixNano: nanos(event.at),
      name: event.name,
      attributes: attributesOf(event.attributes),
    })),
    droppedEventsCount: droppedEvents || undefined,
    // Success is for servers and users to say; a client only knows of failures.
    status: span.isError ? { code: statusError } : {},
    // Sampled: others are not sent.
    flags: 1,
  };
}

function resourceOf({ resource }: MessageContext): object {
  return { attributes: attributesOf(resource) };
}

function scopeOf({ version }: MessageContext): object {
  return { name: 'mcpctl', version };
}

function attributesOf(attributes: Readonly<Record<string, AttributeValue>>): object[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(value) }));
}

function anyValue(value: AttributeValue): object {
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'string') return { stringValue: value };
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

/** Epoch milliseconds as nanoseconds; fractions count down to a microsecond. */
function nanos(ms: number): string {
  return `${Math.round(ms * 1000)}000`;
}
