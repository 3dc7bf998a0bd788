/** What the life of a server says when it ends badly, and which of these need a person or are ends of a process. */

import { type ErrorCode, McpctlError } from '../core/errors.js';
import { crashLoop } from './crash-loop.js';

/** Asking again and again changes nothing. */
export const needsPerson: ReadonlySet<string> = new Set<ErrorCode>(['CONFIG_INVALID', 'UNTRUSTED', 'CREDENTIAL_STORE']);

/** A login that a proxy refused is refused again, and some lock the account after a few. */
export function isRefusedByProxy({ details }: McpctlError): boolean {
  return details?.reason === 'proxy' && details.proxyStatus === 407;
}

/** The process ended, or could not even be started. */
export function isExit(error: McpctlError): boolean {
  return error.code === 'SERVER_EXITED' || (error.code === 'UNAVAILABLE' && spawnFailures.has(String(error.details?.reason)));
}

const spawnFailures = new Set([
  'command-not-found',
  'interpreter-not-found',
  'not-executable',
  'cwd-not-found',
  'too-large',
  'spawn-failed',
]);

export function crashLoopError(last: McpctlError, server: string): McpctlError {
  return new McpctlError(
    'CRASH_LOOP',
    `Server "${server}" ended ${crashLoop.exits} times within ${crashLoop.withinMs / 1000} s and is not started again. Last: ${last.message}`,
    {
      server,
      cause: last,
      hint: `when it is repaired: mcpctl reconnect ${server}`,
      details: last.details,
      delivered: 'no',
    },
  );
}

export function closedError(server: string): McpctlError {
  return new McpctlError('UNAVAILABLE', `The connection to "${server}" was closed`, {
    server,
    hint: `mcpctl reconnect ${server}`,
    details: { reason: 'closed' },
    delivered: 'no',
  });
}
