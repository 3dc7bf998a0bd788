/** How the outcome of `auth <server>` reads for a person. */
import type { StartedLogin } from '../auth/login.js';
import { McpctlError } from '../core/errors.js';
import type { Authorized } from '../manager/authorize.js';

/** Finished: what it is good for, and where it is. */
export function loggedInText({ server, account, issuer, scopes, expiresAt, store, status }: Authorized): string {
  const places = { keychain: 'in the keychain', file: 'in the encrypted file', memory: 'in the memory of this process' };
  const rows = [
    ['account', account],
    ['by', issuer],
    ['scopes', scopes.length > 0 ? scopes.join(' ') : '(those of the provider)'],
    ['expires', expiresAt === null ? 'not said' : `${expiresAt.slice(0, 19).replace('T', ' ')} UTC`],
    ['stored', places[store]],
    ['server', status],
  ];
  return [`Logged in to ${server}.`, ...rows.map(([name, value]) => `  ${name!.padEnd(8)} ${value}`)].join('\n');
}

/** Begun: what the person has to do, and what to type then. */
export function startedText(server: string, started: StartedLogin): string {
  const until = `until ${started.expiresAt.slice(11, 19)} UTC`;
  if ('authorizationUrl' in started) {
    return [
      'Open this address in any browser and log in. The page at the end does not load: copy its address.',
      started.authorizationUrl,
      `Then, in any shell, ${until}:`,
      `  ${completeCommand(server, started)}`,
    ].join('\n');
  }
  const { verificationUri, verificationUriComplete, userCode } = started;
  return [
    `Open:      ${verificationUri}`,
    `and enter: ${userCode}`,
    ...(verificationUriComplete === null ? [] : [`or open:   ${verificationUriComplete}`]),
    `Then, in any shell, ${until}:`,
    `  ${completeCommand(server, started)}`,
  ].join('\n');
}

/** Why `--start` ends with 3: nobody is logged in yet. */
export function unfinished(server: string, started: StartedLogin): McpctlError {
  return new McpctlError('AUTH_REQUIRED', `The login of "${server}" has begun; it is not finished`, {
    server,
    hint: completeCommand(server, started),
    details: { flow: started.flow, expiresAt: started.expiresAt },
  });
}

function completeCommand(server: string, started: StartedLogin): string {
  const answer = 'authorizationUrl' in started ? " '<address>'" : '';
  return `mcpctl auth ${server} --complete ${started.flow}${answer}`;
}
