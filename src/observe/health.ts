/** How a manager and its servers are, as one answer for people, probes and scripts. */

import type { ServerStatus } from '../manager/server-status.js';

export type HealthWord = 'healthy' | 'degraded' | 'unhealthy';

export interface ComponentHealth {
  readonly kind: 'configuration' | 'server';
  /** Of the server; null for the configuration. */
  readonly name: string | null;
  readonly status: HealthWord;
  /** Empty for what is healthy. */
  readonly reasons: readonly string[];
}

export interface HealthReport {
  /** unhealthy: no server can be called; degraded: something is not as it should be. */
  readonly status: HealthWord;
  /** Every server has had its first attempt, and not all of them failed. */
  readonly ready: boolean;
  readonly checkedAt: string;
  /** Where the same answer is to be had over HTTP; null = nowhere. */
  readonly endpoint: string | null;
  readonly components: readonly ComponentHealth[];
}

export interface HealthParts {
  readonly servers: readonly ServerStatus[];
  /** What is wrong with the configuration on disk; null = it is in force. */
  readonly problem: string | null;
  readonly endpoint: string | null;
  readonly at: Date;
}

/** Servers that are disabled are left out: they are as they should be. */
export function healthOf({ servers, problem, endpoint, at }: HealthParts): HealthReport {
  const wanted = servers.filter(({ status }) => status !== 'disabled');
  const ofServers = wanted.map(componentOf);
  const configuration: ComponentHealth = {
    kind: 'configuration',
    name: null,
    status: problem === null ? 'healthy' : 'degraded',
    reasons: problem === null ? [] : [`the last good configuration is in force: ${problem}`],
  };
  const components = [configuration, ...ofServers];
  const isDown = ofServers.length > 0 && ofServers.every(({ status }) => status === 'unhealthy');
  const status = isDown ? 'unhealthy' : components.every((one) => one.status === 'healthy') ? 'healthy' : 'degraded';
  const isStarting = wanted.some((server) => server.status === 'connecting' && server.attempt === 0 && server.lastError === null);
  return { status, ready: !isDown && !isStarting, checkedAt: at.toISOString(), endpoint, components };
}

function componentOf(server: ServerStatus): ComponentHealth {
  const { name } = server;
  const reasons = reasonsOf(server);
  if (server.status === 'connected' && server.health !== 'unhealthy')
    return { kind: 'server', name, status: reasons.length === 0 ? 'healthy' : 'degraded', reasons };
  const isPending = server.status === 'connecting' || server.status === 'untrusted';
  return { kind: 'server', name, status: isPending ? 'degraded' : 'unhealthy', reasons };
}

function reasonsOf({ status, breaker, health, lastError, endpoints }: ServerStatus): string[] {
  const reasons: string[] = [];
  const why = lastError === null ? '' : `${lastError.code}: ${lastError.message}`;
  if (status === 'error') reasons.push(why || 'the last attempt to connect failed');
  else if (status === 'needs-auth') reasons.push('waits for a login');
  else if (status === 'untrusted') reasons.push('waits for an approval');
  else if (status === 'connecting') reasons.push(why ? `connecting again after ${why}` : 'connecting');
  else if (status === 'disconnected') reasons.push('not connected');
  if (breaker.state !== 'closed')
    reasons.push(breaker.openUntil === null ? `circuit ${breaker.state}` : `circuit open until ${breaker.openUntil}`);
  for (const endpoint of endpoints) {
    if (endpoint.status !== 'connected') reasons.push(`endpoint ${endpoint.target}: ${endpoint.status}`);
    else if (endpoint.leftOut !== null) reasons.push(`endpoint ${endpoint.target}: ${endpoint.leftOut}`);
  }
  if (reasons.length === 0 && health === 'degraded') reasons.push('the last health check failed');
  return reasons;
}
