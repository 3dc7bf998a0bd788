/** Failures of an HTTP exchange in plain words: what broke, with which host, and what the user can do. */
import { type Delivered, McpctlError, rootMessage } from '../core/errors.js';

/** Where an exchange stood when it failed. */
export interface FailureContext {
  /** `host:port`, for the message. */
  readonly host: string;
  readonly delivered: Delivered;
  /** Whether the socket was ready for the request: before that a failure is one of connecting. */
  readonly connected: boolean;
  /** Whether the response had begun. */
  readonly answered: boolean;
  /** Whether the socket had served an earlier request: then a reset usually means that the server closed it as idle. */
  readonly reusedSocket: boolean;
}

/** Marks that TCP and TLS together took longer than allowed. */
export class ConnectTimeoutError extends Error {
  override readonly name = 'ConnectTimeoutError';
  readonly code = 'CONNECT_TIMEOUT';
  constructor(readonly timeoutMs: number) {
    super(`no connection within ${timeoutMs} ms`);
  }
}

interface Explanation {
  readonly reason: 'refused' | 'dns' | 'reset' | 'tls' | 'timeout' | 'unreachable';
  readonly text: string;
  readonly hint: string;
}

const checkUrl = 'check that the server is running and that its URL is right: mcpctl servers';
const addCa = 'if you trust its issuer, give the issuer\'s PEM file as "ca" of this server';
const tls = (text: string, hint: string): Explanation => ({ reason: 'tls', text, hint });
const untrusted = tls('its certificate comes from an issuer that is not trusted here', addCa);
const selfSigned = tls('its certificate is self-signed', 'if you trust it, give its PEM file as "ca" of this server');
const oldTls = tls('it offers only TLS versions older than 1.2', 'enable TLS 1.2 or 1.3 on the server');
const notTls = tls('it does not speak TLS on this port', 'if the server has plain HTTP there, write http:// in its URL');
const noSuchName: Explanation = {
  reason: 'dns',
  text: 'the host name does not exist',
  hint: 'check the host name in the URL: mcpctl servers',
};
const noRoute: Explanation = {
  reason: 'unreachable',
  text: 'no network route leads there',
  hint: 'check the network or VPN connection',
};
const reset: Explanation = { reason: 'reset', text: 'the server closed the connection', hint: checkUrl };

const explanations: Readonly<Record<string, Explanation>> = {
  ECONNREFUSED: { reason: 'refused', text: 'connection refused, nothing listens there', hint: checkUrl },
  ENOTFOUND: noSuchName,
  EAI_NONAME: noSuchName,
  EAI_NODATA: noSuchName,
  EAI_AGAIN: {
    reason: 'dns',
    text: 'the host name could not be looked up now',
    hint: 'check the network connection and the DNS resolver',
  },
  EAI_FAIL: { reason: 'dns', text: 'the DNS resolver failed', hint: 'check the network connection and the DNS resolver' },
  ECONNRESET: reset,
  ECONNABORTED: reset,
  EPIPE: reset,
  ERR_STREAM_PREMATURE_CLOSE: reset,
  EHOSTUNREACH: noRoute,
  ENETUNREACH: noRoute,
  EHOSTDOWN: noRoute,
  ENETDOWN: noRoute,
  EADDRNOTAVAIL: noRoute,
  ETIMEDOUT: { reason: 'timeout', text: 'the connection timed out', hint: checkUrl },
  CERT_HAS_EXPIRED: tls('its certificate has expired', "renew the server's certificate, or check this machine's clock"),
  CERT_NOT_YET_VALID: tls('its certificate is not valid yet', "check this machine's clock"),
  CERT_REVOKED: tls('its certificate has been revoked', "renew the server's certificate"),
  ERR_TLS_CERT_ALTNAME_INVALID: tls(
    'its certificate is for another host name',
    'write the host name of the certificate in the URL',
  ),
  DEPTH_ZERO_SELF_SIGNED_CERT: selfSigned,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  UNABLE_TO_GET_ISSUER_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  CERT_UNTRUSTED: untrusted,
  ERR_SSL_UNSUPPORTED_PROTOCOL: oldTls,
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: oldTls,
  ERR_SSL_WRONG_SSL_VERSION: oldTls,
  ERR_SSL_WRONG_VERSION_NUMBER: notTls,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: notTls, // OpenSSL 3.2 and later say this where 3.0 says "wrong version number"
  ERR_SSL_HTTP_REQUEST: notTls,
};

