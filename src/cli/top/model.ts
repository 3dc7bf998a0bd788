/** What `top` shows, worked out from two looks at a manager that follow each other. Counts nothing itself. */

import type { ServerStatus } from '../../manager/server-status.js';
import type { HealthReport } from '../../observe/health.js';
import type { RecentLatency } from '../../observe/recent.js';
import type { ServerReport } from '../../observe/report.js';

/** One look at a manager. */
export interface TopLook {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly pid: number;
  /** When the manager began to count, in epoch milliseconds; undefined where that is not known. */
  readonly startedAt: number | undefined;
  readonly health: Pick<HealthReport, 'status' | 'ready'>;
  readonly servers: readonly ServerStatus[];
  /** Counted since the start, or the last reset, by server. */
  readonly reports: ReadonlyMap<string, Pick<ServerReport, 'calls' | 'failed' | 'errors'>>;
  readonly recent: ReadonlyMap<string, RecentLatency>;
}

/** One server. Times are ISO 8601 UTC, durations end in `Ms`, rates are percentages. */
export interface TopRow {
  readonly name: string;
  readonly status: ServerStatus['status'];
  readonly health: ServerStatus['health'];
  readonly target: string;
  readonly retryAt: string | null;
  readonly lastError: { readonly code: string; readonly message: string; readonly hint: string | null } | null;
  /** Null at the first look. */
  readonly callsPerSecond: number | null;
  readonly calls: number;
  readonly failed: number;
  readonly errorRate: number;
  /** Failed calls by reason. */
  readonly errors: Readonly<Record<string, number>>;
  /** Of calls within the span of `latencySeries`; null without one. */
  readonly latencyMs: { readonly p50: number; readonly p95: number } | null;
  /** The last minutes in slots, the oldest first; null in a slot without a call. Null where that is not known. */
  readonly latencySeries: Omit<RecentLatency, 'all'> | null;
  /** The last round trip of a ping or a list. */
  readonly pingMs: number | null;
  readonly breaker: Pick<ServerStatus['breaker'], 'state' | 'openUntil'>;
  readonly pool: ServerStatus['pool'];
  readonly auth: Pick<ServerStatus['auth'], 'state' | 'expiresAt'>;
}

export interface TopData {
  readonly at: string;
  readonly manager: { readonly pid: number; readonly uptimeMs: number | null };
  readonly health: HealthReport['status'];
  readonly ready: boolean;
  readonly totals: {
    readonly servers: number;
    /** Of servers, by status. */
    readonly counts: Readonly<Record<string, number>>;
    readonly callsPerSecond: number | null;
    readonly calls: number;
    readonly failed: number;
  };
  readonly servers: readonly TopRow[];
}

/** How many slots of the history are shown at most: with 30 s each, 10 minutes. */
export const seriesSlots = 20;

export function topData(before: TopLook | undefined, now: TopLook): TopData {
  const servers = now.servers.map((server) => rowOf(server, before, now));
  const counts: Record<string, number> = {};
  for (const { status } of servers) counts[status] = (counts[status] ?? 0) + 1;
  const rates = servers.map(({ callsPerSecond }) => callsPerSecond);
  return {
    at: new Date(now.at).toISOString(),
    manager: { pid: now.pid, uptimeMs: now.startedAt === undefined ? null : Math.max(0, now.at - now.startedAt) },
    health: now.health.status,
    ready: now.health.ready,
    totals: {
      servers: servers.length,
      counts,
      callsPerSecond: rates.includes(null) ? null : rounded(sum(rates as number[])),
      calls: sum(servers.map(({ calls }) => calls)),
      failed: sum(servers.map(({ failed }) => failed)),
    },
    servers,
  };
}

function rowOf(server: ServerStatus, before: TopLook | undefined, now: TopLook): TopRow {
  const { name, status, health, target, retryAt, lastError, latencyMs, pool } = server;
  const { calls, failed, errors } = now.reports.get(name) ?? nothing;
  const recent = now.recent.get(name);
  return {
    name,
    status,
    health,
    target,
    retryAt,
    lastError:
      lastError && status !== 'connected' ? { code: lastError.code, message: lastError.message, hint: lastError.hint } : null,
    callsPerSecond: before === undefined ? null : rateOf(before, now, name),
    calls,
    failed,
    errorRate: calls === 0 ? 0 : rounded((100 * failed) / calls),
    errors,
    latencyMs: recent?.all ?? null,
    latencySeries: recent ? { slotMs: recent.slotMs, p50: recent.p50, p95: recent.p95 } : null,
    pingMs: latencyMs?.last ?? null,
    breaker: { state: server.breaker.state, openUntil: server.breaker.openUntil },
    pool,
    auth: { state: server.auth.state, expiresAt: server.auth.expiresAt },
  };
}

const nothing = { calls: 0, failed: 0, errors: {} };

/** Null when no time has passed. A count that has fallen began anew in between. */
function rateOf(before: TopLook, now: TopLook, name: string): number | null {
  const seconds = (now.at - before.at) / 1000;
  if (seconds <= 0) return null;
  const [was, is] = [before, now].map(({ reports }) => reports.get(name)?.calls ?? 0) as [number, number];
  return rounded((is >= was ? is - was : is) / seconds);
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const rounded = (value: number) => Math.round(value * 100) / 100;
