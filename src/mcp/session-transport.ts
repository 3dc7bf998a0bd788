/** What a session needs of a transport beyond the SDK's interface: each kind ends in its own way. */

import type { Transport } from '@modelcontextprotocol/client';
import { McpctlError } from '../core/errors.js';
import type { EraVerdict } from './era.js';

export interface SessionTransport extends Transport {
  readonly kind: EraVerdict['transport'];
  /** What a request gets that was under way when the transport closed. */
  closeError(): McpctlError;
  /** Called when new requests have no chance any more, while those under way may still be answered. */
  onlost?: ((reason: McpctlError) => void) | undefined;
  readonly pid?: number | null;
}

/** For requests under way when we closed the connection. */
export function closedByUs(server: string): McpctlError {
  return new McpctlError('UNAVAILABLE', `The connection to "${server}" was closed`, {
    server,
    details: { reason: 'closed' },
    delivered: 'maybe',
  });
}
