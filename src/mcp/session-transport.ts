/** What a session needs of a transport beyond the SDK's interface: each kind ends in its own way. */

import type { Transport } from '@modelcontextprotocol/client';
import { McpctlError } from '../core/errors.js';
import type { Tracer } from '../core/tracing.js';
import type { EraVerdict } from './era.js';

export interface SessionTransport extends Transport {
  readonly kind: EraVerdict['transport'];
  /** What a request gets that was under way when the transport closed. */
  closeError(): McpctlError;
  /** Called when new requests have no chance any more, while those under way may still be answered. */
  onlost?: ((reason: McpctlError) => void) | undefined;
  readonly pid?: number | null;
}

/** From now on every message takes the context of its trace along, also those that the SDK sends by itself. */
export function carryTraces(transport: SessionTransport, tracer: Tracer): void {
  const send = transport.send.bind(transport);
  transport.send = (message, options) => send(tracer.carry(message), options);
}

/** For requests under way when we closed the connection. */
export function closedByUs(server: string): McpctlError {
  return new McpctlError('UNAVAILABLE', `The connection to "${server}" was closed`, {
    server,
    details: { reason: 'closed' },
    delivered: 'maybe',
  });
}

/** The server is there and does not know the session any more: what was refused so did not run. */
export function sessionLost(server: string, cause: unknown): McpctlError {
  return new McpctlError('UNAVAILABLE', `Server "${server}" has forgotten the session`, {
    server,
    cause,
    hint: `mcpctl reconnect ${server}`,
    details: { reason: 'session-lost' },
    delivered: 'no',
  });
}
