/** A server as `config show` prints it: everything that is in force, secrets masked. */
import type { ServerConfig } from './schema.js';

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
    maxMessageBytes,
    problem: server.problem?.message ?? null,
  };
}
