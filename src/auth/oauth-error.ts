/** What went wrong in a login, in words for the user: the step, what the provider said, and whether it is worth trying again. */
import { McpctlError, type McpctlErrorOptions, toMcpctlError } from '../core/errors.js';
import { Redactor } from '../core/redact.js';
import { sanitizeLine } from '../core/sanitize.js';

/** The steps of a login, and of what comes after it. */
export type OAuthStep =
  | 'challenge'
  | 'resource-metadata'
  | 'server-metadata'
  | 'registration'
  | 'authorization'
  | 'device'
  | 'token'
  | 'refresh'
  | 'revocation';

const stepTexts: Readonly<Record<OAuthStep, string>> = {
  challenge: 'asking the server',
  'resource-metadata': 'reading the metadata of the server',
  'server-metadata': 'reading the metadata of the authorization server',
  registration: 'registering this client',
  authorization: 'asking for permission',
  device: 'asking for a device code',
  token: 'getting a token',
  refresh: 'renewing the token',
  revocation: 'taking the token back',
};

export interface OAuthErrorContext {
  readonly server: { readonly name: string };
  readonly step: OAuthStep;
  /** What was sent and must not come back in a message: codes, verifiers, tokens, secrets. */
  readonly secrets?: readonly (string | null | undefined)[] | undefined;
  /** What to do when it failed for good, where the error itself does not say; by default to try again. */
  readonly hint?: string | undefined;
}

/** What a provider says in an error (RFC 6749, section 5.2), as it came. */
export interface ProviderWords {
  readonly error: string;
  readonly description?: string | undefined;
}

/** An answer that says "not now": 429 or 5xx. */
export class ProviderTrouble extends Error {
  override readonly name = 'ProviderTrouble';
  constructor(
    readonly host: string,
    readonly status: number,
    readonly words: ProviderWords | undefined,
    readonly retryAfterMs: number | undefined,
  ) {
    super(`${host} answered with HTTP ${status}`);
  }
}

/** Errors of a provider that pass by themselves. */
const passing = new Set(['temporarily_unavailable', 'server_error', 'slow_down', 'too_many_requests']);
/** Reasons of a request that was never sent, and would not be the next time either. */
const lasting = new Set<unknown>(['blocked', 'address', 'scheme', 'userinfo', 'invalid-url']);

const maxCode = 60;
const maxDescription = 200;
const jsonWebToken = /\beyJ[\w-]{8,}(?:\.[\w-]*){1,4}/g;

/**
 * Any failure of a login as one of ours: `AUTH_UNAVAILABLE` for what passes (network, time-out, 429, 5xx), `AUTH_DENIED` for a
 * person's no, `AUTH_FAILED` otherwise; with `details.step`, and `details.error` for the provider's own code. What is about
 * something else (`CANCELLED`, `CREDENTIAL_STORE`, `USAGE` …) stays as it is.
 */
export function oauthError(error: unknown, context: OAuthErrorContext): McpctlError {
  for (const found of chain(error)) {
    if (found instanceof ProviderTrouble) return fromTrouble(found, error, context);
    if (found instanceof McpctlError) return fromOwn(found, context);
  }
  const words = wordsOf(error);
  if (words) return refusedBy(words, quietly(error, context), context);
  // Without a cause these are mistakes in our own code.
  if (error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError) return toMcpctlError(error);
  const errors = [...chain(error)].filter((found) => found instanceof Error);
  const isUnreadable = errors.some((found) => found instanceof SyntaxError || found.name.endsWith('ZodError'));
  const what = isUnreadable
    ? 'the answer is not what the standard asks for'
    : clean(errors.at(-1)?.message ?? String(error), context);
  const status = statusOf(error);
  return authFailed(status === undefined ? what : `${what} (HTTP ${status})`, context, {
    cause: quietly(error, context),
    details: status === undefined ? {} : { status },
  });
}

/** A login that failed and would fail again. */
export function authFailed(
  what: string,
  { server, step, hint = tryAgain(server.name) }: OAuthErrorContext,
  { details, ...options }: McpctlErrorOptions = {},
): McpctlError {
  return new McpctlError('AUTH_FAILED', sentence(server.name, step, what), {
    server: server.name,
    delivered: 'no',
    ...options,
    hint: options.hint ?? hint,
    details: { step, ...details },
  });
}

/** A login that failed for now. What is stored stays. */
export function authUnavailable(
  what: string,
  { server, step }: OAuthErrorContext,
  { details, ...options }: McpctlErrorOptions = {},
): McpctlError {
  return new McpctlError('AUTH_UNAVAILABLE', sentence(server.name, step, what), {
    server: server.name,
    delivered: 'no',
    hint: `try again later: mcpctl auth ${server.name}`,
    ...options,
    details: { step, ...details },
  });
}

/** The provider's words in a body, if it is an error of OAuth. */
export function providerWords(body: string): ProviderWords | undefined {
  try {
    return ofObject(JSON.parse(body));
  } catch {
    return undefined;
  }
}

function tryAgain(name: string): string {
  return `to try again: mcpctl auth ${name}`;
}

function sentence(name: string, step: OAuthStep, what: string): string {
  return `Login to "${name}" failed while ${stepTexts[step]}: ${what}`;
}

