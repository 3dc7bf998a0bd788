/** What `enable` and `disable` have in common: write the wish down where it belongs, then carry it out. */

import { McpctlError } from '../core/errors.js';
import type { CommandContext, Outcome, Text } from './command.js';

export interface SwitchData {
  readonly servers: readonly {
    readonly name: string;
    readonly enabled: boolean;
    readonly changed: boolean;
    /** The file that was written; null with `--session`, and when nothing had to be. */
    readonly file: string | null;
  }[];
}

export async function switchServers(
  { servers, session }: { servers: readonly string[]; session: boolean },
  enabled: boolean,
  { manager, signal, note }: CommandContext,
): Promise<Outcome<SwitchData>> {
  const names = [...new Set(servers)];
  const before = new Map(manager.snapshot(names).map((server) => [server.name, server.enabled]));
  if (session && !manager.longLived) {
    throw new McpctlError('NO_MANAGER', '--session is for a running manager, and there is none', {
      hint: 'open the REPL with mcpctl, or leave --session out',
    });
  }
  const done: SwitchData['servers'][number][] = [];
  for (const name of names) {
    const file = await manager.setEnabled(name, enabled, { persist: !session, signal });
    done.push({ name, enabled, changed: before.get(name) !== enabled, file });
    const waiting = manager.snapshot([name]).find(({ status }) => status === 'untrusted')?.lastError;
    if (waiting) note(`${waiting.message}; ${waiting.hint}`);
  }
  return { data: { servers: done } };
}

export const textOfSwitch: Text<SwitchData> = ({ servers }) =>
  servers
    .map(({ name, enabled, changed }) => `${name} is ${changed ? '' : 'already '}${enabled ? 'enabled' : 'disabled'}`)
    .join('\n');
