/** What commands that change the configuration have in common: which files are never written, and who has to know of the change. */

import type { Config } from '../config/schema.js';
import { McpctlError, toMcpctlError } from '../core/errors.js';
import type { CommandContext } from './command.js';

/** Fifty processes at once wait for each other, each for the disk. */
export const lockTimeoutMs = 30_000;

/** @throws McpctlError USAGE when the configuration was given with -c: those files are never written */
export function refuseGivenFiles({ files }: Config, what: string): void {
  const given = files.filter(({ source }) => source === 'flag');
  if (given.length === 0) return;
  throw new McpctlError('USAGE', `${what} changes your own configuration, and -c names another, which mcpctl never writes`, {
    hint: `leave -c out, or edit ${given.at(-1)!.path} by hand`,
  });
}

/**
 * Lets the manager read the configuration anew: one that stays, and one whose script has further lines. The change is made, whatever
 * happens here: what is wrong with the configuration elsewhere is told and no more.
 */
export async function takeOver({ manager, note }: Pick<CommandContext, 'manager' | 'note'>): Promise<void> {
  await manager.reload().catch((error: unknown) => {
    note(`warning: the running servers are as before: ${toMcpctlError(error).message}`);
  });
}
