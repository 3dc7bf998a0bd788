/** `logout`: deletes what is stored to log in to a server. */

import * as z from 'zod/mini';
import type { Run, Text } from '../command.js';

export const args = z.object({ server: z.string(), allAccounts: z._default(z.boolean(), false) });

export interface LogoutData {
  readonly server: string;
  /** Those that were logged in. */
  readonly accounts: readonly string[];
}

export const run: Run<typeof args, LogoutData> = async ({ server, allAccounts }, { manager, signal, ask, note }) => {
  const { accounts, warnings } = await manager.logins.logout(server, { allAccounts, signal, isAttended: ask !== undefined });
  for (const warning of warnings) note(`warning: ${warning}`);
  return { data: { server, accounts } };
};

export const text: Text<LogoutData> = ({ server, accounts }) =>
  accounts.length === 0
    ? `Nothing was stored for ${server}.`
    : `The ${accounts.length === 1 ? 'token' : `${accounts.length} tokens`} of ${server} ${accounts.length === 1 ? 'is' : 'are'} deleted.`;
