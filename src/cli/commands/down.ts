/** `down`: the end of the manager in the background, and of all its servers. */

import * as z from 'zod/mini';
import { McpctlError } from '../../core/errors.js';
import type { HostContext, Run, Text } from '../command.js';
import { stopManager } from '../stop-manager.js';

export const args = z.object({});

export interface DownData {
  /** Null: there was no manager. */
  readonly pid: number | null;
  /** How it ended: asked to, or by a signal because it did not answer. */
  readonly how: 'asked' | 'SIGTERM' | 'SIGKILL' | null;
}

export const run: Run<typeof args, DownData, HostContext> = async (_, { host, signal }) => {
  if (host.isManager) throw new McpctlError('USAGE', 'This session is the manager', { hint: 'leave it with /exit' });
  return { data: await stopManager(host, signal) };
};

export const text: Text<DownData> = ({ pid, how }) => {
  if (pid === null) return 'No manager was running.';
  return how === 'asked'
    ? `The manager (process ${pid}) has ended.`
    : `The manager (process ${pid}) did not answer and was ended by ${how}.`;
};
