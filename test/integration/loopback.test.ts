/** The listener that the browser comes back to: what it takes, what it refuses, and that it is gone at once. */
import { request } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { type Loopback, openLoopback } from '../../src/auth/loopback.js';
import { systemClock } from '../../src/core/clock.js';
import { FakeClock } from '../support/fake-clock.js';
import { startHttpServer } from '../support/http-server.js';
import { waitFor } from '../support/wait-for.js';

const state = 'state-of-this-login';

const open = (more: { port?: number; preferredPort?: number } = {}) =>
  openLoopback({ server: 'web', port: more.port ?? null, preferredPort: more.preferredPort ?? null, clock: systemClock });

function begin(loopback: Loopback, signal = new AbortController().signal) {
  const redirectUri = `${loopback.origin}/callback/path`;
  const received = loopback.receive({ redirectUri, state }, signal);
  received.catch(() => {});
  return { redirectUri, received };
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

function ask(url: string, options: { method?: string; headers?: Record<string, string>; path?: string } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port, pathname, search } = new URL(url);
    const sent = request({ hostname, port, path: pathname + search, setHost: !options.headers, ...options }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    sent.on('error', reject);
    sent.end();
  });
}

/** As no client of Node would send it. */
function askTwoHosts(url: string, ...hosts: string[]): Promise<Answer> {
  const { port, pathname, search } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1');
    let text = '';
    socket.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
    socket.once('error', reject);
    socket.once('close', () => resolve({ status: Number(/^HTTP\/1.1 (\d+)/.exec(text)?.[1]), headers: {}, body: '' }));
    socket.write(`GET ${pathname}${search} HTTP/1.1\r\n${hosts.map((host) => `Host: ${host}\r\n`).join('')}\r\n`);
  });
}

const isRefused = (origin: string) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(Number(new URL(origin).port), '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', () => resolve(true));
  });

describe('the callback', () => {
  it('with the right state is taken once, answered with the page, and the port is closed', async () => {
    await using loopback = await open();
    const { redirectUri, received } = begin(loopback);
    const answer = await ask(`${redirectUri}?state=${state}&code=c0de`);
    expect((await received).href).toBe(`${redirectUri}?state=${state}&code=c0de`);
    expect(answer.status).toBe(200);
    await waitFor(() => isRefused(loopback.origin));
  });

  it('with an error is taken too: judging it is for those who know the issuer', async () => {
    await using loopback = await open();
    const { redirectUri, received } = begin(loopback);
    await ask(`${redirectUri}?state=${state}&error=access_denied`);
    expect((await received).searchParams.get('error')).toBe('access_denied');
  });

  it('comes through after 100 forged ones', async () => {
    await using loopback = await open();
    const { redirectUri, received } = begin(loopback);
    for (let i = 0; i < 100; i++) {
      const query = [`state=forged-${i}&code=x`, 'error=access_denied', `state=${state}&state=${state}&code=x`, ''][i % 4];
      expect((await ask(`${redirectUri}?${query}`)).status).toBe(400);
    }
    expect((await ask(`${redirectUri}?state=${state}&code=real`)).status).toBe(200);
    expect((await received).searchParams.get('code')).toBe('real');
  });

  it.each<[string, number, (uri: string) => Promise<Answer>]>([
    ['another Host', 400, (uri) => ask(uri, { headers: { host: 'evil.example' } })],
    ['localhost as Host', 400, (uri) => ask(uri, { headers: { host: new URL(uri).host.replace('127.0.0.1', 'localhost') } })],
    ['no port in Host', 400, (uri) => ask(uri, { headers: { host: '127.0.0.1' } })],
    ['two Hosts', 400, (uri) => askTwoHosts(uri, new URL(uri).host, 'evil.example')],
    ['an absolute target', 400, (uri) => ask(uri, { path: uri })],
    ['a target with two slashes', 400, (uri) => ask(uri, { path: `//evil.example${new URL(uri).pathname}` })],
    ['POST', 405, (uri) => ask(uri, { method: 'POST' })],
    ['HEAD', 405, (uri) => ask(uri, { method: 'HEAD' })],
    ['OPTIONS', 405, (uri) => ask(uri, { method: 'OPTIONS' })],
    ['another path', 404, (uri) => ask(uri.replace('/callback/path', '/callback'))],
    ['the icon of the page', 404, (uri) => ask(new URL('/favicon.ico', uri).href)],
  ])('with %s is refused with %i, and the login goes on', async (_, status, send) => {
    await using loopback = await open();
    const { redirectUri, received } = begin(loopback);
    const uri = `${redirectUri}?state=${state}&code=c0de`;
    expect((await send(uri)).status).toBe(status);
    await ask(uri);
    expect((await received).searchParams.get('code')).toBe('c0de');
  });

  it('reflects nothing: the same bytes whatever is in the address, and a policy that loads nothing', async () => {
    const script = encodeURIComponent('<script>alert(1)</script>');
    const bodies = new Set<string>();
    const refusals = new Set<string>();
    for (const query of ['', `&code=${script}`, `&error=${script}&error_description=${script}&iss=${script}&${script}=1`]) {
      await using loopback = await open();
      const { redirectUri } = begin(loopback);
      const refused = await ask(`${redirectUri}?state=${script}${query}`);
      refusals.add(refused.body);
      const { body, headers } = await ask(`${redirectUri}?state=${state}${query}`);
      bodies.add(body);
      for (const found of [headers, refused.headers]) {
        expect(found).toMatchObject({
          'content-security-policy': expect.stringMatching(/^default-src 'none'; .*frame-ancestors 'none'/),
          'content-type': 'text/html; charset=utf-8',
          'x-content-type-options': 'nosniff',
          'referrer-policy': 'no-referrer',
          'cache-control': 'no-store',
          connection: 'close',
        });
      }
    }
    expect(bodies.size).toBe(1);
    expect(refusals.size).toBe(1);
    expect([...bodies, ...refusals].join('')).not.toMatch(/script|alert/);
  });

  it('keeps no socket of the browser open, also not one without a request', async () => {
    await using loopback = await open();
    const { redirectUri, received } = begin(loopback);
    const idle = connect(Number(new URL(loopback.origin).port), '127.0.0.1');
    const isClosed = new Promise((resolve) => idle.once('close', resolve));
    idle.on('error', () => {});
    await new Promise((resolve) => idle.once('connect', resolve));
    await ask(`${redirectUri}?state=${state}&code=c`);
    await received;
    await isClosed;
  });
});

