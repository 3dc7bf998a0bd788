/** `auth`: which servers have a login, and where tokens are kept. `auth <server>`: logs in. The one command that may open a browser. */

import * as z from 'zod/mini';
import type { StartedLogin } from '../../auth/login.js';
import { formatDuration } from '../../core/duration.js';
import { McpctlError } from '../../core/errors.js';
import type { Authorized, AuthorizePerson } from '../../manager/authorize.js';
import type { LoginList } from '../../manager/manager.js';
import type { CommandContext, Run, Text, TextOptions } from '../command.js';
import { wishOf } from '../login-args.js';
import { loggedInText, startedText, unfinished } from '../login-text.js';
import { paint, table } from '../render.js';

export const args = z.object({
  server: z.optional(z.string()),
  callback: z.optional(z.string()),
  noBrowser: z._default(z.boolean(), false),
  device: z._default(z.boolean(), false),
  clientCredentials: z._default(z.boolean(), false),
  scope: z._default(z.array(z.string()), []),
  account: z.optional(z.string()),
  start: z._default(z.boolean(), false),
  complete: z.optional(z.string()),
});

export type AuthData = LoginList | Authorized | StartedLogin;

/** The code in a callback: worth nothing without the flow, and all the same nobody's business. */
export const secrets = ({ callback = '' }: z.infer<typeof args>): string[] => {
  const code = URL.canParse(callback) ? new URL(callback).searchParams.get('code') : callback;
  return code === null || code === '-' ? [] : [code];
};

export const run: Run<typeof args, AuthData> = async (given, context) => {
  const { manager, signal, note, ask, openUrl } = context;
  const person: AuthorizePerson = { signal, note, ask, openUrl, isAttended: ask !== undefined };
  const wish = wishOf(given);
  if (wish.step === 'list') return { data: await manager.logins.list(person) };
  const { server } = wish;
  const authorization = await manager.logins.authorization(server);
  if (wish.step === 'start') {
    const started = await authorization.start(wish.request, person);
    // Verbatim: an address with a piece missing leads nowhere.
    return { data: started, error: unfinished(server, started), verbatim: true };
  }
  const { data, error } =
    wish.step === 'login'
      ? await authorization.login(wish.request, person)
      : await authorization.complete({ flow: wish.flow, callback: () => callbackOf(server, wish.callback, context) }, person);
  if (data.store === 'memory' && !manager.longLived)
    note('warning: the store is memory: the login is forgotten as this command ends');
  return { data, ...(error && { error }) };
};

/** As given, from stdin with `-`, or from the person in front. */
async function callbackOf(
  server: string,
  given: string | undefined,
  { ask, readInput, signal }: CommandContext,
): Promise<string> {
  if (given !== undefined && given !== '-') return given;
  if (ask) return ask('Paste the address that the browser ended at:', { signal });
  if (given === '-') return readInput();
  throw new McpctlError('USAGE', 'This login is finished with the address that the browser ended at', {
    server,
    hint: `mcpctl auth ${server} --complete <flow> '<address>', or - in its place to read it from stdin`,
  });
}

export const text: Text<AuthData, typeof args> = (data, options, { server = '' }) => {
  if ('servers' in data) return listText(data, options);
  return 'flow' in data ? startedText(server, data) : loggedInText(data);
};

function listText({ servers, store }: LoginList, options: TextOptions): string {
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
}

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
