/** What a caller's fetch arguments become on the wire. */
import { describe, expect, it } from 'vitest';
import { headerLines, outgoingBody, parseTarget } from '../../../src/io/http-request.js';

const target = parseTarget('https://example.com/mcp?x=1#part');
const lines = (init: RequestInit['headers'], body?: Parameters<typeof headerLines>[2]) => {
  const flat = headerLines(init, target, body);
  return Object.fromEntries(Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i]!.toLowerCase(), flat[2 * i + 1]]));
};

describe('target of a URL', () => {
  it('has the default ports 80 and 443, the path with query, and no fragment', () => {
    expect(target).toMatchObject({
      hostname: 'example.com',
      port: 443,
      path: '/mcp?x=1',
      host: 'example.com:443',
      href: 'https://example.com/mcp?x=1',
    });
    expect(parseTarget('http://example.com')).toMatchObject({ port: 80, path: '/', hostHeader: 'example.com' });
    expect(parseTarget('http://[::1]:8080/')).toMatchObject({
      hostname: '::1',
      port: 8080,
      hostHeader: '[::1]:8080',
      host: '[::1]:8080',
    });
  });

  it.each([
    ['ftp://example.com/', 'scheme'],
    ['file:///etc/passwd', 'scheme'],
    ['not a url', 'invalid-url'],
    ['https://user:hunter2@example.com/', 'userinfo'],
  ])('refuses %s without repeating a password', (url, reason) => {
    try {
      parseTarget(url);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: 'UNAVAILABLE', delivered: 'no', details: { reason } });
      expect(String(error)).not.toContain('hunter2');
    }
  });
});

describe('header lines', () => {
  it('adds host, accept, accept-encoding and user-agent only where the caller has none', () => {
    expect(lines(undefined)).toEqual({
      host: 'example.com',
      accept: '*/*',
      'accept-encoding': 'gzip, deflate, br',
      'user-agent': 'mcpctl',
    });
    expect(lines({ Accept: 'text/event-stream', 'User-Agent': 'x' })).toMatchObject({
      accept: 'text/event-stream',
      'user-agent': 'x',
    });
  });

  it('takes a Headers object, a list of pairs and a plain object alike', () => {
    const expected = { authorization: 'Bearer t', accept: '*/*' };
    expect(lines(new Headers({ authorization: 'Bearer t' }))).toMatchObject(expected);
    expect(lines([['authorization', 'Bearer t']])).toMatchObject(expected);
    expect(lines({ authorization: 'Bearer t' })).toMatchObject(expected);
  });

  it('drops the headers that belong to the connection, and sets the length of the body itself', () => {
    const headers = {
      connection: 'close',
      'Transfer-Encoding': 'chunked',
      'content-length': '3',
      te: 'trailers',
      upgrade: 'h2c',
      'x-a': '1',
    };
    const got = lines(headers, outgoingBody('déjà', 'POST'));
    expect(got).toMatchObject({ 'x-a': '1', 'content-length': '6', 'content-type': 'text/plain;charset=UTF-8' });
    expect(Object.keys(got)).not.toEqual(expect.arrayContaining(['connection']));
    expect(Object.keys(got).filter((name) => ['transfer-encoding', 'te', 'upgrade', 'connection'].includes(name))).toEqual([]);
  });
});

describe('outgoing body', () => {
  it('knows the bytes of strings, forms and views', () => {
    expect(outgoingBody('ä', 'POST')).toMatchObject({ bytes: 2 });
    expect(outgoingBody(new URLSearchParams({ a: 'ä b' }), 'POST')).toMatchObject({
      data: 'a=%C3%A4+b',
      bytes: 10,
      contentType: 'application/x-www-form-urlencoded;charset=UTF-8',
    });
    expect(outgoingBody(new Uint8Array([1, 2, 3, 4]).subarray(1, 3), 'POST')).toMatchObject({
      bytes: 2,
      data: new Uint8Array([2, 3]),
    });
    expect(outgoingBody(undefined, 'GET')).toBeUndefined();
    expect(outgoingBody(undefined, 'POST')).toMatchObject({ bytes: 0 });
  });

  it('refuses a body on GET, and kinds of body that nothing here sends', () => {
    expect(() => outgoingBody('x', 'GET')).toThrow(TypeError);
    expect(() => outgoingBody(new ReadableStream(), 'POST')).toThrow(TypeError);
    expect(() => outgoingBody(new Blob(['x']), 'POST')).toThrow(TypeError);
  });
});
