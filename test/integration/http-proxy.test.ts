/** F36: requests through a proxy. What it sees and does not see, what stays direct, and how its failures read. */
import { createServer } from 'node:https';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { McpctlError } from '../../src/core/errors.js';
import { privateAddressGuard } from '../../src/io/address-guard.js';
import { createHttpFetch, type HttpFetchOptions } from '../../src/io/http-fetch.js';
import { rig } from '../fixtures/http-rig.js';
import { type Authority, createAuthority } from '../support/certificates.js';
import { type ConnectProxy, type ConnectProxyOptions, startConnectProxy } from '../support/connect-proxy.js';
import { listen, readBody, sendJson, startHttpServer, startTcpServer, type TestServer } from '../support/http-server.js';
import { needs } from '../support/needs.js';
import { waitFor } from '../support/wait-for.js';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing[Symbol.asyncDispose]();
});
const kept = <T extends AsyncDisposable>(thing: T): T => {
  open.push(thing);
  return thing;
};
const client = (env: Record<string, string>, options: Partial<HttpFetchOptions> = {}) =>
  kept(createHttpFetch({ maxBodyBytes: 1_000_000, connectTimeoutMs: 5_000, clock: systemClock, env, ...options }));
const proxyFor = async (options: ConnectProxyOptions = {}): Promise<ConnectProxy> => kept(await startConnectProxy(options));
const failureOf = async (promise: Promise<unknown>): Promise<McpctlError> => {
  const error = await promise.then(
    () => expect.unreachable('it should have failed'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(McpctlError);
  return error as McpctlError;
};
const post = (body: string): RequestInit => ({ method: 'POST', body, headers: { authorization: 'Bearer canary-token' } });
const echo = async () =>
  kept(
    await startHttpServer(async (request, response) =>
      sendJson(response, { url: request.url, headers: request.headers, body: await readBody(request) }),
    ),
  );

describe('plain http through a proxy', () => {
  it('sends the whole URL to it, with its own login and not to the server, on 1 connection for 20 calls', async () => {
    const server = await echo();
    const proxy = await proxyFor({
      routes: { 'mcp.test:80': server.port },
      authorization: `Basic ${Buffer.from('ann:pa:ss').toString('base64')}`,
    });
    const { fetch } = client({ HTTP_PROXY: `http://ann:pa%3Ass@127.0.0.1:${proxy.port}` });
    for (let i = 0; i < 20; i++) {
      const answer = (await (await fetch('http://mcp.test/mcp?a=1#b', post('hi'))).json()) as Record<string, unknown>;
      expect(answer).toMatchObject({ url: '/mcp?a=1', body: 'hi', headers: { host: 'mcp.test' } });
      expect(answer.headers).not.toHaveProperty('proxy-authorization');
    }
    expect(proxy.seen).toHaveLength(20);
    expect(proxy.seen[0]).toMatchObject({ method: 'POST', target: 'http://mcp.test/mcp?a=1' });
    expect(proxy.connections).toBe(1);
  });

  it('a login in the configured headers goes to nobody', async () => {
    const server = await echo();
    const proxy = await proxyFor({ routes: { 'mcp.test:80': server.port } });
    const { fetch } = client({ HTTP_PROXY: proxy.url });
    const answer = await fetch('http://mcp.test/', { headers: { 'Proxy-Authorization': 'Basic canary' } });
    expect(await answer.text()).not.toContain('canary');
    expect(proxy.seen[0]?.headers).not.toHaveProperty('proxy-authorization');
  });

  it('407 is the proxy asking for a login: UNAVAILABLE, not delivered; 502 is passed on as the answer it may be', async () => {
    const proxy = await proxyFor({ authorization: 'Basic x' });
    const { fetch } = client({ http_proxy: proxy.url });
    const error = await failureOf(fetch('http://mcp.test/', post('hi')));
    expect(error).toMatchObject({ code: 'UNAVAILABLE', delivered: 'no', details: { reason: 'proxy', proxyStatus: 407 } });
    expect(error.hint).toContain('http_proxy');
    proxy.mode = 502;
    expect((await fetch('http://mcp.test/')).status).toBe(502);
  });

  it('a proxy that is gone is named, as not delivered; one that breaks off in the middle is perhaps delivered', async () => {
    const proxy = await proxyFor();
    const { fetch } = client({ http_proxy: proxy.url });
    proxy.mode = 'close';
    const broken = await failureOf(fetch('http://mcp.test/', post('hi')));
    expect(broken).toMatchObject({ code: 'UNAVAILABLE', delivered: 'maybe' });
    expect(broken.message).toContain(`mcp.test:80 through the proxy 127.0.0.1:${proxy.port}`);
    await proxy[Symbol.asyncDispose]();
    const gone = await failureOf(fetch('http://mcp.test/', post('hi')));
    expect(gone).toMatchObject({ code: 'UNAVAILABLE', delivered: 'no', details: { reason: 'proxy', code: 'ECONNREFUSED' } });
    expect(gone.message).toBe(`Cannot reach the proxy 127.0.0.1:${proxy.port}: connection refused, nothing listens there`);
  });
});

describe('what stays direct', () => {
  it('loopback, and what NO_PROXY names, reach the server without the proxy seeing anything', async () => {
    const server = await echo();
    const proxy = await proxyFor({ routes: { 'proxied.test:80': server.port } });
    const env = { ALL_PROXY: proxy.url, NO_PROXY: '.direct.test' };
    const lookup: HttpFetchOptions['lookup'] = (_name, _options, callback) =>
      callback(null, [{ address: '127.0.0.1', family: 4 }]);
    const { fetch } = client(env, { lookup });
    for (const host of ['127.0.0.1', 'localhost', 'a.direct.test']) {
      expect((await fetch(`http://${host}:${server.port}/`)).status).toBe(200);
    }
    expect(proxy.connections).toBe(0);
    expect((await fetch('http://proxied.test/')).status).toBe(200);
    expect(proxy.connections).toBe(1);
  });

  it('a redirect to loopback within the origin stays within the route of its own target', async () => {
    const server = kept(
      await startHttpServer((request, response) =>
        request.url === '/there' ? sendJson(response, { ok: 1 }) : response.writeHead(307, { location: '/there' }).end(),
      ),
    );
    const proxy = await proxyFor({ routes: { 'mcp.test:80': server.port } });
    expect(await (await client({ HTTP_PROXY: proxy.url }).fetch('http://mcp.test/')).json()).toEqual({ ok: 1 });
    expect(proxy.seen.map(({ target }) => target)).toEqual(['http://mcp.test/', 'http://mcp.test/there']);
  });
});

describe('the address guard', () => {
  it('refuses metadata and private addresses of URLs before the proxy hears of them, and lets the proxy itself be private', async () => {
    const server = await echo();
    const proxy = await proxyFor({ routes: { 'mcp.test:80': server.port } });
    const env = { ALL_PROXY: proxy.url };
    const lenient = client(env, { addressGuard: privateAddressGuard({ allowPrivate: true }) });
    const strict = client(env, { addressGuard: privateAddressGuard({ allowPrivate: false }) });
    const blocked = { code: 'UNAVAILABLE', delivered: 'no', details: { reason: 'blocked' } };
    for (const scheme of ['http', 'https']) {
      for (const host of ['169.254.169.254', '[fd00:ec2::254]', '0xa9fea9fe']) {
        expect(await failureOf(lenient.fetch(`${scheme}://${host}/`))).toMatchObject(blocked);
      }
      expect(await failureOf(strict.fetch(`${scheme}://10.0.0.7/`))).toMatchObject(blocked);
    }
    expect(proxy.connections).toBe(0);
    expect((await strict.fetch('http://mcp.test/')).status).toBe(200);
  });
});

describe('a proxy that fails before there is a way through it', () => {
  const secretEnv = (proxy: TestServer) => ({ HTTPS_PROXY: `http://ann:canary-password@127.0.0.1:${proxy.port}` });
  const check = (error: McpctlError, proxy: TestServer, details: Record<string, unknown>) => {
    expect(error).toMatchObject({ code: 'UNAVAILABLE', delivered: 'no', details: { reason: 'proxy', ...details } });
    expect(error.message).toContain(`proxy 127.0.0.1:${proxy.port}`);
    expect(error.hint).toMatch(/HTTPS_PROXY|NO_PROXY/);
    expect(JSON.stringify([error.message, error.hint, error.details])).not.toContain('canary');
  };

  it.each([407, 502, 403, 301, 500])('answers %i', async (status) => {
    const proxy = await proxyFor();
    proxy.mode = status;
    const { fetch } = client(secretEnv(proxy));
    check(await failureOf(fetch('https://mcp.test/', post('hi'))), proxy, { code: 'PROXY_REFUSED', proxyStatus: status });
    await waitFor(() => proxy.sockets.size === 0, { what: 'the socket to be closed' });
  });

  it('closes the connection, says what is no HTTP, or sends headers without end', async () => {
    const proxy = await proxyFor();
    const { fetch } = client(secretEnv(proxy));
    proxy.mode = 'close';
    check(await failureOf(fetch('https://mcp.test/')), proxy, { code: 'ECONNRESET' });
    proxy.mode = 'garbage';
    check(await failureOf(fetch('https://mcp.test/')), proxy, {});
    const endless = kept(
      await startTcpServer((socket) => void socket.write(`HTTP/1.1 200 OK\r\n${'x-pad: yes\r\n'.repeat(4_000)}`)),
    );
    check(await failureOf(client(secretEnv(endless)).fetch('https://mcp.test/')), endless, { code: 'HPE_HEADER_OVERFLOW' });
  });

  it('hangs: over within the connect timeout of 200 ms, and its socket is given up', async () => {
    const proxy = await proxyFor();
    proxy.mode = 'hang';
    const { fetch } = client(secretEnv(proxy), { connectTimeoutMs: 200 });
    check(await failureOf(fetch('https://mcp.test/')), proxy, { code: 'CONNECT_TIMEOUT' });
    await waitFor(() => proxy.sockets.size === 0, { what: 'the socket to be closed' });
  });

  it('is gone, or does not exist', async () => {
    const proxy = await startConnectProxy();
    await proxy[Symbol.asyncDispose]();
    check(await failureOf(client(secretEnv(proxy)).fetch('https://mcp.test/')), proxy, { code: 'ECONNREFUSED' });
    const error = await failureOf(client({ https_proxy: 'http://no-such-proxy.invalid:1' }).fetch('https://mcp.test/'));
    expect(error).toMatchObject({ code: 'UNAVAILABLE', delivered: 'no', details: { reason: 'proxy' } });
    expect(error.message).toContain('the proxy no-such-proxy.invalid:1');
  });

  it('an abort while it hangs ends the request at once, and disposing closes the socket', async () => {
    const proxy = await proxyFor();
    proxy.mode = 'hang';
    const ours = client(secretEnv(proxy));
    const abort = new AbortController();
    const waiting = ours.fetch('https://mcp.test/', { signal: abort.signal });
    await waitFor(() => proxy.seen.length === 1, { what: 'the proxy to be asked' });
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await ours[Symbol.asyncDispose]();
    await waitFor(() => proxy.sockets.size === 0, { what: 'the socket to be closed' });
  });

  it('a proxy variable that is no address is CONFIG_INVALID, told as a rejection', async () => {
    const error = await failureOf(client({ https_proxy: 'socks5://u:canary1@p:1' }).fetch('https://mcp.test/'));
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', delivered: 'no' });
    expect(JSON.stringify([error.message, error.hint])).not.toContain('canary');
  });
});

describe('a long-lived manager', () => {
  it('does not ask a proxy again by itself that refused its login, as that may lock the account; it does after a 502', async () => {
    const proxy = await proxyFor();
    proxy.mode = 407;
    const env = { https_proxy: `http://ann:wrong-password@127.0.0.1:${proxy.port}` };
    await using it = await rig({ url: 'https://mcp.test/mcp', type: 'http' }, { longLived: true, env });
    const refused = await failureOf(it.connect());
    expect(refused).toMatchObject({ code: 'UNAVAILABLE', server: 'it', details: { proxyStatus: 407 } });
    expect(it.status()).toMatchObject({ status: 'error', retryAt: null });
    expect(proxy.seen).toHaveLength(1);
    proxy.mode = 502;
    await failureOf(it.connect());
    expect(it.status()).toMatchObject({ status: 'error', retryAt: expect.stringContaining('T') });
  });
});

describe('https through a proxy', needs('openssl'), () => {
  let authority: Authority;
  beforeAll(() => {
    authority = createAuthority();
  });
  afterAll(() => authority[Symbol.dispose]());

  const secureServer = async (names = 'DNS:mcp.test') =>
    kept(
      await listen(
        createServer(authority.issue(names), async (request, response) =>
          sendJson(response, { url: request.url, headers: request.headers, body: await readBody(request) }),
        ),
        'connection',
      ),
    );

  it('makes 1 tunnel for 20 calls, in which the proxy sees neither URL, token nor body, and the server not its login', async () => {
    const server = await secureServer();
    const proxy = await proxyFor({ routes: { 'mcp.test:443': server.port }, authorization: 'Basic YW5uOmNhbmFyeQ==' });
    const { fetch } = client({ HTTPS_PROXY: `http://ann:canary@127.0.0.1:${proxy.port}` }, { ca: authority.ca });
    for (let i = 0; i < 20; i++) {
      const answer = await (await fetch('https://mcp.test/mcp/path', post('canary-body'))).json();
      expect(answer).toMatchObject({ url: '/mcp/path', body: 'canary-body', headers: { host: 'mcp.test' } });
      expect((answer as { headers: object }).headers).not.toHaveProperty('proxy-authorization');
    }
    expect(proxy.connections).toBe(1);
    expect(proxy.seen).toHaveLength(1);
    expect(proxy.seen[0]).toMatchObject({ method: 'CONNECT', target: 'mcp.test:443', headers: { host: 'mcp.test:443' } });
    const { headers, passed } = proxy.seen[0]!;
    expect(headers).not.toHaveProperty('authorization');
    expect(passed.length).toBeGreaterThan(1_000);
    expect(passed).not.toMatch(/canary|\/mcp\/path|HTTP\/1/);
  });

  it('carries 30 calls at once, each with its own answer, and a second round on the same tunnels', async () => {
    const server = await secureServer();
    const proxy = await proxyFor({ routes: { 'mcp.test:443': server.port } });
    const { fetch } = client({ HTTPS_PROXY: proxy.url }, { ca: authority.ca });
    const round = () =>
      Promise.all(Array.from({ length: 30 }, async (_, i) => (await fetch('https://mcp.test/', post(`${i}`))).json()));
    expect((await round()).map((answer) => Number((answer as { body: string }).body))).toEqual([...Array(30).keys()]);
    await round();
    expect(proxy.connections).toBe(30);
  });

  it('verifies the server and not the proxy: an unknown issuer, and a certificate for another name, are refused', async () => {
    const server = await secureServer('DNS:other.test');
    const proxy = await proxyFor({ routes: { 'mcp.test:443': server.port } });
    const env = { HTTPS_PROXY: proxy.url };
    const untrusted = await failureOf(client(env).fetch('https://mcp.test/', post('canary')));
    expect(untrusted).toMatchObject({ code: 'UNAVAILABLE', delivered: 'no', details: { reason: 'tls' } });
    expect(untrusted.message).toContain(`mcp.test:443 through the proxy 127.0.0.1:${proxy.port}`);
    const wrong = await failureOf(client(env, { ca: authority.ca }).fetch('https://mcp.test/', post('canary')));
    expect(wrong).toMatchObject({ delivered: 'no', details: { code: 'ERR_TLS_CERT_ALTNAME_INVALID' } });
    expect(proxy.seen.map(({ passed }) => /canary/.test(passed))).toEqual([false, false]);
  });

  it('a server that accepts and says nothing is a TIMEOUT after 200 ms through the tunnel as well', async () => {
    const silent = kept(await startTcpServer(() => {}));
    const proxy = await proxyFor({ routes: { 'mcp.test:443': silent.port } });
    const { fetch } = client({ HTTPS_PROXY: proxy.url }, { connectTimeoutMs: 200 });
    const error = await failureOf(fetch('https://mcp.test/'));
    expect(error).toMatchObject({ code: 'TIMEOUT', delivered: 'no' });
    expect(error.message).toContain('mcp.test:443 through the proxy');
    await waitFor(() => proxy.sockets.size === 0, { what: 'the tunnel to be closed' });
  });

  it('a proxy that dies in the middle of a call leaves it perhaps delivered, and the next call makes a new tunnel', async () => {
    const server = await secureServer();
    const proxy = await proxyFor({ routes: { 'mcp.test:443': server.port } });
    const { fetch } = client({ HTTPS_PROXY: proxy.url }, { ca: authority.ca });
    await (await fetch('https://mcp.test/', post('warm'))).json();
    const [tunnel] = proxy.sockets;
    const waiting = failureOf(fetch('https://mcp.test/', post('x'.repeat(500_000))));
    tunnel?.resetAndDestroy();
    expect(await waiting).toMatchObject({ code: 'UNAVAILABLE', delivered: 'maybe' });
    expect((await fetch('https://mcp.test/', post('again'))).status).toBe(200);
    expect(proxy.seen).toHaveLength(2);
  });

  it('an https proxy is not trusted because of the ca of a server behind it, and is named', async () => {
    const server = await secureServer();
    const proxy = await proxyFor({ routes: { 'mcp.test:443': server.port }, tls: authority.issue('IP:127.0.0.1') });
    const error = await failureOf(client({ HTTPS_PROXY: proxy.url }, { ca: authority.ca }).fetch('https://mcp.test/'));
    expect(error).toMatchObject({ code: 'UNAVAILABLE', delivered: 'no', details: { reason: 'proxy' } });
    expect(error.message).toMatch(/^Cannot reach the proxy 127\.0\.0\.1:\d+: its certificate comes from an issuer/);
    expect(error.hint).toContain('NODE_EXTRA_CA_CERTS');
    expect(proxy.seen).toHaveLength(0);
  });
});
