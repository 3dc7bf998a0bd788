/** The words behind `auth`, sorted into the one thing that is wanted. Every combination that makes no sense is refused here. */
import { McpctlError } from '../core/errors.js';
import type { AuthorizeRequest } from '../manager/authorize.js';

export interface LoginArgs {
  readonly server?: string | undefined;
  readonly callback?: string | undefined;
  readonly noBrowser: boolean;
  readonly device: boolean;
  readonly clientCredentials: boolean;
  readonly scope: readonly string[];
  readonly account?: string | undefined;
  readonly start: boolean;
  readonly complete?: string | undefined;
}

export type LoginWish =
  | { readonly step: 'list' }
  | { readonly step: 'login'; readonly server: string; readonly request: AuthorizeRequest }
  | { readonly step: 'start'; readonly server: string; readonly request: AuthorizeRequest }
  | { readonly step: 'complete'; readonly server: string; readonly flow: string; readonly callback: string | undefined };

/** @throws McpctlError `USAGE` */
export function wishOf(args: LoginArgs): LoginWish {
  const { server, callback, noBrowser, device, clientCredentials, start, complete } = args;
  const given = [
    ['--no-browser', noBrowser],
    ['--device', device],
    ['--client-credentials', clientCredentials],
    ['--scope', args.scope.length > 0],
    ['--account', args.account !== undefined],
    ['--start', start],
    ['--complete', complete !== undefined],
  ] as const;
  const flags = given.filter(([, isGiven]) => isGiven).map(([flag]) => flag);
  if (server === undefined) {
    if (flags.length === 0) return { step: 'list' };
    throw usage(`${flags[0]} is for the login of a server`, `mcpctl auth <server> ${flags[0]}`);
  }
  if (complete !== undefined) {
    const surplus = flags.find((flag) => flag !== '--complete');
    if (surplus) throw usage(`${surplus} was decided when the login began`, `mcpctl auth ${server} --complete <flow>`);
    return { step: 'complete', server, flow: complete, callback };
  }
  if (callback !== undefined) {
    throw usage(
      'An address behind the server is for --complete',
      `mcpctl auth ${server} --complete <flow> <address>, or mcpctl auth ${server} alone`,
    );
  }
  const ways = flags.filter((flag) => flag === '--no-browser' || flag === '--device' || flag === '--client-credentials');
  if (ways.length > 1) throw usage(`${ways[0]} and ${ways[1]} are two ways to log in`, `mcpctl auth ${server} ${ways[0]}`);
  if (start && clientCredentials)
    throw usage('--client-credentials asks nobody, so there is nothing to finish', `mcpctl auth ${server} --client-credentials`);
  const request: AuthorizeRequest = {
    kind: device ? 'device' : clientCredentials ? 'client-credentials' : 'browser',
    opensBrowser: !noBrowser,
    scopes: scopesIn(args.scope),
    account: accountIn(args.account),
  };
  return start ? { step: 'start', server, request } : { step: 'login', server, request };
}

/** One a flag, or several with blanks between them. RFC 6749, section 3.3. */
function scopesIn(words: readonly string[]): string[] | null {
  if (words.length === 0) return null;
  const scopes = words.flatMap((word) => word.split(' ')).filter(Boolean);
  const odd = scopes.find((scope) => !/^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/.test(scope));
  if (odd !== undefined || scopes.length === 0)
    throw usage(`--scope: ${odd === undefined ? 'there is none' : 'that is no scope'}`, '--scope read --scope write');
  return [...new Set(scopes)];
}

function accountIn(account: string | undefined): string | null {
  if (account === undefined) return null;
  if (/^[^\p{C}]{1,100}$/u.test(account) && account.trim() === account) return account;
  throw usage('--account: a name of at most 100 characters, without control characters', '--account work');
}

function usage(message: string, hint: string): McpctlError {
  return new McpctlError('USAGE', message, { hint });
}
