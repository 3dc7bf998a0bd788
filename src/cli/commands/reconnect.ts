/** `reconnect`: close and connect again, one, all, or the failed ones. */

import * as z from 'zod/mini';
import { McpctlError, toMcpctlError } from '../../core/errors.js';
import type { ServerStatus } from '../../manager/manager.js';
import type { Run, Text } from '../command.js';

export const args = z.object({
  servers: z._default(z.array(z.string()), []),
  all: z._default(z.boolean(), false),
  failed: z._default(z.boolean(), false),
});

export interface ReconnectData {
  readonly servers: readonly Pick<ServerStatus, 'name' | 'status' | 'tools' | 'lastError'>[];
}

export const run: Run<typeof args, ReconnectData> = async ({ servers, all, failed }, { manager, signal }) => {
  if (Number(servers.length > 0) + Number(all) + Number(failed) !== 1) {
    throw new McpctlError('USAGE', 'Say which: names of servers, --all, or --failed', { hint: 'mcpctl reconnect --failed' });
  }
  const names = servers.length > 0 ? [...new Set(servers)] : await chosen();
  manager.snapshot(names);
  const failures: McpctlError[] = [];
  await Promise.all(
    names.map((name) =>
      manager.reconnect(name, signal).catch((error: unknown) => {
        signal.throwIfAborted();
        failures.push(toMcpctlError(error));
      }),
    ),
  );
  const data = {
    servers: manager.snapshot(names).map(({ name, status, tools, lastError }) => ({
      name,
      status,
      tools,
      lastError: status === 'connected' ? null : lastError,
    })),
  };
  const [first] = failures;
  if (!first) return { data };
  const more = failures.length > 1 ? ` (and ${failures.length - 1} more)` : '';
  return {
    data,
    error: new McpctlError(first.code, `${first.message}${more}`, {
      cause: first,
      hint: first.hint,
      server: first.server,
      details: first.details,
    }),
  };

  async function chosen(): Promise<string[]> {
    // Those that wait for an approval cannot be reconnected; `status` tells of them.
    const enabled = () => manager.snapshot().filter((server) => server.enabled && server.status !== 'untrusted');
    if (all) return enabled().map(({ name }) => name);
    // Without a running manager nothing has failed yet: find out first.
    if (!manager.longLived) await manager.connectAll(manager.names(), signal);
    return enabled()
      .filter(({ status }) => status === 'error' || status === 'needs-auth' || (status === 'disconnected' && manager.longLived))
      .map(({ name }) => name);
  }
};

export const text: Text<ReconnectData> = ({ servers }) => {
  if (servers.length === 0) return 'Nothing to reconnect.';
  return servers
    .map(({ name, status, tools }) => `${name}: ${status}${status === 'connected' && tools !== null ? `, ${tools} tools` : ''}`)
    .join('\n');
};
