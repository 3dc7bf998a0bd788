/** Errors of the SDK, JSON-RPC and Node as ours: by type and code, readable, safe. */
import { ProtocolError, SdkError, SdkErrorCode, SdkHttpError, SseError, UnauthorizedError } from '@modelcontextprotocol/client';
import { describe, expect, it } from 'vitest';
import { McpctlError } from '../../../src/core/errors.js';
import { fromSdkError, isEraMismatch, isOldAnswer } from '../../../src/mcp/sdk-errors.js';

const http = (status: number, text = '') =>
  new SdkHttpError(SdkErrorCode.ClientHttpNotImplemented, 'x', { status, statusText: 'y', text });
const context = { server: 'files', what: 'tools/call' };
const closed = new McpctlError('SERVER_EXITED', 'Server "files" exited', { server: 'files', delivered: 'maybe' });
const withClose = { ...context, closeError: () => closed };

describe('fromSdkError', () => {
  it.each([
    ['HTTP 401', http(401), 'AUTH_REQUIRED', 'no'],
    ['UnauthorizedError', new UnauthorizedError('x'), 'AUTH_REQUIRED', 'no'],
    ['HTTP 403', http(403), 'REQUEST_REFUSED', 'no'],
    ['HTTP 404', http(404), 'UNAVAILABLE', 'no'],
    ['HTTP 429', http(429), 'UNAVAILABLE', 'no'],
    ['HTTP 500', http(500), 'UNAVAILABLE', 'maybe'],
    ['HTTP 503, which gateways also say after a break', http(503), 'UNAVAILABLE', 'maybe'],
    ['HTTP 307', http(307), 'PROTOCOL', 'no'],
    ['HTTP 422', http(422), 'PROTOCOL', 'maybe'],
    ['SSE with 401', new SseError(401, 'x', {} as never), 'AUTH_REQUIRED', 'no'],
    ['SSE with 200 and no event stream', new SseError(200, 'x', {} as never), 'PROTOCOL', 'maybe'],
    ['SSE without a status', new SseError(undefined, 'x', {} as never), 'UNAVAILABLE', 'maybe'],
    ['a refusal in JSON-RPC', new ProtocolError(-32602, 'no'), 'REQUEST_REFUSED', 'maybe'],
    ['a timeout of the SDK', new SdkError(SdkErrorCode.RequestTimeout, 'x'), 'TIMEOUT', 'maybe'],
    ['a list without an end', new SdkError(SdkErrorCode.ListPaginationExceeded, 'x'), 'PROTOCOL', 'maybe'],
    ['a result of the wrong shape', new SdkError(SdkErrorCode.InvalidResult, 'x'), 'PROTOCOL', 'maybe'],
    ['broken JSON', new SyntaxError('x'), 'PROTOCOL', 'maybe'],
    ['a schema error', Object.assign(new Error('x'), { name: '$ZodError' }), 'PROTOCOL', 'maybe'],
    ['an error of Node', Object.assign(new Error('x'), { code: 'EPIPE' }), 'UNAVAILABLE', 'maybe'],
    ['a connection that was closed', new SdkError(SdkErrorCode.ConnectionClosed, 'x'), 'UNAVAILABLE', 'maybe'],
  ] as const)('%s', (_name, error, code, delivered) => {
    const ours = fromSdkError(error, context);
    expect(ours).toMatchObject({ code, delivered, server: 'files' });
    expect(ours.message).toContain('files');
    expect(ours.cause).toBe(error);
  });

  it('the reason of our own abort wins over what the SDK makes of it', () => {
    const reason = new McpctlError('CANCELLED', 'Cancelled');
    const signal = AbortSignal.abort(reason);
    expect(fromSdkError(new SdkError(SdkErrorCode.RequestTimeout, 'x'), { ...context, signal })).toBe(reason);
  });

  it.each([SdkErrorCode.ConnectionClosed, SdkErrorCode.SendFailed, SdkErrorCode.NotConnected])(
    '%s is told in the words of the transport',
    (code) => {
      expect(fromSdkError(new SdkError(code, 'x'), withClose)).toBe(closed);
    },
  );

  it('an error of ours that travelled through JSON-RPC or through the negotiation comes out again, with the server', () => {
    const inner = new McpctlError('TOO_LARGE', 'The answer is too large', { hint: 'ask for less', delivered: 'maybe' });
    const errors = [
      new ProtocolError(-32000, 'x', inner),
      new SdkError(SdkErrorCode.EraNegotiationFailed, 'x', { cause: inner }),
      inner,
    ];
    for (const error of errors) {
      const ours = fromSdkError(error, context);
      expect(ours).toMatchObject({ code: 'TOO_LARGE', server: 'files', hint: 'ask for less', delivered: 'maybe' });
      expect(ours.message).toBe('Server "files": The answer is too large');
    }
  });

  it('a failed negotiation is told in its own words when only we closed the transport', () => {
    const byUs = new McpctlError('UNAVAILABLE', 'The connection was closed', { details: { reason: 'closed' } });
    const error = new SdkError(SdkErrorCode.EraNegotiationFailed, 'the server did not offer 2026-07-28');
    expect(fromSdkError(error, { ...context, closeError: () => byUs })).toMatchObject({ code: 'PROTOCOL' });
    expect(fromSdkError(error, withClose)).toBe(closed);
  });

  it("a plain error of the handshake is the server's fault; a mistake in our code is INTERNAL", () => {
    expect(fromSdkError(new Error('version is not supported'), { ...context, what: 'initialize' }).code).toBe('PROTOCOL');
    expect(fromSdkError(new TypeError('x is not a function'), { ...context, what: 'initialize' }).code).toBe('INTERNAL');
    expect(fromSdkError('a text', context).code).toBe('INTERNAL');
  });

  it("the server's words are cut to 300 characters and lose their escape sequences", () => {
    for (const error of [
      http(500, `\u001b[31m${'a'.repeat(100_000)}`),
      new ProtocolError(-32000, `\u001b[31m${'a'.repeat(100_000)}`),
    ]) {
      const { message } = fromSdkError(error, context);
      expect(message).not.toContain('\u001b');
      expect(message.length).toBeLessThan(450);
    }
  });
});

