/** `auth-save`: stores a bearer token for a server over HTTP. */

import * as z from 'zod/mini';
import { McpctlError } from '../../core/errors.js';
import type { CommandContext, Run, Text } from '../command.js';

export const args = z.object({ server: z.string(), token: z.optional(z.string()) });

export interface AuthSaveData {
  readonly server: string;
  readonly account: string;
  readonly store: 'keychain' | 'file' | 'memory';
  /** The encrypted file, if it is that. */
  readonly file: string | null;
}

/** Node refuses to send more than 16 KiB of headers. */
const maxCharacters = 12 * 1024;

export const secrets = ({ token }: z.infer<typeof args>): string[] => (token === undefined ? [] : [token, bare(token)]);

export const run: Run<typeof args, AuthSaveData> = async ({ server, token }, context) => {
  const { manager, signal, note, ask } = context;
  // Before anybody is asked for a token that cannot be stored.
  manager.logins.checkToken(server);
  if (token !== undefined) {
    note(
      `warning: a token on the command line can be seen by other programs and stays in the shell's history; mcpctl auth-save ${server} asks for it`,
    );
  }
  const given = checked(token ?? (await askFor(server, context)), server);
  const { account, store, file, announcement } = await manager.logins.saveToken(server, given, {
    signal,
    isAttended: ask !== undefined,
  });
  if (announcement !== null) note(`note: ${announcement}`);
  if (store === 'memory' && !manager.longLived) note('warning: the store is memory: the token is forgotten as this command ends');
  return { data: { server, account, store, file } };
};

async function askFor(server: string, { ask, readInput }: CommandContext): Promise<string> {
  if (ask) return ask(`Token for "${server}" (not shown):`, { isHidden: true });
  return readInput().catch((error: unknown) => {
    if (!(error instanceof McpctlError) || error.code !== 'USAGE') throw error;
    throw new McpctlError('USAGE', `There is nobody to ask for the token, and it is not on stdin`, {
      server,
      hint: `mcpctl auth-save ${server} < token.txt`,
    });
  });
}

/** Without the scheme, which people copy along with it. */
function bare(token: string): string {
  return token.trim().replace(/^(?:Authorization:\s*)?Bearer\s+/i, '');
}

function checked(given: string, server: string): string {
  const token = bare(given);
  const problem =
    token === ''
      ? 'There is no token'
      : token.length > maxCharacters
        ? `A token has at most ${maxCharacters} characters, and this has ${token.length}`
        : /^[\x21-\x7e]+$/.test(token)
          ? undefined
          : 'That is no token: it has characters, or line breaks, that cannot be sent in a header';
  if (problem === undefined) return token;
  throw new McpctlError('USAGE', problem, { server, hint: `paste the token alone: mcpctl auth-save ${server}` });
}

export const text: Text<AuthSaveData> = ({ server, store, file }) => {
  const where = { keychain: 'the keychain', file: `the encrypted file ${file}`, memory: 'the memory of this process' }[store];
  return `The token of ${server} is stored in ${where}.`;
};
