/** Which servers take a stored token, for which address it is, and why the others take none. */
import { hasAuthorization, type ServerConfig } from '../config/schema.js';
import { isWaiting, untrustedError } from '../config/trust.js';
import { McpctlError } from '../core/errors.js';
import { resourceOf } from './credential.js';

/** A server that a stored token can be sent to: over HTTP, usable, and without an Authorization header of its own. */
export function canHaveToken(server: ServerConfig): server is ServerConfig & { definition: { url: string } } {
  const { definition, problem } = server;
  return definition.type !== 'stdio' && problem === undefined && !isWaiting(server) && !hasAuthorization(definition.headers);
}

/** @throws McpctlError why no token can be stored for it */
export function addressOf(server: ServerConfig): string {
  const { name, definition, problem } = server;
  if (isWaiting(server)) throw untrustedError(server);
  if (problem) throw problem;
  if (definition.type === 'stdio') {
    throw new McpctlError('USAGE', `Server "${name}" is a program; a token is for a server with a URL`, {
      server: name,
      hint: `a program gets its secrets by "env" in its configuration: mcpctl config explain ${name}`,
    });
  }
  return resourceOf(definition.url);
}

/** As `addressOf`, for a server that would also send it. @throws McpctlError `USAGE` for one with a header of its own */
export function usableAddressOf(server: ServerConfig): string {
  const resource = addressOf(server);
  const { name, file, position, definition } = server;
  if (definition.type === 'stdio' || !hasAuthorization(definition.headers)) return resource;
  throw new McpctlError('USAGE', `Server "${name}" has an Authorization header of its own, which is sent instead of any token`, {
    server: name,
    hint: `take "Authorization" out of ${file}:${position.line}, then store the token`,
  });
}
