/** Errors of the SDK, of JSON-RPC and of Node as errors of ours: judged by type and code, never by message text. */

import { ProtocolError, SdkError, SdkErrorCode, SdkHttpError, SseError, UnauthorizedError } from '@modelcontextprotocol/client';
import { formatDuration } from '../core/duration.js';
import { type Delivered, McpctlError, rootMessage } from '../core/errors.js';
import { sanitizeLine } from '../core/sanitize.js';
import { notUnderstood } from './era.js';

export interface ErrorContext {
  readonly server: string;
  /** What was being done, for the message: `tools/call`. */
  readonly what: string;
  /** Whose reason wins when it is aborted: the SDK reports our own abort as a timeout. */
  readonly signal?: AbortSignal | undefined;
  /** Who said who we are, for the hint of a refusal; absent when nobody did. */
  readonly sent?: 'configured' | 'stored' | undefined;
  /** What is to be thought of a closed connection; absent for transports that cannot tell. */
  readonly closeError?: (() => McpctlError) | undefined;
}

/** JSON-RPC code for "no such method" and the modern "protocol version not supported". */
const methodNotFound = -32601;
const unsupportedVersion = -32022;
const internalError = -32603;

/** The longest piece of a server's own words in a message, in characters. */
const maxExcerpt = 300;

/** What went wrong, as a McpctlError with a hint. */
export function fromSdkError(error: unknown, context: ErrorContext): McpctlError {
  const { server, what, signal } = context;
  if (signal?.aborted && signal.reason instanceof McpctlError) return signal.reason;
  if (error instanceof McpctlError) return ofServer(error, server);
  if (error instanceof ProtocolError) return fromProtocolError(error, context);
  if (error instanceof UnauthorizedError) return authRequired(context, error);
  if (error instanceof SdkHttpError) return fromHttpStatus(error.status, error, context);
  if (error instanceof SseError) {
    if (error.code === 200) return protocolError(context, 'it did not answer with an event stream', error);
    if (error.code !== undefined) return fromHttpStatus(error.code, error, context);
    return unavailable(
      context,
      `the event stream could not be opened (${sanitizeLine(rootMessage(error), maxExcerpt)})`,
      error,
      'maybe',
    );
  }
  if (error instanceof SdkError) return fromLocalError(error, context);
  // zod and JSON errors of the SDK, met while it decodes what the server sent.
  if (error instanceof SyntaxError || (error instanceof Error && error.name.endsWith('ZodError'))) {
    return protocolError(context, 'the answer is not a valid MCP message', error);
  }
  if (error instanceof Error && 'code' in error && typeof error.code === 'string')
    return unavailable(context, rootMessage(error), error, 'maybe');
  if (error instanceof Error && error.message === 'Not connected')
    return context.closeError?.() ?? unavailable(context, 'not connected', error, 'no');
  // The SDK refuses a server's answer to `initialize` with plain errors; a mistake in our own code has a class of its own.
  if (what === 'initialize' && error instanceof Error && error.name === 'Error')
    return protocolError(context, sanitizeLine(error.message, maxExcerpt), error);
  return new McpctlError('INTERNAL', `${what}: ${sanitizeLine(rootMessage(error), maxExcerpt)}`, { server, cause: error });

  function fromLocalError(local: SdkError, { closeError }: ErrorContext): McpctlError {
    switch (local.code) {
      case SdkErrorCode.ConnectionClosed:
      case SdkErrorCode.SendFailed:
        return closeError?.() ?? unavailable(context, 'the connection was closed', local, 'maybe');
      case SdkErrorCode.NotConnected:
        return closeError?.() ?? unavailable(context, 'not connected', local, 'no');
      case SdkErrorCode.RequestTimeout:
        return new McpctlError('TIMEOUT', `Server "${server}" did not answer ${what} in time`, {
          server,
          cause: local,
          delivered: 'maybe',
        });
      case SdkErrorCode.EraNegotiationFailed: {
        const cause = local.cause ?? (local.data as { cause?: unknown } | undefined)?.cause;
        if (cause instanceof McpctlError) return ofServer(cause, server);
        const ended = closeError?.();
        // The SDK closes the transport when it gives up: only an end of the server's own making says more than its words.
        const isByUs = ended?.code === 'UNAVAILABLE' && (ended.details?.reason ?? 'closed') === 'closed';
        if (ended && !isByUs) return ofServer(ended, server);
        return protocolError(context, sanitizeLine(rootMessage(local), maxExcerpt), local);
      }
      default:
        return protocolError(context, sanitizeLine(local.message, maxExcerpt), local);
    }
  }
}

/**
 * Whether the error says that the server does not speak the modern era we took for granted, and so did nothing.
 * `verified`: the server has answered in that era before, which only its own word can revoke.
 */
export function isEraMismatch(error: unknown, { verified, what }: { verified: boolean; what: string }): boolean {
  if (error instanceof ProtocolError) {
    if (error.code === unsupportedVersion) return true;
    // Every modern server answers `server/discover`, which is how we ping it; old ones refuse it with one code or another.
    if (what === 'ping' && error.code !== internalError) return !isOurs(error) || isNotUnderstood(error.data);
    if (verified) return false;
    return isOurs(error) ? isNotUnderstood(error.data) : error.code === methodNotFound;
  }
  return !verified && error instanceof SdkHttpError && notUnderstood.has(error.status);
}