describe('the port', () => {
  it('of the configuration that is taken is an error that names it', async () => {
    await using other = await startHttpServer(() => {});
    await expect(open({ port: other.port })).rejects.toMatchObject({
      code: 'AUTH_FAILED',
      message: expect.stringContaining(`Port ${other.port}`),
      hint: expect.stringContaining('oauth.callbackPort'),
      details: { reason: 'port-taken', port: other.port },
    });
    expect(other.connections).toBe(0);
  });

  it('of the login before is taken again when it is free, and another one when it is not', async () => {
    await using other = await startHttpServer(() => {});
    await using second = await open({ preferredPort: other.port });
    expect(Number(new URL(second.origin).port)).not.toBe(other.port);
    const { port } = new URL(second.origin);
    await second[Symbol.asyncDispose]();
    await waitFor(() => isRefused(second.origin));
    await using third = await open({ preferredPort: Number(port) });
    expect(new URL(third.origin).port).toBe(port);
  });

  it('answers nobody before a login waits', async () => {
    await using loopback = await open();
    expect((await ask(`${loopback.origin}/callback/path?state=${state}&code=c`)).status).toBe(404);
  });

  it('is closed by the end of the signal, with its reason, and by disposing', async () => {
    const controller = new AbortController();
    const reason = new Error('Ctrl-C');
    const loopback = await open();
    const { received } = begin(loopback, controller.signal);
    controller.abort(reason);
    await expect(received).rejects.toBe(reason);
    await loopback[Symbol.asyncDispose]();
    await loopback[Symbol.asyncDispose]();
    await waitFor(() => isRefused(loopback.origin));
  });

  it('waits 5 minutes', async () => {
    const clock = new FakeClock();
    await using loopback = await openLoopback({ server: 'web', port: null, preferredPort: null, clock });
    const { received } = begin(loopback);
    await clock.advance(299_000);
    await clock.advance(1_000);
    await expect(received).rejects.toMatchObject({ code: 'TIMEOUT', details: { timeoutMs: 300_000 } });
    expect(clock.pending()).toEqual([]);
  });
});
