/** Failures of questions to an authorization server as errors of ours: what may pass by itself, and what does not. */
import { type ErrorCode, McpctlError, rootMessage } from '../core/errors.js';
import { sanitizeLine } from '../core/sanitize.js';

export interface GrantContext {
  /** The configured name. */
  readonly server: string;
  readonly step: 'token' | 'renewal' | 'revocation' | 'device-authorization';
  readonly issuer: string;
}

/** The longest piece of a provider's own words, in characters. */
const maxExcerpt = 300;

/** Error words that speak of now, not of us (RFC 6749, section 4.1.2.1; RFC 8628, section 3.5). */
const passing: ReadonlySet<unknown> = new Set(['temporarily_unavailable', 'server_error', 'slow_down']);

/** What our fetch says when no answer came. */
const unreached: ReadonlySet<string> = new Set<ErrorCode>(['UNAVAILABLE', 'TIMEOUT']);

/**
 * A failure of openid-client, or of the fetch below it: `AUTH_UNAVAILABLE` when it may work later, else `AUTH_FAILED`.
 * `details.error` is the provider's own word, such as `invalid_grant`, where it gave one.
 */
export function grantError(error: unknown, context: GrantContext): McpctlError {
  const own = ownError(error);
  if (own && (own.code === 'CANCELLED' || own.code.startsWith('AUTH_'))) return own;
  if (own) {
    const isPassing = unreached.has(own.code) && own.details?.reason !== 'blocked';
    return made(isPassing, isPassing ? `it cannot be reached (${own.message})` : own.message, context, error, own.hint);
  }
  const { error: word, error_description: words, status: told } = error as Readonly<Record<string, unknown>>;
  const cause = error instanceof Error ? error.cause : undefined;
  const status = typeof told === 'number' ? told : cause instanceof Response ? cause.status : undefined;
  if (typeof word === 'string') {
    const name = sanitizeLine(word, 60);
    const said = typeof words === 'string' ? `${name}: ${sanitizeLine(words, maxExcerpt)}` : name;
    const isPassing = passing.has(word) || (status !== undefined && isPassingStatus(status));
    return made(isPassing, `it says "${said}"`, context, error, undefined, { error: name, status });
  }
  if (status !== undefined) {
    // An answer of a proxy or a login page in between is no word of the server.
    const isPassing = isPassingStatus(status) || status < 400;
    return made(isPassing, `it answered with HTTP ${status}`, context, error, undefined, { status });
  }
  const isAnswer = error instanceof Error && 'code' in error && String(error.code).startsWith('OAUTH_');
  return made(isAnswer, sanitizeLine(rootMessage(error), maxExcerpt), context, error);
}

function isPassingStatus(status: number): boolean {
  return status >= 500 || status === 429 || status === 408;
}

const doing = {
  token: 'gave no token',
  renewal: 'did not renew the login',
  revocation: 'did not revoke the login',
  'device-authorization': 'started no login',
} as const;

function made(
  isPassing: boolean,
  why: string,
  { server, step, issuer }: GrantContext,
  cause: unknown,
  hint?: string,
  more: Readonly<Record<string, unknown>> = {},
): McpctlError {
  const details = Object.fromEntries(Object.entries({ step, issuer, ...more }).filter(([, value]) => value !== undefined));
  return new McpctlError(
    isPassing ? 'AUTH_UNAVAILABLE' : 'AUTH_FAILED',
    `The authorization server of "${server}" (${sanitizeLine(issuer, 200)}) ${doing[step]}: ${why}`,
    {
      server,
      cause,
      details,
      hint: isPassing ? 'the login is kept; try again in a while' : (hint ?? `log in anew: mcpctl auth ${server}`),
      delivered: 'no',
    },
  );
}

/** Libraries wrap what their fetch throws. */
function ownError(error: unknown): McpctlError | undefined {
  let current = error;
  for (let depth = 0; depth < 8 && current instanceof Error; depth++) {
    if (current instanceof McpctlError) return current;
    current = current.cause;
  }
  return undefined;
}
