/** Where a login goes, however its addresses are written, and how long and how large an answer may be. */
import { afterEach, describe, expect, it } from 'vitest';
import { createOAuthFetch, oauthError } from '../../src/auth/oauth-fetch.js';
import { systemClock } from '../../src/core/clock.js';
import { cancelled, McpctlError } from '../../src/core/errors.js';
import { FakeClock } from '../support/fake-clock.js';
import { type HostileServer, startHostileServer } from '../support/hostile-authorization-server.js';
import { loginTarget } from '../support/login-target.js';
import { waitFor } from '../support/wait-for.js';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing[Symbol.asyncDispose]();
});
const hostile = async (): Promise<HostileServer> => {
  const server = await startHostileServer();
  open.push(server);
  return server;
};
type Options = Parameters<typeof createOAuthFetch>[0];
const fetchFor = (server: Options['server'], more: Partial<Options> = {}) => {
  const http = createOAuthFetch({ server, clock: systemClock, ...more });
  open.push(http);
  return http.fetch;
};
const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => expect.unreachable('it should have failed'),
    (error: unknown) => error,
  );
const told = (error: unknown) => oauthError(error, { server: { name: 'github' }, step: 'token' });
const publicUrl = 'https://mcp.example/mcp';
/** A resolver with these answers, the last one again and again. */
const resolving =
  (...addresses: string[]): NonNullable<Options['lookup']> =>
  (_hostname, _options, callback) => {
    const address = addresses.length > 1 ? addresses.shift()! : addresses[0]!;
    callback(null, [{ address, family: address.includes(':') ? 6 : 4 }]);
  };

describe('an address that leads into this machine or a private network', () => {
  it.each([
    'http://127.0.0.1:<port>/x',
    'https://127.0.0.1:<port>/x',
    'http://localhost:<port>/x',
    'https://localhost:<port>/x',
    'http://0x7f.1:<port>/x',
    'https://0x7f.1:<port>/x',
    'https://2130706433:<port>/x',
    'https://0177.0.0.1:<port>/x',
    'http://[::ffff:127.0.0.1]:<port>/x',
    'https://[::ffff:127.0.0.1]:<port>/x',
    'https://[::ffff:7f00:1]:<port>/x',
    'https://[::1]:<port>/x',
    'http://[::1]:<port>/x',
    'http://0:<port>/x',
    'https://0:<port>/x',
    'https://0.0.0.0:<port>/x',
    'https://[::]:<port>/x',
    'https://[64:ff9b::7f00:1]:<port>/x',
    'https://10.0.0.1/x',
    'https://192.168.1.1/x',
    'https://[fd12::1]/x',
    'https://169.254.169.254/latest/meta-data/',
    'https://[fd00:ec2::254]/latest/',
    'https://100.100.100.200/x',
    'https://login.example:<port>/x',
  ])('such as %s is refused for a public server, with 0 requests and 0 connections', async (address) => {
    const internal = await hostile();
    internal.answers.set('/x', { json: {} });
    const fetch = fetchFor(loginTarget(publicUrl), { lookup: resolving('127.0.0.1') });
    const error = await failure(fetch(address.replace('<port>', `${internal.port}`)));
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).cause).toBeInstanceOf(McpctlError);
    expect(told(error)).toMatchObject({ code: 'AUTH_FAILED', server: 'github', delivered: 'no', details: { step: 'token' } });
    expect(internal.seen).toEqual([]);
    expect(internal.connections).toBe(0);
  });

  it('is refused when a name turns from a public address to 127.0.0.1 between two requests', async () => {
    const internal = await hostile();
    const lookup = resolving('203.0.113.7', '127.0.0.1');
    const fetch = fetchFor(loginTarget(publicUrl, {}, { connectMs: 200 }), { lookup });
    const url = `https://login.example:${internal.port}/x`;
    expect(told(await failure(fetch(url))).code).toBe('AUTH_UNAVAILABLE');
    expect(told(await failure(fetch(url)))).toMatchObject({ code: 'AUTH_FAILED', details: { reason: 'blocked' } });
    expect(internal.connections).toBe(0);
  });

  it.each([301, 302, 303, 307, 308])('is not reached by a redirect of status %d, nor by a chain of them', async (status) => {
    const internal = await hostile();
    const outside = await hostile();
    outside.answers.set('/a', { status, location: '/b' });
    outside.answers.set('/b', { status, location: `${internal.url}/x` });
    const fetch = fetchFor(loginTarget(`${outside.url}/mcp`));
    const response = await fetch(`${outside.url}/a`);
    expect(response.status).toBe(status);
    expect(outside.seen.map(({ path }) => path)).toEqual(['/a', '/b']);
    expect(internal.connections).toBe(0);
  });

  it('is contacted when its host stands in allowHosts, however that is written', async () => {
    const internal = await hostile();
    internal.answers.set('/x', { json: { ok: true } });
    for (const host of ['127.0.0.1', '[::FFFF:127.0.0.1]', 'LOGIN.internal']) {
      const fetch = fetchFor(loginTarget(publicUrl, { allowHosts: [host] }), { lookup: resolving('127.0.0.1') });
      const name = host === '127.0.0.1' ? `http://127.0.0.1` : `https://${host.toLowerCase()}`;
      const result = await fetch(`${name}:${internal.port}/x`).catch(told);
      // Plain HTTP is spoken there: that the handshake fails shows that it was tried.
      if (host === '127.0.0.1') expect(await (result as Response).json()).toEqual({ ok: true });
      else expect(result).toMatchObject({ code: 'AUTH_UNAVAILABLE', details: { reason: 'tls' } });
    }
    expect(internal.connections).toBe(3);
  });

  it('of a metadata service is refused also for a server that is there itself, and in spite of allowHosts', async () => {
    const fetch = fetchFor(loginTarget('https://169.254.169.254/mcp', { allowHosts: ['169.254.169.254', 'meta.example'] }), {
      lookup: resolving('169.254.169.254'),
    });
    for (const url of ['https://169.254.169.254/x', 'https://meta.example/x'])
      expect(told(await failure(fetch(url)))).toMatchObject({
        code: 'AUTH_FAILED',
        message: expect.stringContaining('metadata service'),
      });
  });

  it('is contacted for a server that is there itself: loopback for loopback, a private network not into this machine', async () => {
    const internal = await hostile();
    internal.answers.set('/x', { json: {} });
    const ask = (url: string) => fetchFor(loginTarget(url))(`${internal.url}/x`);
    expect((await ask('http://localhost:1/mcp')).status).toBe(200);
    expect((await ask('http://127.0.0.2:1/mcp')).status).toBe(200);
    expect(told(await failure(ask('https://192.168.1.5/mcp')))).toMatchObject({
      code: 'AUTH_FAILED',
      message: expect.stringContaining('127.0.0.1 is in this machine, and the server is not'),
      hint: expect.stringContaining('add "127.0.0.1" to "allowHosts"'),
    });
    expect(internal.connections).toBe(2);
  });

  it('may be that of the server itself by its name, over https', async () => {
    const internal = await hostile();
    const own = loginTarget(`https://mcp.internal:${internal.port}/mcp`);
    const error = told(await failure(fetchFor(own, { lookup: resolving('127.0.0.1') })(`${own.definition.url}/x`)));
    expect(error).toMatchObject({ code: 'AUTH_UNAVAILABLE', details: { reason: 'tls' } });
    expect(internal.seen).toEqual([]);
  });
});

