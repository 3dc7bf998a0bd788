/** The figures of servers as `metrics` shows them. Times are ISO 8601 UTC, durations end in `Ms`, rates are percentages. */

import { bucketsOf, callsOf, column, errorClasses, failedOf, quantileMs, type Tally } from './tally.js';
import type { Reading, ServerReading } from './tally-source.js';

export interface ServerReport {
  readonly server: string;
  readonly calls: number;
  readonly success: number;
  readonly failed: number;
  readonly errorRate: number;
  /** Failed calls by reason; those that did not occur are left out. */
  readonly errors: Readonly<Record<string, number>>;
  /** Of calls that were sent; null without one. Worked out from a histogram, so p50, p95 and p99 are estimates. */
  readonly latencyMs: { readonly mean: number; readonly p50: number; readonly p95: number; readonly p99: number } | null;
  readonly retries: number;
  readonly connects: { readonly success: number; readonly failed: number };
  readonly restarts: number;
  /** Calls in equal parts of the time until now, the oldest first. */
  readonly series: { readonly spanMs: number; readonly calls: readonly number[] };
  /** Null where that is not known for this time. */
  readonly tools: readonly { readonly tool: string; readonly success: number; readonly failed: number }[] | null;
}

export interface MetricsReport {
  /** `manager`: the one that runs; `day`: what single commands added up. */
  readonly from: 'manager' | 'day';
  readonly since: string;
  readonly until: string;
  readonly servers: readonly ServerReport[];
}

export function reportOf(from: MetricsReport['from'], reading: Reading): MetricsReport {
  return {
    from,
    since: new Date(reading.since).toISOString(),
    until: new Date(reading.until).toISOString(),
    servers: [...reading.servers].map(([server, one]) => serverReport(server, one, reading)),
  };
}

function serverReport(server: string, { tally, series }: ServerReading, { seriesMs, hasTools }: Reading): ServerReport {
  const { row } = tally;
  const calls = callsOf(row);
  const failed = failedOf(row);
  const errors = errorClasses.map((name) => [name, row[column[name]]!] as const).filter(([, count]) => count > 0);
  return {
    server,
    calls,
    success: row[column.success]!,
    failed,
    errorRate: calls === 0 ? 0 : rounded((100 * failed) / calls),
    errors: Object.fromEntries(errors),
    latencyMs: latencyOf(tally),
    retries: row[column.retries]!,
    connects: { success: row[column.connects]!, failed: row[column.connectFailures]! },
    restarts: row[column.restarts]!,
    series: { spanMs: seriesMs, calls: series },
    tools: hasTools ? [...tally.tools].map(([tool, counts]) => ({ tool, success: counts[0], failed: counts[1] })) : null,
  };
}

function latencyOf({ row }: Tally): ServerReport['latencyMs'] {
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((q) => quantileMs(row, 'call', q));
  if (p50 == null || p95 == null || p99 == null) return null;
  const count = bucketsOf(row, 'call').reduce((sum, one) => sum + one, 0);
  return { mean: rounded(row[column.callMs]! / count), p50: rounded(p50), p95: rounded(p95), p99: rounded(p99) };
}

const rounded = (value: number) => Math.round(value * 100) / 100;