function fromTrouble(
  { host, status, words, retryAfterMs }: ProviderTrouble,
  cause: unknown,
  context: OAuthErrorContext,
): McpctlError {
  const said = words && told(words, context);
  const details = { status, ...(said && { error: said.error }), ...(retryAfterMs !== undefined && { retryAfterMs }) };
  return authUnavailable(`${host} answered with HTTP ${status}${said ? ` (${said.text})` : ''}`, context, { cause, details });
}

function fromOwn(error: McpctlError, context: OAuthErrorContext): McpctlError {
  const { code, message, hint, details } = error;
  switch (code) {
    case 'UNAVAILABLE':
    case 'TIMEOUT': {
      if (lasting.has(details?.reason)) return authFailed(message, context, { cause: error, hint, details });
      // The hints of HTTP are about the server's URL, except where they tell what to do about a certificate.
      const isTls = details?.reason === 'tls' && hint !== undefined;
      return authUnavailable(message, context, { cause: error, details, ...(isTls && { hint }) });
    }
    case 'TOO_LARGE':
      return authFailed(`${message}, which is more than a login needs`, context, { cause: error, details });
    case 'PROTOCOL':
      return authFailed(message, context, { cause: error, hint, details });
    case 'AUTH_FAILED':
    case 'AUTH_DENIED':
    case 'AUTH_UNAVAILABLE': {
      if (details?.step !== undefined) return error;
      const { server, step } = context;
      const options = { cause: error, hint: hint ?? tryAgain(server.name), server: server.name, details: { step, ...details } };
      return new McpctlError(code, sentence(server.name, step, message), { ...options, delivered: 'no' });
    }
    default:
      return error;
  }
}

function refusedBy(words: ProviderWords & { status?: number }, cause: unknown, context: OAuthErrorContext): McpctlError {
  const { error, text } = told(words, context);
  const details = { error, ...(words.status !== undefined && { status: words.status }) };
  if (passing.has(words.error)) return authUnavailable(`the provider said ${text}`, context, { cause, details });
  const { server, step } = context;
  if (words.error === 'access_denied') {
    const options = {
      cause,
      hint: tryAgain(server.name),
      server: server.name,
      delivered: 'no',
      details: { step, ...details },
    } as const;
    return new McpctlError('AUTH_DENIED', `Login to "${server.name}" was denied: the provider said ${text}`, options);
  }
  return authFailed(`the provider said ${text}`, context, { cause, details });
}

function told({ error, description }: ProviderWords, context: OAuthErrorContext): { error: string; text: string } {
  const code = clean(error, context, maxCode);
  const more = description === undefined ? '' : clean(description, context);
  return { error: code, text: more === '' ? code : `${code}: ${more}` };
}

/** A stranger's text for a message: one line, short, without what we sent and without tokens. */
function clean(text: string, { secrets = [] }: OAuthErrorContext, maxLength = maxDescription): string {
  const redactor = new Redactor();
  for (const secret of secrets) if (secret) redactor.add(secret);
  // Cut last: a secret that is cut in two would no longer be found.
  return sanitizeLine(redactor.redact(text).replace(jsonWebToken, '[redacted]'), maxLength);
}

/** An error as evidence: libraries put whole answers into theirs, tokens included. */
function quietly(error: unknown, context: OAuthErrorContext): Error | undefined {
  if (!(error instanceof Error)) return undefined;
  const copy = new Error(clean(error.message, context));
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  copy.stack = [`${error.name}: ${copy.message}`, ...frames].join('\n');
  return copy;
}

/** Of an answer that openid-client gives as the cause; undefined for a success, which says nothing. */
function statusOf(error: unknown): number | undefined {
  const response = [...chain(error)].find((found) => found instanceof Response);
  return response && !response.ok ? response.status : undefined;
}

/** What an error of the SDK or of openid-client holds of the provider's words, by its shape: neither need be loaded for it. */
function wordsOf(error: unknown): (ProviderWords & { status?: number }) | undefined {
  for (const found of chain(error)) {
    const { status, body, code, name, message } = found as Partial<Record<string, unknown>>;
    const known = typeof status === 'number' ? { status } : {};
    const direct = ofObject(found);
    if (direct) return { ...direct, ...known };
    // RegistrationRejectedError
    if (typeof body === 'string' && typeof status === 'number')
      return { ...(providerWords(body) ?? { error: `HTTP ${status}` }), ...known };
    if (name === 'OAuthError' && typeof code === 'string' && typeof message === 'string') {
      // The SDK's word for an answer that it could not read; it quotes the whole of it.
      const unread = /^(?:HTTP (\d{3}): )?Invalid OAuth error response/.exec(message);
      if (unread) return { error: unread[1] === undefined ? 'nothing that is an error of OAuth' : `HTTP ${unread[1]}` };
      return { error: code, ...(message !== '' && message !== code && { description: message }) };
    }
  }
  return undefined;
}

function ofObject(value: unknown): ProviderWords | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { error, error_description: description } = value as Partial<Record<string, unknown>>;
  if (typeof error !== 'string' || error === '') return undefined;
  return { error, ...(typeof description === 'string' && description !== '' && { description }) };
}

function* chain(error: unknown): Generator<object> {
  let current = error;
  for (let depth = 0; depth < 8 && typeof current === 'object' && current !== null; depth++) {
    yield current;
    current = (current as { cause?: unknown }).cause;
  }
}
