/** Each way a connection can fail says its own reason in plain words. */
import { describe, expect, it } from 'vitest';
import { McpctlError } from '../../../src/core/errors.js';
import { ConnectTimeoutError, networkError, tooLargeError } from '../../../src/io/http-errors.js';

const connecting = { host: 'example.com:443', delivered: 'no', connected: false, answered: false, reusedSocket: false } as const;
const sent = { ...connecting, delivered: 'maybe', connected: true } as const;
const failure = (code: string, more: object = {}) => Object.assign(new Error(`low-level ${code}`), { code, ...more });

describe('network error', () => {
  it.each([
    ['ECONNREFUSED', 'refused', /Cannot reach example\.com:443: connection refused/],
    ['ENOTFOUND', 'dns', /does not exist/],
    ['EAI_AGAIN', 'dns', /could not be looked up/],
    ['EHOSTUNREACH', 'unreachable', /no network route/],
    ['CERT_HAS_EXPIRED', 'tls', /has expired/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls', /another host name/],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'tls', /self-signed/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'tls', /does not speak TLS/],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'tls', /older than 1\.2/],
    ['ERR_SSL_SOMETHING_NEW', 'tls', /ERR_SSL_SOMETHING_NEW/],
    ['EMFILE', 'network', /low-level EMFILE/],
  ])('explains %s with the reason %s, keeps the cause and gives a hint', (code, reason, message) => {
    const cause = failure(code);
    const error = networkError(cause, connecting);
    expect(error).toMatchObject({ code: 'UNAVAILABLE', delivered: 'no', cause, details: { reason, code } });
    expect(error.message).toMatch(message);
    expect(error.hint).toBeTruthy();
  });

  it('names the OpenSSL reason of a bare EPROTO, and the first error of several addresses', () => {
    const text = 'write EPROTO 80:error:0A00042E:SSL routines:ssl3_read_bytes:tlsv1 alert protocol version:rec_layer_s3.c:1601:';
    expect(networkError(Object.assign(new Error(text), { code: 'EPROTO' }), connecting)).toMatchObject({
      message: expect.stringContaining('older than 1.2'),
      details: { reason: 'tls', code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' },
    });
    expect(networkError(failure('EPROTO'), connecting).details).toEqual({ reason: 'tls', code: 'EPROTO' });
    expect(networkError(new AggregateError([failure('ECONNREFUSED'), failure('ENETUNREACH')]), connecting).details).toMatchObject(
      {
        reason: 'refused',
      },
    );
  });

  it('tells a reset while connecting, before the answer, in the middle of it, and on a reused socket apart', () => {
    const reset = failure('ECONNRESET');
    expect(networkError(reset, connecting).message).toMatch(/Cannot reach .* at once/);
    expect(networkError(reset, sent).message).toMatch(/^No answer from/);
    expect(networkError(reset, { ...sent, answered: true }).message).toMatch(/broke off/);
    expect(networkError(reset, { ...sent, reusedSocket: true })).toMatchObject({
      delivered: 'maybe',
      details: { reason: 'reset', reusedSocket: true },
    });
  });

  it('is TIMEOUT for connecting too long, but UNAVAILABLE for a peer that vanished later', () => {
    expect(networkError(new ConnectTimeoutError(250), connecting)).toMatchObject({ code: 'TIMEOUT', delivered: 'no' });
    expect(networkError(new ConnectTimeoutError(250), connecting).message).toContain('250 ms');
    expect(networkError(failure('ETIMEDOUT'), connecting)).toMatchObject({ code: 'TIMEOUT' });
    expect(networkError(failure('ETIMEDOUT'), sent)).toMatchObject({ code: 'UNAVAILABLE', details: { reason: 'timeout' } });
  });

  it('is PROTOCOL for what is not HTTP or not compressed as said, TOO_LARGE for headers over the limit', () => {
    expect(networkError(failure('HPE_INVALID_CONSTANT'), sent)).toMatchObject({ code: 'PROTOCOL', delivered: 'maybe' });
    expect(networkError(failure('Z_DATA_ERROR'), sent)).toMatchObject({ code: 'PROTOCOL', details: { reason: 'encoding' } });
    expect(networkError(failure('HPE_HEADER_OVERFLOW'), sent)).toMatchObject({ code: 'TOO_LARGE' });
  });

  it('passes an error of ours on as it is', () => {
    const own = new McpctlError('UNAVAILABLE', 'blocked');
    expect(networkError(own, sent)).toBe(own);
    expect(tooLargeError('h:1', 16, 'event')).toMatchObject({ code: 'TOO_LARGE', delivered: 'maybe', details: { maxBytes: 16 } });
  });
});
