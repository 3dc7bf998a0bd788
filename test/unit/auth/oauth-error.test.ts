/** Errors of logins: which kind they are, what of the provider's words is told, and what never is. */
import { IssuerMismatchError, OAuthError, OAuthErrorCode, RegistrationRejectedError } from '@modelcontextprotocol/client';
import { describe, expect, it } from 'vitest';
import { oauthError, providerWords } from '../../../src/auth/oauth-error.js';
import { McpctlError } from '../../../src/core/errors.js';

const context = { server: { name: 'github' }, step: 'token' } as const;
const told = (error: unknown, more: Partial<Parameters<typeof oauthError>[1]> = {}) => oauthError(error, { ...context, ...more });
const inTypeError = (cause: unknown) => new TypeError('outer', { cause });
const http = (code: 'UNAVAILABLE' | 'TIMEOUT' | 'TOO_LARGE' | 'PROTOCOL', reason: string) =>
  inTypeError(new McpctlError(code, 'what happened', { details: { reason }, hint: 'the hint of HTTP' }));
const rejected = (status: number, body: string) =>
  new RegistrationRejectedError({ status, body, submittedMetadata: { redirect_uris: [] } });

describe('the kind of a failed login', () => {
  it.each<[string, unknown, string]>([
    ['no connection', http('UNAVAILABLE', 'refused'), 'AUTH_UNAVAILABLE'],
    ['no name', http('UNAVAILABLE', 'dns'), 'AUTH_UNAVAILABLE'],
    ['a bad certificate', http('UNAVAILABLE', 'tls'), 'AUTH_UNAVAILABLE'],
    ['no answer', http('TIMEOUT', 'timeout'), 'AUTH_UNAVAILABLE'],
    ['a refused address', http('UNAVAILABLE', 'blocked'), 'AUTH_FAILED'],
    ['a scheme', http('UNAVAILABLE', 'scheme'), 'AUTH_FAILED'],
    ['a large answer', http('TOO_LARGE', 'too-large'), 'AUTH_FAILED'],
    ['no HTTP', http('PROTOCOL', 'http'), 'AUTH_FAILED'],
    ['invalid_grant', new OAuthError(OAuthErrorCode.InvalidGrant, 'expired'), 'AUTH_FAILED'],
    ['temporarily_unavailable', new OAuthError(OAuthErrorCode.TemporarilyUnavailable, ''), 'AUTH_UNAVAILABLE'],
    ['access_denied', new OAuthError(OAuthErrorCode.AccessDenied, 'no'), 'AUTH_DENIED'],
    ['an error of openid-client', Object.assign(new Error('x'), { error: 'invalid_client', status: 401 }), 'AUTH_FAILED'],
    ['one of it in a cause', new Error('x', { cause: { error: 'server_error' } }), 'AUTH_UNAVAILABLE'],
    ['a rejected registration', rejected(400, '{"error":"invalid_redirect_uri"}'), 'AUTH_FAILED'],
    ['another issuer', new IssuerMismatchError('metadata', 'https://a', 'https://b'), 'AUTH_FAILED'],
    ['an answer that is no JSON', new SyntaxError('Unexpected token < in JSON'), 'AUTH_FAILED'],
    ['a mistake of our own', new TypeError('x is not a function'), 'INTERNAL'],
    ['an abort', new McpctlError('CANCELLED', 'Cancelled'), 'CANCELLED'],
    ['a locked keychain', new McpctlError('CREDENTIAL_STORE', 'locked'), 'CREDENTIAL_STORE'],
  ])('after %s', (_what, error, code) => {
    const failed = told(error);
    expect(failed.code).toBe(code);
    if (code.startsWith('AUTH_')) {
      expect(failed).toMatchObject({ server: 'github', delivered: 'no', details: { step: 'token' } });
      expect(failed.hint).toBeTruthy();
    }
  });

  it('stays, with its step, when it has been found already', () => {
    const once = told(new OAuthError(OAuthErrorCode.InvalidGrant, 'expired'));
    expect(told(once, { step: 'refresh' })).toBe(once);
    expect(told(inTypeError(once))).toBe(once);
  });
});

