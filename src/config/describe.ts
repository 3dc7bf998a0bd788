/** A server as `config show` prints it: everything that is in force, secrets masked. */
import type { ServerConfig } from './schema.js';

export interface ServerDescription {
  readonly name: string;
  readonly source: ServerConfig['source'];
  readonly file: string;
  readonly line: number;
  readonly enabled: boolean;
  readonly enabledInFile: boolean;
  readonly target: string;
  readonly definition: ServerConfig['shown'];
  readonly protocol: ServerConfig['protocol'];
  readonly timeouts: ServerConfig['timeouts'];
  readonly health: ServerConfig['health'];
  readonly stop: ServerConfig['stop'];
  readonly tools: ServerConfig['tools'];
  readonly maxMessageBytes: number;
  readonly problem: string | null;
}

/** JSON values only; contains no secret. */
export function describeServer(server: ServerConfig): ServerDescription {
  const { name, source, file, enabled, enabledInFile, target, protocol, timeouts, health, stop, tools, maxMessageBytes } = server;
  return {
    name,
    source,
    file,
    line: server.position.line,
    enabled,
    enabledInFile,
    target,
    definition: server.shown,
    protocol,
    timeouts,
    health,
    stop,
    tools,
    maxMessageBytes,
    problem: server.problem?.message ?? null,
  };
}
