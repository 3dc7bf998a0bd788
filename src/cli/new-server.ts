/** A server as someone types it: words and flags to the entry of a configuration file. */

import type { JsonValue } from '../config/document.js';
import { McpctlError } from '../core/errors.js';
import { isUrl } from './parse.js';

export interface TypedServer {
  /** A program with its arguments, or a single URL. */
  readonly command: readonly string[];
  readonly transport?: string | undefined;
  /** `Name: value`. */
  readonly header?: readonly string[] | undefined;
  /** `NAME=value`. */
  readonly env?: readonly string[] | undefined;
  readonly cwd?: string | undefined;
  /** For logging in: as the keys of "oauth" are called. */
  readonly clientId?: string | undefined;
  readonly clientSecretEnv?: string | undefined;
  readonly clientMetadataUrl?: string | undefined;
}

export type NewEntry = { [key: string]: JsonValue };

/** @throws McpctlError USAGE for what does not go together; the values are checked by `checkEntry` */
export function entryOf({ command: words, transport, header = [], env = [], cwd, ...login }: TypedServer): NewEntry {
  const [first = '', ...args] = words;
  const type = transport === undefined ? {} : { type: transport };
  // An address may begin with a variable: then the transport tells that it is one.
  const oauth = oauthOf(login);
  const isAddress = isUrl(first) || (args.length === 0 && transport !== undefined && transport !== 'stdio');
  if (isAddress) {
    if (args.length > 0) throw usage('A URL takes no further words', 'flags may follow it: --header, --transport');
    if (env.length > 0) throw usage('--env is for programs, and this is a URL', "headers are given with --header 'Name: value'");
    if (cwd !== undefined) throw usage('--cwd is for programs, and this is a URL', 'leave --cwd out');
    const headers = header.length > 0 && { headers: pairs(header, ':', "--header takes 'Name: value'") };
    return { ...type, url: first, ...headers, ...(oauth && { oauth }) };
  }
  if (header.length > 0) throw usage('--header is for URLs, and this is a program', 'variables are given with --env NAME=value');
  if (oauth)
    throw usage('--client-id and the like are for URLs, and this is a program', 'variables are given with --env NAME=value');
  return {
    ...type,
    command: first,
    ...(args.length > 0 && { args }),
    ...(env.length > 0 && { env: pairs(env, '=', '--env takes NAME=value') }),
    ...(cwd !== undefined && { cwd }),
  };
}

function oauthOf(login: { readonly [key in 'clientId' | 'clientSecretEnv' | 'clientMetadataUrl']?: string | undefined }) {
  const given = Object.entries(login).flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const]));
  return given.length > 0 ? Object.fromEntries(given) : undefined;
}

/** What is wrong is told without the word itself: it may be a secret. */
function pairs(words: readonly string[], separator: string, rule: string): { [key: string]: string } {
  const found = new Map<string, string>();
  for (const word of words) {
    const at = word.indexOf(separator);
    if (at < 1) throw usage(`${rule}, and the name is missing`, 'mcpctl help add');
    const isHeader = separator === ':';
    const name = isHeader ? word.slice(0, at).trim() : word.slice(0, at);
    if (found.has(name)) throw usage(`${rule}, and ${JSON.stringify(name)} is given twice`, 'give each name once');
    found.set(name, isHeader ? word.slice(at + 1).trim() : word.slice(at + 1));
  }
  return Object.fromEntries(found);
}

function usage(message: string, hint: string): McpctlError {
  return new McpctlError('USAGE', message, { hint });
}
