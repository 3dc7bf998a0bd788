/** `health`: whether the manager and its servers are well; the same answer as `/health` of the endpoint. */

import * as z from 'zod/mini';
import { McpctlError } from '../../core/errors.js';
import type { HealthReport } from '../../observe/health.js';
import type { Run, Text } from '../command.js';
import { paint, table } from '../render.js';

export const args = z.object({ timeout: z.optional(z.number()) });

/** As `status`: how long a single command waits for servers to settle, in milliseconds. */
const settleMs = 15_000;

export const run: Run<typeof args, HealthReport> = async ({ timeout }, { manager, signal, observation }) => {
  await manager.remembered();
  if (!manager.longLived) await manager.connectAll(manager.names(), signal, timeout ?? settleMs);
  const data = await observation.health();
  if (data.status !== 'unhealthy') return { data };
  const error = new McpctlError('UNAVAILABLE', 'None of the servers can be called', { hint: 'mcpctl status' });
  return { data, error };
};

export const text: Text<HealthReport> = ({ status, ready, endpoint, components }, options) => {
  const chalk = paint(options.color);
  const hue = { healthy: chalk.green, degraded: chalk.yellow, unhealthy: chalk.red };
  const rows = components.map((one) => [
    one.name ?? one.kind,
    hue[one.status](one.status),
    one.reasons.join('; ').replace(/\s+/g, ' '),
  ]);
  return [
    `${hue[status](status)}${ready ? '' : ', not ready'}`,
    '',
    table([{ head: 'COMPONENT' }, { head: 'HEALTH' }, { head: '', flexible: true }], rows, options),
    ...(endpoint === null ? [] : ['', chalk.dim(`over HTTP: ${endpoint}/health and ${endpoint}/metrics`)]),
  ].join('\n');
};
