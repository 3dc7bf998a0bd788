/** A server as `config show` prints it: everything that is in force, secrets masked. */
import type { OAuthOptions, ServerConfig } from './schema.js';
import { isSecretField, mask } from './secrets.js';

export interface ServerDescription {
  readonly name: string;
  readonly source: ServerConfig['source'];
  readonly approval: ServerConfig['approval'];
  readonly file: string;
  readonly line: number;
  readonly enabled: boolean;
  readonly enabledInFile: boolean;
  readonly target: string;
  readonly definition: ServerConfig['shown'];
  readonly protocol: ServerConfig['protocol'];
  readonly timeouts: ServerConfig['timeouts'];
  readonly health: ServerConfig['health'];
  readonly cache: ServerConfig['cache'];
  readonly stop: ServerConfig['stop'];
  readonly tools: ServerConfig['tools'];
  /** Null for a program. */
  readonly oauth: OAuthOptions | null;
  readonly maxMessageBytes: number;
  readonly problem: string | null;
}

/** JSON values only; contains no secret. */
export function describeServer(server: ServerConfig): ServerDescription {
  const { name, source, approval, file, enabled, enabledInFile, target, protocol } = server;
  const { timeouts, health, cache, stop, tools, maxMessageBytes } = server;
  return {
    name,
    source,
    approval,
    file,
    line: server.position.line,
    enabled,
    enabledInFile,
    target,
    definition: server.shown,
    protocol,
    timeouts,
    health,
    cache,
    stop,
    tools,
    oauth: server.definition.type === 'stdio' ? null : shownOAuth(server.oauth),
    maxMessageBytes,
    problem: server.problem?.message ?? null,
  };
}

/** What may be shown of it. */
export function shownOAuth(oauth: OAuthOptions): OAuthOptions {
  const { clientSecret, authorizationParams } = oauth;
  const params = Object.entries(authorizationParams).map(([name, value]) => [name, isSecretField(name) ? mask : value]);
  return { ...oauth, clientSecret: clientSecret === null ? null : mask, authorizationParams: Object.fromEntries(params) };
}