describe('an address that no secret is sent to', () => {
  it.each([
    ['http://login.example/x', 'must be an https:// address'],
    ['http://10.0.0.1/x', 'must be an https:// address'],
    ['ftp://login.example/x', 'must be an https:// address'],
    ['file:///etc/passwd', 'must be an https:// address'],
    ['javascript:alert(1)', 'must be an https:// address'],
    ['https://me:secret@login.example/x', 'must not hold a user name or password'],
    ['https://login.example/a\nb', 'is not a URL'],
    ['//login.example/x', 'is not a URL'],
  ])('such as %j is refused', async (url, message) => {
    const error = told(await failure(fetchFor(loginTarget('http://127.0.0.1/mcp'))(url)));
    expect(error).toMatchObject({ code: 'AUTH_FAILED', details: { reason: 'address', step: 'token' } });
    expect(error.message).toContain(message);
  });

  it('is any for a program', () => {
    const server = { ...loginTarget(publicUrl), definition: { type: 'stdio' } as never };
    expect(() => createOAuthFetch({ server, clock: systemClock })).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});

describe('an answer', () => {
  it.each(['stall', 'half'] as const)('that does what "%s" says is given up after 10 s altogether', async (answer) => {
    const server = await hostile();
    server.answers.set('/x', answer);
    const clock = new FakeClock();
    const result = failure(fetchFor(loginTarget(`${server.url}/mcp`), { clock })(`${server.url}/x`));
    await waitFor(() => server.seen.length === 1);
    await clock.advance(9_999);
    expect(server.sockets.size).toBe(1);
    await clock.advance(1);
    expect(told(await result)).toMatchObject({
      code: 'AUTH_UNAVAILABLE',
      message: `Login to "github" failed while getting a token: 127.0.0.1:${server.port} did not answer within 10 s`,
      details: { step: 'token', reason: 'timeout' },
    });
    await waitFor(() => server.sockets.size === 0);
    expect(clock.pending()).toEqual([]);
  });

  it('of 1 GB is cut off after 256 KiB', async () => {
    const server = await hostile();
    server.answers.set('/x', 'huge');
    const error = told(await failure(fetchFor(loginTarget(`${server.url}/mcp`))(`${server.url}/x`)));
    expect(error).toMatchObject({ code: 'AUTH_FAILED', details: { maxBytes: 262_144 } });
    await waitFor(() => server.sockets.size === 0);
  });

  it('is a Response of Node with its address, its headers as they are after decoding, and its body', async () => {
    const server = await hostile();
    server.answers.set('/x', { json: { a: 1 }, headers: { 'x-a': 'b' } });
    server.answers.set('/none', { text: '', status: 204 });
    const fetch = fetchFor(loginTarget(`${server.url}/mcp`));
    const response = await fetch(`${server.url}/x?y=1`);
    expect(response).toBeInstanceOf(Response);
    expect([response.url, response.headers.get('x-a')]).toEqual([`${server.url}/x?y=1`, 'b']);
    expect(await response.json()).toEqual({ a: 1 });
    expect((await fetch(`${server.url}/none`)).status).toBe(204);
  });

  it('tells the time of its server, if it says one', async () => {
    const server = await hostile();
    server.answers.set('/x', { json: {}, headers: { date: 'Sun, 06 Nov 1994 08:49:37 GMT' } });
    server.answers.set('/y', { json: {}, headers: { date: 'tomorrow' } });
    const dates: string[] = [];
    const fetch = fetchFor(loginTarget(`${server.url}/mcp`), { onResponseDate: (date) => dates.push(date.toISOString()) });
    await fetch(`${server.url}/x`);
    await fetch(`${server.url}/y`);
    expect(dates).toEqual(['1994-11-06T08:49:37.000Z']);
  });

  it.each([
    ['GET', 500],
    ['GET', 503],
    ['GET', 429],
    ['POST', 502],
    ['POST', 500],
  ])('to a %s with status %d is AUTH_UNAVAILABLE, with what the provider said and when to come back', async (method, status) => {
    const server = await hostile();
    const json = { error: 'busy\u001b[31m', error_description: 'later, not with the-code-1 or eyJhbGciOiJub25l.eyJhIjoxfQ.x' };
    server.answers.set('/x', { json, status, headers: { 'retry-after': '120' } });
    const error = await failure(fetchFor(loginTarget(`${server.url}/mcp`))(`${server.url}/x`, { method }));
    expect(error).toBeInstanceOf(TypeError);
    expect(oauthError(error, { server: { name: 'github' }, step: 'token', secrets: ['the-code-1'] })).toMatchObject({
      code: 'AUTH_UNAVAILABLE',
      message: `Login to "github" failed while getting a token: 127.0.0.1:${server.port} answered with HTTP ${status} (busy: later, not with [redacted] or [redacted])`,
      hint: 'try again later: mcpctl auth github',
      details: { step: 'token', status, error: 'busy', retryAfterMs: 120_000 },
    });
  });

  it('with status 502 to a GET is handed on, because gateways say it for what is not there', async () => {
    const server = await hostile();
    server.answers.set('/x', { text: '', status: 502 });
    expect((await fetchFor(loginTarget(`${server.url}/mcp`))(`${server.url}/x`)).status).toBe(502);
  });

  it.each([
    ['reset', 'AUTH_UNAVAILABLE'],
    ['refused', 'AUTH_UNAVAILABLE'],
  ] as const)('that does not come (%s) is %s', async (how, code) => {
    const server = await hostile();
    server.answers.set('/x', 'reset');
    const url = how === 'reset' ? `${server.url}/x` : 'http://127.0.0.1:1/x';
    expect(told(await failure(fetchFor(loginTarget(`${server.url}/mcp`))(url)))).toMatchObject({ code });
  });

  it('is waited for no longer than its caller wants, and the reason is the caller’s', async () => {
    const server = await hostile();
    server.answers.set('/x', 'stall');
    const abort = new AbortController();
    const fetch = fetchFor(loginTarget(`${server.url}/mcp`));
    const result = failure(fetch(`${server.url}/x`, { signal: abort.signal }));
    await waitFor(() => server.seen.length === 1);
    const reason = cancelled();
    abort.abort(reason);
    expect(await result).toBe(reason);
    expect(oauthError(reason, { server: { name: 'github' }, step: 'token' })).toBe(reason);
  });
});

describe('headers of the configuration', () => {
  it('go to the origin of the server and nowhere else, and never say who we are', async () => {
    const own = await hostile();
    const other = await hostile();
    for (const server of [own, other]) server.answers.set('/x', { json: {} });
    const headers = {
      'X-Gateway': 'planted-key',
      Authorization: 'Bearer planted-token',
      Accept: 'text/html',
      Cookie: 'a=planted',
    };
    const fetch = fetchFor(loginTarget(`${own.url}/mcp`, {}, { headers }));
    for (const server of [own, other]) await fetch(`${server.url}/x`, { headers: { accept: 'application/json' } });
    const [seen] = own.seen;
    expect(seen?.headers).toMatchObject({ 'x-gateway': 'planted-key', accept: 'application/json' });
    expect([seen?.headers.authorization, seen?.headers.cookie]).toEqual([undefined, undefined]);
    expect(JSON.stringify(other.seen)).not.toContain('planted');
  });
});
