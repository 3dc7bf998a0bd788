/** What `add` and `remove` have in common: they are for the user's own file, and a manager that goes on takes the change over. */

import type { Config } from '../config/schema.js';
import { McpctlError, toMcpctlError } from '../core/errors.js';
import type { CommandContext } from './command.js';

/** Fifty processes at once wait for each other, each for the disk. */
export const lockTimeoutMs = 30_000;

/** Reads the configuration anew, where the manager knows how. */
interface Reloading {
  readonly reload?: () => Promise<unknown>;
}

/** @throws McpctlError USAGE when the configuration was given with -c: those files are never written */
export function refuseGivenFiles({ files }: Config, what: string): void {
  const given = files.filter(({ source }) => source === 'flag');
  if (given.length === 0) return;
  throw new McpctlError('USAGE', `${what} changes your own configuration, and -c names another, which mcpctl never writes`, {
    hint: `leave -c out, or edit ${given.at(-1)!.path} by hand`,
  });
}

/** The change is made, whatever happens here: what is wrong with the configuration elsewhere is told and no more. */
export async function takeOver({ manager, note }: CommandContext): Promise<void> {
  try {
    await (manager as Reloading).reload?.();
  } catch (error) {
    note(`warning: the running servers are as before: ${toMcpctlError(error).message}`);
  }
}