/** Whether the answer came, but in the form of the older era: the server ignores what it does not know, and did what was asked. */
export function isOldAnswer(error: unknown): boolean {
  if (!(error instanceof SdkError) || error.code !== SdkErrorCode.InvalidResult) return false;
  return (error.data as { violation?: unknown } | undefined)?.violation === 'missing-resultType';
}

const isOurs = (error: ProtocolError) => error.data instanceof McpctlError;

const isNotUnderstood = (data: unknown) => notUnderstood.has((data as McpctlError).details?.status);

function fromProtocolError(error: ProtocolError, context: ErrorContext): McpctlError {
  // Our transports answer in the server's stead when they cannot deliver its answer; the reason travels in `data`.
  if (error.data instanceof McpctlError) return ofServer(error.data, context.server);
  const { server, what } = context;
  return new McpctlError(
    'REQUEST_REFUSED',
    `Server "${server}" refused ${what}: ${sanitizeLine(error.message, maxExcerpt)} (${error.code})`,
    {
      server,
      cause: error,
      details: { rpcCode: error.code },
      hint: error.code === methodNotFound ? 'this server does not offer that' : undefined,
      delivered: 'maybe',
    },
  );
}

/** Errors of the layers below do not know which server they concern. */
function ofServer(error: McpctlError, server: string): McpctlError {
  if (error.server !== undefined) return error;
  const message =
    error.code === 'UNAVAILABLE' ? `Server "${server}" is unavailable: ${error.message}` : `Server "${server}": ${error.message}`;
  const { hint, details, delivered } = error;
  return new McpctlError(error.code, message, { server, cause: error, hint, details, delivered });
}

/** An HTTP status that is not success. */
function fromHttpStatus(status: number, error: Error, context: ErrorContext): McpctlError {
  const { server, what } = context;
  const details = { status };
  if (status === 401) return authRequired(context, error);
  if (status === 403) {
    return new McpctlError('REQUEST_REFUSED', `Server "${server}" denied access (HTTP 403)${excerptOf(error)}`, {
      server,
      cause: error,
      details,
      delivered: 'no',
      hint: `check the token in its "headers", and what it is allowed to do`,
    });
  }
  if (status === 404) {
    return new McpctlError('UNAVAILABLE', `Server "${server}" has nothing at this address (HTTP 404)`, {
      server,
      cause: error,
      details: { ...details, reason: 'not-found' },
      hint: `check its url: mcpctl config show`,
      delivered: 'no',
    });
  }
  // Only 429 proves that nothing ran: gateways answer 503 also when the server behind them broke off in the middle.
  if (status >= 500 || status === 429) {
    const askedMs = error instanceof SdkHttpError ? error.data.retryAfterMs : undefined;
    const known = typeof askedMs === 'number' ? { ...details, retryAfterMs: askedMs } : details;
    return unavailable(context, `HTTP ${status}${excerptOf(error)}`, error, status === 429 ? 'no' : 'maybe', known);
  }
  if (status >= 300 && status < 400) {
    return new McpctlError(
      'PROTOCOL',
      `Server "${server}" answered ${what} with a redirect (HTTP ${status}), which is not followed`,
      {
        server,
        cause: error,
        details,
        hint: `write its final address as the url of "${server}"; your headers go to no other one`,
        delivered: 'no',
      },
    );
  }
  return new McpctlError('PROTOCOL', `Server "${server}" answered ${what} with HTTP ${status}${excerptOf(error)}`, {
    server,
    cause: error,
    details,
    delivered: 'maybe',
    hint: `check its url and headers: mcpctl config show`,
  });
}

function authRequired({ server, sent }: ErrorContext, cause: Error): McpctlError {
  const what = {
    configured: 'refuses the Authorization header in its configuration',
    stored: 'refuses the token that is stored for it',
    none: 'wants a login',
  }[sent ?? 'none'];
  return new McpctlError('AUTH_REQUIRED', `Server "${server}" ${what} (HTTP 401)`, {
    server,
    cause,
    hint: {
      configured: `correct it: mcpctl config explain ${server}`,
      stored: `give it another token: mcpctl auth-save ${server}`,
      none: `log in: mcpctl auth ${server}`,
    }[sent ?? 'none'],
    details: { status: 401 },
    delivered: 'no',
  });
}

function unavailable(
  { server }: ErrorContext,
  why: string,
  cause: unknown,
  delivered: Delivered,
  details: Record<string, unknown> = {},
): McpctlError {
  return new McpctlError('UNAVAILABLE', `Server "${server}" is unavailable: ${why}`, {
    server,
    cause,
    delivered,
    details,
    hint:
      typeof details.retryAfterMs === 'number'
        ? `it asks not to be asked again within ${formatDuration(details.retryAfterMs)}`
        : `mcpctl ping ${server}`,
  });
}

function protocolError({ server, what }: ErrorContext, why: string, cause: unknown): McpctlError {
  return new McpctlError('PROTOCOL', `Server "${server}", ${what}: ${why}`, {
    server,
    cause,
    hint: `is this an MCP server? mcpctl config show says how it is reached`,
    delivered: 'maybe',
  });
}

/** The server's own words about a refusal, made safe and short. */
function excerptOf(error: Error): string {
  const text =
    error instanceof SdkHttpError && typeof error.data.text === 'string' ? sanitizeLine(error.data.text, maxExcerpt) : '';
  return text ? `: ${text}` : '';
}
