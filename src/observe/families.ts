/** Every metric: name, type, labels, meaning, and where its values come from. `docs/metrics.md` says the same. */

import type { ServerFigures } from '../manager/server-status.js';
import { callsOf, column, errorClasses, failedOf, type Histogram, type Tally } from './tally.js';

/** One server at one moment. `figures` are there where a manager runs: single commands leave only counts. */
export interface ServerSample {
  readonly server: string;
  readonly tally: Tally;
  readonly figures: ServerFigures | undefined;
}

export interface Value {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Base {
  readonly name: string;
  readonly help: string;
  /** Beside `server`. */
  readonly labels?: readonly string[];
}
export interface PlainFamily extends Base {
  /** `untyped`: another name of a metric beside it, one that does not fit its type. */
  readonly type: 'counter' | 'gauge' | 'untyped';
  /** Nothing: it does not apply to this server. */
  readonly values: (sample: ServerSample) => number | readonly Value[] | undefined;
}
export interface HistogramFamily extends Base {
  readonly type: 'histogram';
  readonly histogram: Histogram;
}
export type Family = PlainFamily | HistogramFamily;

const counted =
  (name: keyof typeof column) =>
  ({ tally }: ServerSample): number =>
    tally.row[column[name]]!;

const now =
  (value: (figures: ServerFigures) => number | undefined) =>
  ({ figures }: ServerSample): number | undefined =>
    figures && value(figures);

const cached =
  (value: (cache: ServerFigures['cache']['tools']) => number) =>
  ({ figures }: ServerSample): Value[] | undefined =>
    figures &&
    (['tools', 'results'] as const).map((type) => ({ labels: { cache_type: type }, value: value(figures.cache[type]) }));

const byStatus =
  (success: keyof typeof column, failure: keyof typeof column) =>
  ({ tally }: ServerSample): Value[] => [
    { labels: { status: 'success' }, value: tally.row[column[success]]! },
    { labels: { status: 'failure' }, value: tally.row[column[failure]]! },
  ];

const percent = (part: number, whole: number) => (whole === 0 ? 0 : (100 * part) / whole);
const failed = ({ tally }: ServerSample) => failedOf(tally.row);
const states = { closed: 0, open: 1, 'half-open': 2 } as const;
const changes = [
  ['open', 'breakerOpened'],
  ['half-open', 'breakerHalfOpened'],
  ['closed', 'breakerClosed'],
] as const;

const calls: readonly Family[] = [
  {
    name: 'mcp_client_calls_total',
    type: 'counter',
    help: 'Tool calls that have ended.',
    values: ({ tally }) => callsOf(tally.row),
  },
  { name: 'mcp_client_calls_success_total', type: 'counter', help: 'Calls with a result.', values: counted('success') },
  { name: 'mcp_client_calls_success', type: 'untyped', help: 'As mcp_client_calls_success_total.', values: counted('success') },
  { name: 'mcp_client_calls_failed_total', type: 'counter', help: 'Calls that failed, for whatever reason.', values: failed },
  { name: 'mcp_client_calls_failed', type: 'untyped', help: 'As mcp_client_calls_failed_total.', values: failed },
  {
    name: 'mcp_client_errors_total',
    type: 'counter',
    help: 'Calls that failed, by reason.',
    labels: ['class'],
    values: ({ tally }) => errorClasses.map((name) => ({ labels: { class: name }, value: tally.row[column[name]]! })),
  },
  {
    name: 'mcp_client_error_rate',
    type: 'gauge',
    help: 'Percentage of all calls that failed.',
    values: ({ tally }) => percent(failedOf(tally.row), callsOf(tally.row)),
  },
  { name: 'mcp_client_retries_total', type: 'counter', help: 'Further tries of calls.', values: counted('retries') },
  {
    name: 'mcp_tool_executions_total',
    type: 'counter',
    help: 'Calls by tool. The tools beyond the bound are counted as other.',
    labels: ['tool_name', 'status'],
    values: ({ tally }) =>
      [...tally.tools].flatMap(([tool_name, [success, error]]) => [
        { labels: { tool_name, status: 'success' }, value: success },
        { labels: { tool_name, status: 'error' }, value: error },
      ]),
  },
  {
    name: 'mcp_tool_execution_duration_seconds',
    type: 'histogram',
    help: 'Duration of calls that were sent.',
    histogram: 'call',
  },
];

const connections: readonly Family[] = [
  {
    name: 'mcp_server_up',
    type: 'gauge',
    help: '1 when the server can be called. Servers that are disabled or wait for an approval are left out.',
    values: now(({ status }) =>
      status.enabled && status.status !== 'untrusted'
        ? Number(status.status === 'connected' && status.breaker.state !== 'open')
        : undefined,
    ),
  },
  {
    name: 'mcp_client_connected',
    type: 'gauge',
    help: '1 while there is a connection.',
    values: now(({ status }) => Number(status.status === 'connected')),
  },
  {
    name: 'mcp_connections_total',
    type: 'counter',
    help: 'Attempts to connect that have ended.',
    labels: ['status'],
    values: byStatus('connects', 'connectFailures'),
  },
  {
    name: 'mcp_connection_duration_seconds',
    type: 'histogram',
    help: 'Duration of successful attempts to connect.',
    histogram: 'connect',
  },
  {
    name: 'mcp_server_restarts_total',
    type: 'counter',
    help: 'Connections made in the place of an earlier one.',
    values: counted('restarts'),
  },
  {
    name: 'mcp_client_tools_discovered',
    type: 'gauge',
    help: 'Tools in the last list that is known.',
    values: now(({ status }) => status.tools ?? undefined),
  },
  {
    name: 'mcp_client_discoveries_total',
    type: 'counter',
    help: 'Times that the server was asked for its tools.',
    labels: ['status'],
    values: byStatus('lists', 'listFailures'),
  },
  {
    name: 'mcp_client_discovery_duration_seconds',
    type: 'histogram',
    help: 'Duration of successful questions for the tools.',
    histogram: 'list',
  },
];

const traffic: readonly Family[] = [
  {
    name: 'mcp_client_sent_bytes_total',
    type: 'counter',
    help: 'Bytes written to the server, over pipes or sockets.',
    values: now(({ traffic: { sent } }) => sent),
  },
  {
    name: 'mcp_client_received_bytes_total',
    type: 'counter',
    help: 'Bytes read from the server.',
    values: now(({ traffic: { received } }) => received),
  },
];

const caches: readonly Family[] = [
  {
    name: 'mcp_cache_hits_total',
    type: 'counter',
    help: 'Uses of what is kept.',
    labels: ['cache_type'],
    values: cached(({ hits }) => hits),
  },
  {
    name: 'mcp_cache_misses_total',
    type: 'counter',
    help: 'Times that it was not there.',
    labels: ['cache_type'],
    values: cached(({ misses }) => misses),
  },
  {
    name: 'mcp_cache_evictions_total',
    type: 'counter',
    help: 'Things that went to make room.',
    labels: ['cache_type'],
    values: cached(({ evictions }) => evictions),
  },
  {
    name: 'mcp_cache_expirations_total',
    type: 'counter',
    help: 'Things whose time was over.',
    labels: ['cache_type'],
    values: cached(({ expirations }) => expirations),
  },
  {
    name: 'mcp_cache_size',
    type: 'gauge',
    help: 'Things that are kept.',
    labels: ['cache_type'],
    values: cached(({ size }) => size),
  },
  {
    name: 'mcp_cache_hit_rate',
    type: 'gauge',
    help: 'Percentage of uses that found something.',
    labels: ['cache_type'],
    values: cached(({ hits, misses }) => percent(hits, hits + misses)),
  },
];

const pools: readonly Family[] = [
  { name: 'mcp_connection_pool_size', type: 'gauge', help: 'Open connections.', values: now(({ status }) => status.pool.open) },
  { name: 'mcp_pool_connections', type: 'gauge', help: 'Open connections.', values: now(({ status }) => status.pool.open) },
  {
    name: 'mcp_pool_connections_total',
    type: 'untyped',
    help: 'As mcp_pool_connections.',
    values: now(({ status }) => status.pool.open),
  },
  {
    name: 'mcp_pool_connections_idle',
    type: 'gauge',
    help: 'Connections without a call.',
    values: now(({ status }) => status.pool.idle),
  },
  {
    name: 'mcp_pool_connections_active',
    type: 'gauge',
    help: 'Connections with a call in flight.',
    values: now(({ status }) => status.pool.inUse),
  },
  {
    name: 'mcp_pool_waiting',
    type: 'gauge',
    help: 'Calls that wait for a connection.',
    values: now(({ status }) => status.pool.waiting),
  },
  {
    name: 'mcp_pool_connections_acquired_total',
    type: 'counter',
    help: 'Connections lent to calls.',
    values: now(({ leases }) => leases.acquired),
  },
  {
    name: 'mcp_pool_connections_released_total',
    type: 'counter',
    help: 'Connections that came back.',
    values: now(({ leases }) => leases.released),
  },
  {
    name: 'mcp_pool_waits_total',
    type: 'counter',
    help: 'Calls that had to wait for a connection.',
    values: now(({ leases }) => leases.waits),
  },
  { name: 'mcp_pool_wait_count', type: 'untyped', help: 'As mcp_pool_waits_total.', values: now(({ leases }) => leases.waits) },
  {
    name: 'mcp_pool_wait_seconds_total',
    type: 'counter',
    help: 'How long they waited together.',
    values: now(({ leases }) => leases.waitMs / 1000),
  },
  {
    name: 'mcp_pool_wait_duration_seconds',
    type: 'untyped',
    help: 'As mcp_pool_wait_seconds_total.',
    values: now(({ leases }) => leases.waitMs / 1000),
  },
];

const breakers: readonly Family[] = [
  {
    name: 'mcp_circuit_breaker_state',
    type: 'gauge',
    help: '0 closed, 1 open, 2 half-open.',
    values: now(({ status }) => states[status.breaker.state]),
  },
  {
    name: 'mcp_circuit_breaker_state_changes_total',
    type: 'counter',
    help: 'Changes of its state, and of those of single tools.',
    labels: ['to'],
    values: ({ tally }) => changes.map(([to, name]) => ({ labels: { to }, value: tally.row[column[name]]! })),
  },
  {
    name: 'mcp_circuit_breaker_state_changes',
    type: 'untyped',
    help: 'Changes of its state altogether.',
    values: ({ tally }) => changes.reduce((sum, [, name]) => sum + tally.row[column[name]]!, 0),
  },
  {
    name: 'mcp_circuit_breaker_rejections_total',
    type: 'counter',
    help: 'Calls refused because it was open.',
    values: counted('circuit_open'),
  },
  {
    name: 'mcp_circuit_breaker_consecutive_failures',
    type: 'gauge',
    help: 'Failures in a row.',
    values: now(({ status }) => status.breaker.consecutiveFailures),
  },
  {
    name: 'mcp_circuit_breaker_failure_rate',
    type: 'gauge',
    help: 'Percentage of failures within the last minute.',
    values: now(({ status }) => status.breaker.failureRate),
  },
];

/** @param at the moment the figures are of, in epoch milliseconds */
export function families(at: number): readonly Family[] {
  return [
    ...calls,
    ...connections,
    ...traffic,
    {
      name: 'mcp_auth_token_expiry_seconds',
      type: 'gauge',
      help: 'Time until the login has to be renewed; negative when that is over. Only where it has an end.',
      values: now(({ status: { auth } }) => (auth.expiresAt === null ? undefined : (Date.parse(auth.expiresAt) - at) / 1000)),
    },
    {
      name: 'mcp_auth_token_renewable',
      type: 'gauge',
      help: '1 when mcpctl renews the login by itself, 0 when a person has to log in again. Only where it has an end.',
      values: now(({ status: { auth }, isLoginRenewable }) => (auth.expiresAt === null ? undefined : Number(isLoginRenewable))),
    },
    ...caches,
    ...pools,
    ...breakers,
  ];
}