/**
 * The error of ours for whatever a socket, a resolver, TLS or the HTTP parser raised; errors of ours pass unchanged.
 * The original stays as `cause`.
 */
export function networkError(error: unknown, context: FailureContext): McpctlError {
  if (error instanceof McpctlError) return error;
  const code = codeOf(error);
  const options = { cause: error, delivered: context.delivered };
  const extra = context.reusedSocket ? { reusedSocket: true } : {};
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new McpctlError('TOO_LARGE', `The response headers of ${context.host} are too large`, {
      ...options,
      details: { reason: 'headers', code },
    });
  }
  if (code.startsWith('HPE_')) {
    return new McpctlError('PROTOCOL', `${context.host} did not answer with valid HTTP`, {
      ...options,
      hint: 'check the port of the URL, and whether it begins with http:// or https:// as the server expects',
      details: { reason: 'http', code, ...extra },
    });
  }
  if (/^(Z_|ERR__ERROR_|ERR_BROTLI)/.test(code)) {
    return new McpctlError('PROTOCOL', `The answer of ${context.host} is not validly compressed`, {
      ...options,
      hint: 'make the server answer with a correct content encoding, or with none',
      details: { reason: 'encoding', code },
    });
  }
  if (code === 'CONNECT_TIMEOUT' || (code === 'ETIMEDOUT' && !context.connected)) {
    return new McpctlError('TIMEOUT', `Cannot reach ${context.host}: ${connectTimeoutText(error)}`, {
      ...options,
      hint: checkUrl,
      details: { reason: 'timeout', code },
    });
  }
  const known = explanations[code];
  const isTls = code === 'EPROTO' || code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_');
  const reason = known?.reason ?? (isTls ? 'tls' : 'network');
  const text = known?.text ?? (isTls ? `the TLS handshake failed (${code})` : rootMessage(error));
  return new McpctlError('UNAVAILABLE', sentence(context, reason === 'reset' ? resetText(context) : text), {
    ...options,
    hint: known?.hint ?? checkUrl,
    details: { reason, code, ...extra },
  });
}

/** An answer, or one event of it, that is larger than allowed. */
export function tooLargeError(host: string, maxBytes: number, what: 'answer' | 'event'): McpctlError {
  return new McpctlError('TOO_LARGE', `The ${what} of ${host} is larger than ${maxBytes} bytes`, {
    hint: 'ask for less, or raise "maxMessageBytes" of this server',
    details: { reason: 'too-large', maxBytes },
    delivered: 'maybe',
  });
}

/** The code of an error, following an AggregateError of several addresses and naming OpenSSL's reason. */
function codeOf(error: unknown): string {
  const { code, message, errors } = (error ?? {}) as { code?: unknown; message?: unknown; errors?: unknown[] };
  if (code === 'EPROTO') {
    // A handshake that fails under a waiting write carries OpenSSL's line in its text alone: error:<number>:<library>:<function>:<reason>:
    const reason = /error:[0-9A-F]{8}:[^:]*:[^:]*:([^:]+)/i.exec(String(message))?.[1];
    return reason === undefined ? code : `ERR_SSL_${reason.trim().toUpperCase().replaceAll(' ', '_')}`;
  }
  if (typeof code === 'string') return code;
  return errors !== undefined && errors.length > 0 ? codeOf(errors[0]) : 'UNKNOWN';
}

function sentence({ host, connected, answered }: FailureContext, text: string): string {
  if (answered) return `The answer of ${host} broke off: ${text}`;
  return connected ? `No answer from ${host}: ${text}` : `Cannot reach ${host}: ${text}`;
}

function resetText({ connected, answered, reusedSocket }: FailureContext): string {
  if (answered) return 'the server closed the connection in the middle of it';
  if (!connected) return 'the server closed the connection at once';
  return reusedSocket ? 'the server closed a kept connection as it was used again' : 'the server closed the connection';
}

function connectTimeoutText(error: unknown): string {
  return error instanceof ConnectTimeoutError ? error.message : 'the connection timed out';
}
