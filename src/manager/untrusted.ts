/** Servers whose definition the user has not approved: how they are recognised, and what is said instead of using them. */

import type { ServerConfig } from '../config/schema.js';
import { McpctlError } from '../core/errors.js';

/** Whether this definition may not be used, because nobody approved exactly it. */
export function isWaiting({ approval }: Pick<ServerConfig, 'approval'>): boolean {
  return approval === 'missing' || approval === 'changed';
}

/** What everything gets that needs the server. */
export function untrustedError({ name, file, approval }: Pick<ServerConfig, 'name' | 'file' | 'approval'>): McpctlError {
  const message =
    approval === 'changed'
      ? `Server "${name}" of ${file} was changed since it was approved`
      : `Server "${name}" of ${file} is not approved`;
  return new McpctlError('UNTRUSTED', message, {
    server: name,
    hint: `mcpctl trust approve ${name}`,
    details: { file, approval },
    delivered: 'no',
  });
}
