/** `cache clear`: forgets what is kept of some servers, and says of each what that was. */

import { type McpctlError, toMcpctlError } from '../core/errors.js';
import type { ManagedServer } from './managed-server.js';

/** What was done to one server. */
export interface ClearedCache {
  readonly server: string;
  readonly entries: number;
}

export interface ClearedCaches {
  readonly cleared: readonly ClearedCache[];
  /** Of those whose file could not be written; in memory everything is gone of them as well. */
  readonly failures: readonly McpctlError[];
}

/** Never rejects. */
export async function clearCaches(servers: readonly ManagedServer[]): Promise<ClearedCaches> {
  const cleared: ClearedCache[] = [];
  const failures: McpctlError[] = [];
  await Promise.all(
    servers.map((server) =>
      server.clearCache().then(
        (entries) => cleared.push({ server: server.config.name, entries }),
        (error: unknown) => failures.push(toMcpctlError(error)),
      ),
    ),
  );
  // In the order asked for, whoever was first.
  const order = servers.map(({ config }) => config.name);
  return { cleared: cleared.toSorted((a, b) => order.indexOf(a.server) - order.indexOf(b.server)), failures };
}
