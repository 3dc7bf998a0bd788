/** A collector of OTLP on 127.0.0.1: takes JSON, tells what spans and figures came, and misbehaves where a test wants that. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { readBody, startHttpServer } from './http-server.js';
import { waitFor } from './wait-for.js';

export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly traceState: string | undefined;
  readonly name: string;
  readonly kind: 'internal' | 'client';
  readonly ms: number;
  readonly startedAt: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly { readonly name: string; readonly attributes: Readonly<Record<string, unknown>> }[];
  readonly isError: boolean;
  readonly resource: Readonly<Record<string, unknown>>;
}

export interface CollectedPoint {
  readonly metric: string;
  readonly unit: string;
  readonly temporality: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly count: number;
  readonly sum: number;
  readonly buckets: readonly number[];
  readonly bounds: readonly number[];
}

export interface CollectedRequest {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Of OTLP in JSON, what is looked at here. */
interface Attribute {
  readonly key: string;
  readonly value: { stringValue?: string; boolValue?: boolean; doubleValue?: number; intValue?: string };
}
interface Event {
  readonly name: string;
  readonly attributes: Attribute[];
}
interface WireSpan extends Event, Pick<CollectedSpan, 'traceId' | 'spanId' | 'parentSpanId' | 'traceState'> {
  readonly kind: 1 | 3;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly events: Event[];
  readonly status: { code?: number };
}
export interface Traces {
  readonly resourceSpans: { resource: { attributes: Attribute[] }; scopeSpans: { spans: WireSpan[] }[] }[];
}
interface Point {
  readonly startTimeUnixNano: string;
  readonly timeUnixNano: string;
  readonly attributes: Attribute[];
  readonly count: string;
  readonly sum: number;
  readonly bucketCounts: string[];
  readonly explicitBounds: number[];
}
interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly histogram: { dataPoints: Point[]; aggregationTemporality: number };
}
export interface Metrics {
  readonly resourceMetrics: { scopeMetrics: { metrics: Metric[] }[] }[];
}

/** Answers `{}` with 200, unless `answer` does something else. */
export async function startCollector(answer: (response: ServerResponse, request: IncomingMessage) => void = ok) {
  const requests: CollectedRequest[] = [];
  const listener: RequestListener = (request, response) =>
    void readBody(request).then((body) => {
      requests.push({ path: request.url ?? '', headers: request.headers, body });
      answer(response, request);
    });
  const server = await startHttpServer(listener);
  const bodies = <T>(path: string) =>
    requests.filter((request) => request.path.endsWith(path)).map(({ body }) => JSON.parse(body) as T);
  const spans = () => bodies<Traces>('/v1/traces').flatMap(spansOf);
  const points = () => bodies<Metrics>('/v1/metrics').flatMap(pointsOf);
  return {
    url: server.url,
    /** What a process needs to send here, as fast as it can. */
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: server.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '20',
      OTEL_METRIC_EXPORT_INTERVAL: '50',
    } as Readonly<Record<string, string>>,
    requests,
    spans,
    points,
    /** Waits for a span of this name that `matches`. */
    span: (name: string, matches: (span: CollectedSpan) => boolean = () => true) =>
      waitFor(() => spans().find((span) => span.name === name && matches(span)), {
        what: `the span ${name}; there are ${spans().map((span) => span.name)}`,
      }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function ok(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
}

function spansOf({ resourceSpans }: Traces): CollectedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map(({ traceId, spanId, parentSpanId, traceState, name, kind, ...span }) => ({
        ...{ traceId, spanId, parentSpanId, traceState, name },
        kind: kind === 3 ? ('client' as const) : ('internal' as const),
        ms: Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6,
        startedAt: BigInt(span.startTimeUnixNano),
        attributes: valuesOf(span.attributes),
        events: span.events.map((event) => ({ name: event.name, attributes: valuesOf(event.attributes) })),
        isError: span.status.code === 2,
        resource: valuesOf(resource.attributes),
      })),
    ),
  );
}

function pointsOf({ resourceMetrics }: Metrics): CollectedPoint[] {
  return resourceMetrics.flatMap(({ scopeMetrics }) =>
    scopeMetrics.flatMap(({ metrics }) =>
      metrics.flatMap(({ name, unit, histogram }) =>
        histogram.dataPoints.map((point) => ({
          metric: name,
          unit,
          temporality: histogram.aggregationTemporality,
          attributes: valuesOf(point.attributes),
          count: Number(point.count),
          sum: point.sum,
          buckets: point.bucketCounts.map(Number),
          bounds: point.explicitBounds,
        })),
      ),
    ),
  );
}

function valuesOf(attributes: readonly Attribute[]): Record<string, unknown> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      value.stringValue ?? value.boolValue ?? value.doubleValue ?? Number(value.intValue),
    ]),
  );
}

/** Spans as a tree of names, children by their start: `mcpctl call > [initialize, tools/call echo]` as nested lists. */
export function treeOf(spans: readonly CollectedSpan[], parent?: string): unknown[] {
  const known = new Set(spans.map(({ spanId }) => spanId));
  const isHere = ({ parentSpanId }: CollectedSpan) =>
    parent === undefined ? parentSpanId === undefined || !known.has(parentSpanId) : parentSpanId === parent;
  return spans
    .filter(isHere)
    .sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1))
    .map((span) => {
      const children = treeOf(spans, span.spanId);
      return children.length === 0 ? span.name : [span.name, children];
    });
}