describe('isEraMismatch', () => {
  const unverifiedCall = { verified: false, what: 'tools/call' };
  const verifiedCall = { verified: true, what: 'tools/call' };
  const refusal = (status: number) => new ProtocolError(-32000, 'x', new McpctlError('PROTOCOL', 'x', { details: { status } }));

  it.each([
    ['-32022 of an adopted session', new ProtocolError(-32022, 'x'), unverifiedCall, true],
    ['-32022 of a session that has worked', new ProtocolError(-32022, 'x'), verifiedCall, true],
    ['-32601 of an adopted session', new ProtocolError(-32601, 'x'), unverifiedCall, true],
    ['-32601 of a session that has worked', new ProtocolError(-32601, 'x'), verifiedCall, false],
    ['-32602: wrong arguments', new ProtocolError(-32602, 'x'), unverifiedCall, false],
    ['-32602 to a ping', new ProtocolError(-32602, 'x'), { verified: true, what: 'ping' }, true],
    ['-32603 to a ping', new ProtocolError(-32603, 'x'), { verified: false, what: 'ping' }, false],
    ['HTTP 400 of an adopted session', http(400), unverifiedCall, true],
    ['HTTP 404 of an adopted session', http(404), unverifiedCall, true],
    ['HTTP 400 of a session that has worked', http(400), verifiedCall, false],
    ['HTTP 401', http(401), unverifiedCall, false],
    ['HTTP 500', http(500), unverifiedCall, false],
    ['HTTP 400 with a JSON-RPC error', refusal(400), unverifiedCall, true],
    ['HTTP 400 with a JSON-RPC error, after success', refusal(400), verifiedCall, false],
    ['a broken stream', new ProtocolError(-32000, 'x', new McpctlError('UNAVAILABLE', 'x')), unverifiedCall, false],
    [
      'a broken stream under a ping',
      new ProtocolError(-32000, 'x', new McpctlError('UNAVAILABLE', 'x')),
      { verified: true, what: 'ping' },
      false,
    ],
  ])('%s: %#', (_name, error, where, expected) => {
    expect(isEraMismatch(error, where)).toBe(expected);
  });

  it('an answer without resultType is one of the older era', () => {
    expect(isOldAnswer(new SdkError(SdkErrorCode.InvalidResult, 'x', { violation: 'missing-resultType' }))).toBe(true);
    expect(isOldAnswer(new SdkError(SdkErrorCode.InvalidResult, 'x', { violation: 'other' }))).toBe(false);
    expect(isOldAnswer(new Error('x'))).toBe(false);
  });
});
