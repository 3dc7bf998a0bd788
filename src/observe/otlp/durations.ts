/** `mcp.client.operation.duration`: how long requests took from the moment they were sent, as a histogram for each set of attributes. */

import { ToolLabels } from '../tool-labels.js';
import type { AttributeValue, SpanRecord } from './span.js';

/** Upper bounds in seconds (semantic conventions for MCP, "mcp.client.operation.duration"). */
export const durationBounds = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300] as const;

/** Those of a span by which durations are told apart: none of them is different for every request. */
const kept = [
  'mcp.method.name',
  'error.type',
  'gen_ai.tool.name',
  'gen_ai.operation.name',
  'mcp.protocol.version',
  'network.protocol.name',
  'network.transport',
  'rpc.response.status_code',
  'server.address',
  'server.port',
  'mcpctl.server',
] as const;

/** Sets of attributes; everything beyond is counted together (OpenTelemetry, metrics SDK, "Cardinality limits"). */
const maxSeries = 2000;
const overflow = { 'otel.metric.overflow': true } as const;

export interface Histogram {
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  count: number;
  /** Seconds. */
  sum: number;
  min: number;
  max: number;
  /** One more than bounds. */
  readonly buckets: number[];
}

export class Durations {
  readonly #labels = new ToolLabels();
  #series = new Map<string, Histogram>();

  /** Counts a request that has ended. @returns false for one that was never sent: it took no time */
  add({ sentAt, endedAt, attributes }: SpanRecord): boolean {
    if (sentAt === undefined) return false;
    const seconds = Math.max(0, endedAt - sentAt) / 1000;
    const histogram = this.#histogramOf(this.#setOf(attributes));
    histogram.count++;
    histogram.sum += seconds;
    histogram.min = Math.min(histogram.min, seconds);
    histogram.max = Math.max(histogram.max, seconds);
    const bucket = durationBounds.findIndex((bound) => seconds <= bound);
    histogram.buckets[bucket === -1 ? durationBounds.length : bucket]!++;
    return true;
  }

  get all(): readonly Histogram[] {
    return [...this.#series.values()];
  }

  /** Begins anew, after what was counted has been taken: for sums since the last time. */
  take(): readonly Histogram[] {
    const taken = this.all;
    this.#series = new Map();
    return taken;
  }

  /** Puts back what was taken and could not be delivered. */
  putBack(taken: readonly Histogram[]): void {
    for (const { attributes, count, sum, min, max, buckets } of taken) {
      const into = this.#histogramOf(attributes);
      into.count += count;
      into.sum += sum;
      into.min = Math.min(into.min, min);
      into.max = Math.max(into.max, max);
      buckets.forEach((own, i) => {
        into.buckets[i]! += own;
      });
    }
  }

  #setOf(attributes: SpanRecord['attributes']): Record<string, AttributeValue> {
    const set: Record<string, AttributeValue> = {};
    for (const name of kept) if (attributes[name] !== undefined) set[name] = attributes[name];
    const tool = set['gen_ai.tool.name'];
    if (tool !== undefined) set['gen_ai.tool.name'] = this.#labels.labelOf(String(set['mcpctl.server']), String(tool));
    return set;
  }

  #histogramOf(attributes: Histogram['attributes']): Histogram {
    const key = JSON.stringify(attributes);
    const known = this.#series.get(key);
    if (known) return known;
    if (this.#series.size >= maxSeries && attributes !== overflow) return this.#histogramOf(overflow);
    const buckets = new Array<number>(durationBounds.length + 1).fill(0);
    const made: Histogram = { attributes, count: 0, sum: 0, min: Number.POSITIVE_INFINITY, max: 0, buckets };
    this.#series.set(key, made);
    return made;
  }
}
