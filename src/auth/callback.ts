/** What the browser brought back from a login: judged in the one order in which a forged answer is neither believed nor repeated. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { McpctlError } from '../core/errors.js';
import { sanitizeLine } from '../core/sanitize.js';

/** What this login waits for. Recorded before the browser is sent away. */
export interface ExpectedCallback {
  readonly server: string;
  /** Without query; the answer has to come to exactly this address. */
  readonly redirectUri: string;
  readonly state: string;
  readonly issuer: string;
  /** `authorization_response_iss_parameter_supported` of the metadata: then an answer without `iss` is not its own. */
  readonly issIsAdvertised: boolean;
}

/** What is sent to the token endpoint. */
export interface CallbackCode {
  readonly code: string;
  readonly iss: string | undefined;
}

/** Node's own limit of a request's head; nothing longer can have come by the loopback address either. */
const maxLength = 16 * 1024;

/** Whether the answer belongs to this login. In constant time, and before anything else in it is looked at. */
export function hasState(answer: URL, state: string): boolean {
  const given = answer.searchParams.getAll('state');
  return given.length === 1 && timingSafeEqual(digest(given[0]!), digest(state));
}

/** Whether this very address was hit: same scheme, host, port and path, whatever the query. */
export function isAt(answer: URL, redirectUri: string): boolean {
  return `${answer.origin}${answer.pathname}` === redirectUri && answer.username === '' && answer.password === '';
}

/**
 * Checks an answer in this order: address and `state`, `iss` (RFC 9207), `error`, `code`.
 *
 * @throws McpctlError `USAGE` (`details.reason` `other-login`: the login goes on), `AUTH_DENIED`, `AUTH_UNAVAILABLE`, `AUTH_FAILED`
 */
export function checkCallback(answer: URL, expected: ExpectedCallback): CallbackCode {
  const { server, issuer, issIsAdvertised } = expected;
  if (!isAt(answer, expected.redirectUri) || !hasState(answer, expected.state)) throw otherLogin(server);
  const { searchParams } = answer;
  const failed = (message: string, reason: string) =>
    new McpctlError('AUTH_FAILED', message, { server, hint: hint(server), details: { step: 'authorization', reason } });
  const iss = searchParams.getAll('iss');
  // Compared as text: any normalisation would be one that an attacker may choose. Nothing else of such an answer is shown.
  if (iss.length > 1 || (iss.length === 1 ? iss[0] !== issuer : issIsAdvertised)) {
    throw failed(
      `The answer to the login of "${server}" does not come from ${sanitizeLine(issuer, 200)}, and is not used`,
      iss.length === 0 ? 'issuer-missing' : 'issuer-mismatch',
    );
  }
  const error = searchParams.get('error');
  if (error !== null) throw refusal(error, searchParams.get('error_description'), server);
  const codes = searchParams.getAll('code');
  if (codes.length !== 1 || codes[0] === '')
    throw failed(`The answer to the login of "${server}" has neither a code nor an error`, 'no-code');
  return { code: codes[0]!, iss: iss[0] };
}

/**
 * Reads what a person pasted: the whole address, what follows its `?`, or the code alone.
 *
 * @throws McpctlError as `checkCallback`
 */
export function checkPasted(pasted: string, expected: ExpectedCallback): CallbackCode {
  // Terminals and mails break long lines; quotes come along with what is copied from a command line.
  const text = pasted.replace(/\s+/g, '').replace(/^(["'<])(.*)["'>]$/, '$2');
  const { server, redirectUri, issIsAdvertised } = expected;
  if (text === '' || text.length > maxLength) throw otherLogin(server);
  const bare = redirectUri.replace(/^https?:\/\//, '');
  const address = /^https?:\/\//i.test(text)
    ? text
    : text.startsWith(bare)
      ? `http://${text}`
      : /(^|[?&])(code|error|state)=/.test(text)
        ? `${redirectUri}?${text.replace(/^[^?]*\?/, '')}`
        : undefined;
  if (address !== undefined) {
    if (!URL.canParse(address)) throw otherLogin(server);
    return checkCallback(new URL(address), expected);
  }
  if (!/^[\x21-\x7e]+$/.test(text)) throw otherLogin(server);
  // A code alone does not tell who gave it, and this provider promises to say so.
  if (issIsAdvertised) {
    throw new McpctlError('USAGE', 'That is a code without its address', {
      server,
      hint: `paste the whole address that the browser ends at: ${redirectUri}?…`,
      details: { reason: 'other-login' },
    });
  }
  return { code: text, iss: undefined };
}

/** Whether the error is about something pasted that belongs to no login, or to another: the person may try again. */
export function isOtherLogin(error: unknown): error is McpctlError {
  return error instanceof McpctlError && error.code === 'USAGE' && error.details?.reason === 'other-login';
}

function otherLogin(server: string): McpctlError {
  return new McpctlError('USAGE', `That is not the address that the browser ends at after this login of "${server}"`, {
    server,
    hint: 'copy the whole address from the browser, beginning with http://127.0.0.1',
    details: { reason: 'other-login' },
  });
}

/** The provider's "no", with its own words (RFC 6749, section 4.1.2.1). */
function refusal(error: string, description: string | null, server: string): McpctlError {
  const word = sanitizeLine(error, 60);
  const words = description ? `${word}: ${sanitizeLine(description, 300)}` : word;
  const details = { step: 'authorization', error: word };
  if (error === 'access_denied')
    return new McpctlError('AUTH_DENIED', `The login of "${server}" was declined (${words})`, {
      server,
      hint: hint(server),
      details,
    });
  if (error === 'temporarily_unavailable' || error === 'server_error') {
    return new McpctlError('AUTH_UNAVAILABLE', `The authorization server of "${server}" cannot log in anybody now (${words})`, {
      server,
      hint: `try again later: mcpctl auth ${server}`,
      details,
    });
  }
  return new McpctlError('AUTH_FAILED', `The authorization server of "${server}" refuses the login (${words})`, {
    server,
    hint:
      error === 'invalid_scope'
        ? `ask for others: mcpctl auth ${server} --scope <s>, or oauth.scopes in its configuration`
        : hint(server),
    details,
  });
}

function hint(server: string): string {
  return `to try again: mcpctl auth ${server}`;
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
