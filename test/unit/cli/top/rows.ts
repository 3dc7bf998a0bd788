/** Looks and rows for the tests of `top`. */
import type { TopData, TopLook, TopRow } from '../../../../src/cli/top/model.js';
import { topData } from '../../../../src/cli/top/model.js';
import type { ServerStatus } from '../../../../src/manager/server-status.js';

export const at = Date.parse('2026-03-01T12:00:00Z');

export function serverStatus(name: string, more: Partial<ServerStatus> = {}): ServerStatus {
  return {
    name,
    transport: 'stdio',
    target: `node ${name}.js`,
    source: 'user',
    enabled: true,
    status: 'connected',
    since: '2026-03-01T11:00:00Z',
    lastCheckedAt: null,
    lastError: null,
    attempt: 0,
    retryAt: null,
    generation: 1,
    health: 'healthy',
    breaker: {
      state: 'closed',
      since: '2026-03-01T11:00:00Z',
      openUntil: null,
      consecutiveFailures: 0,
      failureRate: 0,
      rejected: 0,
      lastFailureAt: null,
      lastSuccessAt: null,
    },
    auth: { state: 'none', expiresAt: null, scopes: [], account: null },
    protocol: null,
    serverInfo: null,
    pid: 7,
    tools: 3,
    toolsAgeMs: null,
    latencyMs: { last: 4, p50: 5, p95: 6 },
    pool: { open: 1, idle: 1, inUse: 0, waiting: 0 },
    endpoints: [],
    ...more,
  };
}

export function look(servers: readonly ServerStatus[], more: Partial<TopLook> = {}): TopLook {
  return {
    at,
    pid: 4242,
    startedAt: at - 3 * 3_600_000,
    health: { status: 'healthy', ready: true },
    servers,
    reports: new Map(),
    recent: new Map(),
    ...more,
  };
}

export const dataOf = (...servers: ServerStatus[]): TopData => topData(undefined, look(servers));

/** A row as the model makes it, with some of it replaced. */
export function row(name: string, more: Partial<TopRow> = {}): TopRow {
  return { ...dataOf(serverStatus(name)).servers[0]!, ...more };
}