describe('the words of a provider', () => {
  it('are told behind the step, its code also in the details', () => {
    expect(told(new OAuthError(OAuthErrorCode.InvalidGrant, 'The code has expired'))).toMatchObject({
      message: 'Login to "github" failed while getting a token: the provider said invalid_grant: The code has expired',
      hint: 'to try again: mcpctl auth github',
      details: { step: 'token', error: 'invalid_grant' },
    });
    expect(
      told(rejected(400, '{"error":"invalid_client_metadata","error_description":"no such scope"}'), { step: 'registration' }),
    ).toMatchObject({
      message: 'Login to "github" failed while registering this client: the provider said invalid_client_metadata: no such scope',
      details: { step: 'registration', error: 'invalid_client_metadata', status: 400 },
    });
  });

  it('hold no escape sequence, no line break, no secret that was sent, no token, and no more than 200 characters', () => {
    const secret = 'the+client/secret=1';
    const description = `\u001b]0;title\u0007a\r\nb ${secret} ${encodeURIComponent(secret)} eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln \u202e ${'x'.repeat(500)}`;
    const { message } = told(Object.assign(new Error(''), { error: 'invalid_client', error_description: description }), {
      secrets: [secret, null, undefined],
    });
    expect(message).toMatch(
      /^Login to "github" failed while getting a token: the provider said invalid_client: a b \[redacted\] \[redacted\] \[redacted\] <U\+202E> x+…$/,
    );
    expect(message.length).toBeLessThan(300);
  });

  it('cut at 200 characters show no piece of a secret that stands there', () => {
    const secret = 'S'.repeat(1_000);
    const description = `${'x'.repeat(190)}${secret}`;
    const { message } = told(Object.assign(new Error(''), { error: 'e', error_description: description }), { secrets: [secret] });
    expect(message).not.toContain('SS');
  });

  it('that are no error of OAuth are not quoted: a page says its status alone', () => {
    const page = '<html>planted</html>';
    expect(told(rejected(404, page)).message).toMatch(/: the provider said HTTP 404$/);
    const unread = new OAuthError(OAuthErrorCode.ServerError, `HTTP 400: Invalid OAuth error response: no. Raw body: ${page}`);
    expect(told(unread)).toMatchObject({ code: 'AUTH_FAILED', message: expect.stringMatching(/: the provider said HTTP 400$/) });
  });

  it('in an answer that a library gives as the cause are told by its status, and the answer itself is not kept', () => {
    const answer = (status: number) => new Response('planted-body', { status });
    const page = new Error('unexpected content-type', { cause: answer(404) });
    const failed = told(new Error('oops', { cause: page }));
    expect(failed).toMatchObject({
      message: 'Login to "github" failed while getting a token: unexpected content-type (HTTP 404)',
      details: { step: 'token', status: 404 },
    });
    expect((failed.cause as Error).cause).toBeUndefined();
    expect(told(new Error('oops', { cause: answer(200) })).message).toMatch(/: oops$/);
    const raw = new OAuthError(OAuthErrorCode.InvalidGrant, 'it was planted-secret');
    const { cause, message } = told(raw, { secrets: ['planted-secret'] });
    expect(`${message} ${(cause as Error).stack}`).not.toContain('planted');
    expect((cause as Error).stack).toMatch(/^OAuthError: it was \[redacted\]\n\s+at /);
  });

  it.each([
    ['{"error":"a","error_description":"b"}', { error: 'a', description: 'b' }],
    ['{"error":"a","error_description":7}', { error: 'a' }],
    ['{"error":{"a":1}}', undefined],
    ['{"error":""}', undefined],
    ['null', undefined],
    ['<html>', undefined],
  ])('in the body %s are %j', (body, words) => {
    expect(providerWords(body)).toEqual(words);
  });
});
