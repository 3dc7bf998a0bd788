/** Names that dashboards and alerts out there rely on: once published, they stay. */
import { expect, it } from 'vitest';
import { families } from '../../../src/observe/families.js';

const published: Readonly<Record<string, readonly string[]>> = {
  counter: [
    'mcp_client_calls_total',
    'mcp_client_calls_success_total',
    'mcp_client_calls_failed_total',
    'mcp_client_errors_total class',
    'mcp_client_retries_total',
    'mcp_client_discoveries_total status',
    'mcp_client_sent_bytes_total',
    'mcp_client_received_bytes_total',
    'mcp_tool_executions_total tool_name status',
    'mcp_connections_total status',
    'mcp_server_restarts_total',
    'mcp_cache_hits_total cache_type',
    'mcp_cache_misses_total cache_type',
    'mcp_cache_evictions_total cache_type',
    'mcp_cache_expirations_total cache_type',
    'mcp_pool_connections_acquired_total',
    'mcp_pool_connections_released_total',
    'mcp_pool_waits_total',
    'mcp_pool_wait_seconds_total',
    'mcp_circuit_breaker_state_changes_total to',
    'mcp_circuit_breaker_rejections_total',
  ],
  gauge: [
    'mcp_client_connected',
    'mcp_client_tools_discovered',
    'mcp_client_error_rate',
    'mcp_server_up',
    'mcp_auth_token_expiry_seconds',
    'mcp_auth_token_renewable',
    'mcp_cache_size cache_type',
    'mcp_cache_hit_rate cache_type',
    'mcp_connection_pool_size',
    'mcp_pool_connections',
    'mcp_pool_connections_idle',
    'mcp_pool_connections_active',
    'mcp_pool_waiting',
    'mcp_circuit_breaker_state',
    'mcp_circuit_breaker_consecutive_failures',
    'mcp_circuit_breaker_failure_rate',
  ],
  histogram: ['mcp_tool_execution_duration_seconds', 'mcp_connection_duration_seconds', 'mcp_client_discovery_duration_seconds'],
  // Names that do not fit their type, beside those that do.
  untyped: [
    'mcp_client_calls_success',
    'mcp_client_calls_failed',
    'mcp_pool_connections_total',
    'mcp_pool_wait_count',
    'mcp_pool_wait_duration_seconds',
    'mcp_circuit_breaker_state_changes',
  ],
};

it.each(Object.keys(published))('every published %s is there, with the labels it had, and no other', (type) => {
  const now = families(0)
    .filter((family) => family.type === type)
    .map(({ name, labels = [] }) => [name, ...labels].join(' '));
  expect(now.toSorted()).toEqual(published[type]!.toSorted());
});
