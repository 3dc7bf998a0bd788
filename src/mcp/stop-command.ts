/** The command that a configuration gives to stop a server with (`docker stop …`): run before the server's own process is ended. */

import type { ServerConfig, StdioDefinition } from '../config/schema.js';
import { McpctlError, rootMessage } from '../core/errors.js';
import type { OpenOptions } from './connection.js';

/** How long the command may take when the configuration gives no `stop.grace`, in milliseconds. */
const defaultMs = 5000;

/** Runs the command in the environment and the folder of the server. Never throws: a server is ended with or without it. */
export async function runStopCommand(
  server: ServerConfig,
  definition: StdioDefinition,
  childEnv: Readonly<Record<string, string>>,
  { groups, clock, onWarning }: Pick<OpenOptions, 'groups' | 'clock' | 'onWarning'>,
): Promise<void> {
  const [command, ...args] = server.stop.command ?? [];
  if (command === undefined) return;
  const limitMs = server.stop.graceMs ?? defaultMs;
  let cancelLimit = () => {};
  try {
    const group = await groups.spawn({ command, args, env: childEnv, cwd: definition.cwd, spawnId: groups.nextSpawnId() });
    group.stdout.resume();
    group.stderr.resume();
    const limit = new Promise<'late'>((resolve) => {
      cancelLimit = clock.after(limitMs, () => resolve('late'));
    });
    const end = await Promise.race([group.exited, limit]);
    await group.stop({ stdinMs: 0, termMs: 500 });
    if (end === 'late') throw new McpctlError('TIMEOUT', `not done within ${limitMs} ms`);
    if (end.code !== 0) throw new McpctlError('UNAVAILABLE', `ended with ${end.code ?? end.signal}`);
  } catch (error) {
    onWarning?.(`stop command "${command}": ${rootMessage(error)}`);
  } finally {
    cancelLimit();
  }
}
