/** `auth`: which servers have a login, and where tokens are kept. */

import * as z from 'zod/mini';
import { formatDuration } from '../../core/duration.js';
import type { LoginList } from '../../manager/manager.js';
import type { Run, Text } from '../command.js';
import { paint, table } from '../render.js';

export const args = z.object({});

export const run: Run<typeof args, LoginList> = async (_, { manager, signal, ask }) => ({
  data: await manager.logins({ signal, isAttended: ask !== undefined }),
});

export const text: Text<LoginList> = ({ servers, store }, options) => {
  const chalk = paint(options.color);
  const hue = { none: chalk.dim, valid: chalk.green, expiring: chalk.green, expired: chalk.dim, required: chalk.yellow };
  const head = [
    { head: 'SERVER' },
    { head: 'LOGIN' },
    { head: 'ACCOUNT' },
    { head: 'SCOPES', flexible: true },
    { head: 'EXPIRES' },
    { head: 'STORED IN' },
    { head: '', flexible: true },
  ];
  const rows = servers.map(({ server, state, account, otherAccounts, scopes, expiresInMs, store: place, target }) => [
    server,
    hue[state](state),
    (account ?? '-') + (otherAccounts.length > 0 ? ` +${otherAccounts.length}` : ''),
    scopes.length > 0 ? scopes.join(' ') : '-',
    expiresInMs === null ? '-' : expiresInMs === 0 ? 'over' : `in ${formatDuration(expiresInMs)}`,
    place ?? '-',
    target,
  ]);
  const required = servers.filter(({ state }) => state === 'required').map(({ server }) => `mcpctl auth ${server}`);
  return [
    ...(servers.length === 0 ? ['No server is reached over HTTP; programs need no login here.'] : [table(head, rows, options)]),
    '',
    ...aboutStore(store),
    ...required.map((command) => chalk.dim(`  ${command}`)),
  ].join('\n');
};

function aboutStore({ store, file, key, reason, problem }: LoginList['store']): string[] {
  if (problem) return [`Tokens cannot be stored or read now: ${problem.message}`, ...(problem.hint ? [`  ${problem.hint}`] : [])];
  if (store === 'keychain') return ['Tokens are kept in the keychain.'];
  if (store === 'memory') return ['Tokens are kept in memory, and forgotten with the process.'];
  const protection = {
    key: 'by MCPCTL_VAULT_KEY',
    passphrase: 'by MCPCTL_VAULT_PASSPHRASE',
    'key-file': 'by the key file beside it: who can read both can read the tokens',
  };
  const lines = [`Tokens are kept in the encrypted file ${file}, protected ${protection[key ?? 'key-file']}.`];
  return reason === null ? lines : [...lines, `  ${reason}`];
}
