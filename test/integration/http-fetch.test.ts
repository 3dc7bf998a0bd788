/** Our fetch against real servers: what arrives, what is kept, what fails and how fast. */
import { getEventListeners } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { McpctlError } from '../../src/core/errors.js';
import { privateAddressGuard } from '../../src/io/address-guard.js';
import { createHttpFetch, type HttpFetch, type HttpFetchOptions } from '../../src/io/http-fetch.js';
import { readBody, sendJson, startHttpServer, startTcpServer, type TestServer } from '../support/http-server.js';
import { waitFor } from '../support/wait-for.js';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing[Symbol.asyncDispose]();
});
const client = (options: Partial<HttpFetchOptions> = {}): HttpFetch => {
  const made = createHttpFetch({ maxBodyBytes: 16 * 2 ** 20, connectTimeoutMs: 5_000, clock: systemClock, ...options });
  open.push(made);
  return made;
};
const serve = async (...args: Parameters<typeof startHttpServer>): Promise<TestServer> => {
  const server = await startHttpServer(...args);
  open.push(server);
  return server;
};
const serveTcp = async (onSocket: (socket: Socket) => void): Promise<TestServer> => {
  const server = await startTcpServer(onSocket);
  open.push(server);
  return server;
};
const failureOf = async (promise: Promise<unknown>): Promise<McpctlError> => {
  const error = await promise.then(
    () => expect.unreachable('it should have failed'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(McpctlError);
  return error as McpctlError;
};
const post = (body: string, init: RequestInit = {}): RequestInit => ({
  method: 'POST',
  headers: new Headers({ 'content-type': 'application/json' }),
  body,
  ...init,
});
const head = 'HTTP/1.1 200 OK\r\n';

describe('request and response', () => {
  it('sends method, headers and a body with its length, and gives back status, headers and JSON', async () => {
    const server = await serve(async (request, response) => {
      const body = await readBody(request);
      response.setHeader('mcp-session-id', 's1');
      response.setHeader('set-cookie', 'a=b');
      sendJson(response, { method: request.method, url: request.url, headers: request.headers, body }, 201);
    });
    const response = await client().fetch(new URL(`${server.url}/mcp?a=1#b`), post('{"ä":1}'));
    expect(response).toMatchObject({
      status: 201,
      ok: true,
      statusText: 'Created',
      redirected: false,
      url: `${server.url}/mcp?a=1`,
      type: 'basic',
    });
    expect(response.headers.get('MCP-Session-Id')).toBe('s1');
    expect(response.headers.has('set-cookie')).toBe(false);
    expect(await response.json()).toMatchObject({
      method: 'POST',
      url: '/mcp?a=1',
      body: '{"ä":1}',
      headers: {
        'content-length': '8',
        'content-type': 'application/json',
        'accept-encoding': 'gzip, deflate, br',
        host: `127.0.0.1:${server.port}`,
      },
    });
    expect(response.bodyUsed).toBe(true);
    await expect(response.text()).rejects.toThrow(/already been read/);
  });

  it('uses 1 connection for 20 calls one after the other', async () => {
    const server = await serve((_request, response) => sendJson(response, {}));
    const { fetch } = client();
    for (let i = 0; i < 20; i++) await (await fetch(server.url)).json();
    expect(server.connections).toBe(1);
  });

  it('gives empty bodies for 204, 202 and HEAD on one connection, and within 1 s for a 202 whose body never ends', async () => {
    const server = await serve((request, response) => {
      if (request.url === '/endless')
        return void response.writeHead(202, { 'content-type': 'text/event-stream' }).write(': open\n\n');
      response
        .writeHead(request.method === 'HEAD' ? 200 : Number(request.url?.slice(1)), {
          'content-encoding': 'gzip',
          ...(request.method === 'HEAD' ? { 'content-length': 9 } : {}),
        })
        .end();
    });
    const { fetch } = client();
    for (const [path, init] of [
      ['204', {}],
      ['202', post('{}')],
      ['200', { method: 'HEAD' }],
      ['endless', post('{}')],
    ] as const) {
      const startMs = performance.now();
      const response = await fetch(`${server.url}/${path}`, init);
      expect(response.body).toBeNull();
      expect(await response.text()).toBe('');
      expect(performance.now() - startMs).toBeLessThan(path === 'endless' ? 1_000 : 250);
    }
    expect(server.connections).toBe(1);
    await waitFor(() => server.sockets.size === 0, { what: 'the socket of the endless 202 to be given up' });
  });

  it('reads a body by json, text, bytes, arrayBuffer, blob and stream alike, from a clone too', async () => {
    const server = await serve((_request, response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end('\uFEFF{"a":"ü"}'),
    );
    const { fetch } = client();
    const text = '{"a":"ü"}';
    const get = () => fetch(server.url);
    expect(await (await get()).text()).toBe(text);
    expect(await (await get()).json()).toEqual({ a: 'ü' });
    expect(new TextDecoder().decode(await ((await get()) as unknown as { bytes(): Promise<Uint8Array> }).bytes())).toBe(text);
    expect(new TextDecoder().decode(await (await get()).arrayBuffer())).toBe(text);
    expect(await (await (await get()).blob()).text()).toBe(`\uFEFF${text}`.slice(1));
    const stream = (await get()).body!;
    expect(await new Response(stream).text()).toBe(text);
    const response = await get();
    expect(await response.clone().json()).toEqual({ a: 'ü' });
    expect(await response.text()).toBe(text);
  });

  it('fails json() with a SyntaxError that does not repeat the body', async () => {
    const server = await serve((_request, response) => response.end('secret-token-123'));
    const error = await (await client().fetch(server.url)).json().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SyntaxError);
    expect(String(error)).not.toContain('secret');
  });

  it.each(['a\r\nx-evil: 1', 'a\nb', 'a\0b'])(
    'refuses the header value %j before anything is sent, without repeating it',
    async (value) => {
      const server = await serve((_request, response) => response.end());
      const error = await failureOf(client().fetch(server.url, { headers: { 'x-key': value } }));
      expect(error).toMatchObject({ code: 'CONFIG_INVALID', delivered: 'no' });
      expect(error.message).toContain('"x-key"');
      expect(error.message).not.toContain('evil');
      expect(server.connections).toBe(0);
    },
  );

  it('prints no listener warning for 3,000 calls, 50 at a time, on one signal, and leaves 0 listeners on it', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => void warnings.push(warning);
    process.on('warning', onWarning);
    const server = await serve((_request, response) => sendJson(response, {}));
    const { fetch } = client();
    const { signal } = new AbortController();
    let left = 3_000;
    const worker = async () => {
      while (left-- > 0) await (await fetch(server.url, { signal })).json();
    };
    await Promise.all(Array.from({ length: 50 }, worker));
    await new Promise((resolve) => setImmediate(resolve)); // warnings are emitted on the next tick
    process.off('warning', onWarning);
    expect(warnings.map(String)).toEqual([]);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});

describe('event streams', () => {
  it('delivers each event as it comes, before the next one is sent', async () => {
    let push: (text: string) => void = () => {};
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
      push = (text) => void response.write(text);
    });
    const response = await client().fetch(server.url);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    for (let i = 0; i < 5; i++) {
      push(`data: ${i}\n\n`);
      expect(await reader.read()).toEqual({ done: false, value: `data: ${i}\n\n` });
    }
  });

  it('holds the server back when nobody reads: of 64 MiB it can send under 16, and everything arrives in the end', async () => {
    const total = 64 * 2 ** 20;
    const event = Buffer.from(`data: ${'x'.repeat(64 * 1024 - 8)}\n\n`);
    let written = 0;
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const more = () => {
        while (written < total) {
          written += event.length;
          if (!response.write(event)) return void response.once('drain', more);
        }
        response.end();
      };
      more();
    });
    const response = await client().fetch(server.url);
    const reader = response.body!.getReader();
    await reader.read();
    let before = -1;
    await waitFor(
      async () => {
        const same = written === before;
        before = written;
        await new Promise((resolve) => setTimeout(resolve, 50));
        return same;
      },
      { what: 'the server to be held back' },
    );
    // What the kernel buffers on both sides of a loopback connection is beyond us.
    expect(written).toBeLessThan(16 * 2 ** 20);
    let received = event.length;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      received += value.length;
    }
    expect(received).toBeGreaterThanOrEqual(total);
  });

  it('closes the connection when the reader cancels', async () => {
    const server = await serve(
      (_request, response) => void response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n'),
    );
    const response = await client().fetch(server.url);
    const reader = response.body!.getReader();
    await reader.read();
    await reader.cancel();
    await waitFor(() => server.sockets.size === 0);
  });

  it('ends for its reader when the server ends it, and keeps the connection', async () => {
    const server = await serve(
      (_request, response) => void response.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: 1\n\n'),
    );
    const { fetch } = client();
    for (let i = 0; i < 3; i++) expect(await new Response((await fetch(server.url)).body).text()).toBe('data: 1\n\n');
    expect(server.connections).toBe(1);
  });
});

describe('failures', () => {
  it('says that the connection was refused, with delivered no', async () => {
    const server = await startTcpServer(() => {});
    await server[Symbol.asyncDispose]();
    const error = await failureOf(client().fetch(server.url, post('{}')));
    expect(error).toMatchObject({ code: 'UNAVAILABLE', delivered: 'no', details: { reason: 'refused', code: 'ECONNREFUSED' } });
    expect(error.message).toContain(`127.0.0.1:${server.port}`);
    expect(error.cause).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('says that a host name does not exist, within 2 s of the resolver, with delivered no', async () => {
    const error = await failureOf(client().fetch('http://nonexistent.invalid/mcp', post('{}')));
    expect(error).toMatchObject({ code: 'UNAVAILABLE', delivered: 'no', details: { reason: 'dns' } });
    expect(error.message).toContain('nonexistent.invalid:80');
  });

  it('fails with TIMEOUT and delivered no when connecting takes over 200 ms, also while the name is looked up', async () => {
    const { fetch } = client({ connectTimeoutMs: 200, lookup: () => {} });
    const startMs = performance.now();
    const error = await failureOf(fetch('http://slow.example/', post('{}')));
    expect(error).toMatchObject({ code: 'TIMEOUT', delivered: 'no', details: { reason: 'timeout' } });
    expect(performance.now() - startMs).toBeGreaterThan(190);
    expect(performance.now() - startMs).toBeLessThan(1_000);
  });

  it('reaches a good IPv4 address within 2 s behind an IPv6 address that leads nowhere', async () => {
    const server = await serve((_request, response) => sendJson(response, { ok: true }));
    const { fetch } = client({
      lookup: (_hostname, _options, callback) =>
        callback(null, [
          { address: '2001:db8::1', family: 6 }, // documentation prefix: routed nowhere
          { address: '127.0.0.1', family: 4 },
        ]),
    });
    const startMs = performance.now();
    expect(await (await fetch(`http://both.example:${server.port}/`)).json()).toEqual({ ok: true });
    expect(performance.now() - startMs).toBeLessThan(2_000);
  });

  it('fails within 100 ms of a reset before the answer, with delivered maybe', async () => {
    let resetAtMs = 0;
    const server = await serveTcp((socket) => {
      socket.once('data', () => {
        resetAtMs = performance.now();
        socket.resetAndDestroy();
      });
    });
    const error = await failureOf(client().fetch(server.url, post('{}')));
    expect(performance.now() - resetAtMs).toBeLessThan(100);
    expect(error).toMatchObject({ code: 'UNAVAILABLE', delivered: 'maybe', details: { reason: 'reset' } });
  });

  it.each([
    ['a JSON body', 'content-type: application/json\r\ncontent-length: 1000\r\n\r\n{"a":'],
    ['an event stream', 'content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n'],
  ])('fails the reader of %s within 100 ms of a reset in the middle of it, and of a half close too', async (_name, rest) => {
    for (const end of ['reset', 'fin'] as const) {
      let peer: Socket | undefined;
      const server = await serveTcp((socket) => {
        socket.once('data', () => socket.write(head + rest));
        peer = socket;
      });
      const response = await client().fetch(server.url, post('{}'));
      const reading = failureOf(response.text());
      await new Promise((resolve) => setTimeout(resolve, 20));
      const startMs = performance.now();
      if (end === 'reset') peer?.resetAndDestroy();
      else peer?.end();
      const error = await reading;
      expect(performance.now() - startMs).toBeLessThan(100);
      expect(error).toMatchObject({ code: 'UNAVAILABLE', delivered: 'maybe', details: { reason: 'reset' } });
      expect(error.message).toMatch(/broke off/);
    }
  });

  it('fails a reader of the stream itself when the connection is reset, also when nobody was reading at that moment', async () => {
    let peer: Socket | undefined;
    const server = await serveTcp((socket) => {
      socket.once('data', () => socket.write(`${head}content-type: text/event-stream\r\n\r\ndata: 1\n\n`));
      peer = socket;
    });
    const response = await client().fetch(server.url);
    const reader = response.body!.getReader();
    await reader.read();
    peer?.resetAndDestroy();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await failureOf(reader.read())).toMatchObject({ code: 'UNAVAILABLE', details: { reason: 'reset' } });
  });

  it('reports a kept connection that dies under the next request as delivered maybe, and sends nothing twice', async () => {
    let requests = 0;
    const server = await serveTcp((socket) => {
      socket.on('data', () => {
        requests++;
        if (requests === 1) socket.write(`${head}content-length: 2\r\n\r\n{}`);
        else socket.resetAndDestroy();
      });
    });
    const { fetch } = client();
    await (await fetch(server.url, post('{}'))).json();
    const error = await failureOf(fetch(server.url, post('{}')));
    expect(error).toMatchObject({ delivered: 'maybe', details: { reason: 'reset', reusedSocket: true } });
    expect(error.message).toContain('kept connection');
    expect(requests).toBe(2);
    expect(server.connections).toBe(1);
  });

  it('drops a free connection 1 s before the 2 s that the server announces', async () => {
    const server = await serve(
      (_request, response) => sendJson(response, {}),
      (http) => {
        http.keepAliveTimeout = 2_000;
      },
    );
    await (await client().fetch(server.url)).json();
    const startMs = performance.now();
    await waitFor(() => server.sockets.size === 0, { timeoutMs: 3_000 });
    expect(performance.now() - startMs).toBeGreaterThan(800);
    expect(performance.now() - startMs).toBeLessThan(1_900);
  });

  it('never uses a connection again that the server announces to keep for 1 s', async () => {
    const server = await serve((_request, response) => {
      response.setHeader('keep-alive', 'timeout=1');
      response.setHeader('connection', 'keep-alive');
      sendJson(response, {});
    });
    const { fetch } = client();
    for (let i = 0; i < 3; i++) await (await fetch(server.url)).json();
    expect(server.connections).toBe(3);
  });

  it('fails with TIMEOUT when no headers came within headersTimeoutMs = 150, and closes the socket', async () => {
    const server = await serve(() => {});
    const error = await failureOf(client({ headersTimeoutMs: 150 }).fetch(server.url, post('{}')));
    expect(error).toMatchObject({ code: 'TIMEOUT', delivered: 'maybe' });
    await waitFor(() => server.sockets.size === 0);
  });

  it('is PROTOCOL for an answer that is no HTTP, TOO_LARGE for 17 KiB of headers', async () => {
    const noHttp = await serveTcp((socket) => void socket.once('data', () => socket.end('220 smtp.example ESMTP\r\n')));
    expect(await failureOf(client().fetch(noHttp.url))).toMatchObject({ code: 'PROTOCOL', details: { reason: 'http' } });
    const headers = await serveTcp(
      (socket) => void socket.once('data', () => socket.write(`${head}x: ${'y'.repeat(17 * 1024)}\r\n\r\n`)),
    );
    expect(await failureOf(client().fetch(headers.url))).toMatchObject({ code: 'TOO_LARGE', details: { reason: 'headers' } });
  });
});

describe('abort and dispose', () => {
  it('rejects with the reason of the signal at once, before the answer, and the server sees the connection close', async () => {
    let arrived = false;
    const server = await serve(() => {
      arrived = true;
    });
    const controller = new AbortController();
    const pending = client().fetch(server.url, post('{}', { signal: controller.signal }));
    await waitFor(() => arrived);
    const reason = new Error('changed my mind');
    controller.abort(reason);
    await expect(pending).rejects.toBe(reason);
    await waitFor(() => server.sockets.size === 0, { timeoutMs: 500 });
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  it('fails the reader of an event stream with the reason, and the server sees the connection close', async () => {
    const server = await serve(
      (_request, response) => void response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n'),
    );
    const controller = new AbortController();
    const response = await client().fetch(server.url, { signal: controller.signal });
    const reader = response.body!.getReader();
    await reader.read();
    const next = reader.read();
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(next).rejects.toBe(reason);
    await waitFor(() => server.sockets.size === 0, { timeoutMs: 500 });
  });

  it('does not connect for a signal that is aborted already', async () => {
    const server = await serve((_request, response) => response.end());
    await expect(client().fetch(server.url, { signal: AbortSignal.abort('no') })).rejects.toBe('no');
    expect(server.connections).toBe(0);
  });

  it('closes every socket when disposed of, fails what is under way, refuses what comes later, and may be disposed of twice', async () => {
    const server = await serve((request, response) => {
      if (request.url === '/stream') response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
    });
    const ours = client();
    const waiting = failureOf(ours.fetch(server.url, post('{}')));
    const stream = await ours.fetch(`${server.url}/stream`);
    const reading = failureOf(stream.text());
    await waitFor(() => server.sockets.size === 2);
    await Promise.all([ours[Symbol.asyncDispose](), ours[Symbol.asyncDispose]()]);
    expect(await waiting).toMatchObject({ code: 'UNAVAILABLE', delivered: 'maybe', details: { reason: 'closed' } });
    expect(await reading).toMatchObject({ details: { reason: 'closed' } });
    await waitFor(() => server.sockets.size === 0, { timeoutMs: 500 });
    expect(await failureOf(ours.fetch(server.url))).toMatchObject({ delivered: 'no', details: { reason: 'closed' } });
  });

  it('closes a connection that is kept for later when disposed of', async () => {
    const server = await serve((_request, response) => sendJson(response, {}));
    const ours = client();
    await (await ours.fetch(server.url)).json();
    expect(server.sockets.size).toBe(1);
    await ours[Symbol.asyncDispose]();
    await waitFor(() => server.sockets.size === 0, { timeoutMs: 500 });
  });

  it('does the same when its own signal aborts, with that reason', async () => {
    const server = await serve(() => {});
    const controller = new AbortController();
    const ours = client({ signal: controller.signal });
    const pending = ours.fetch(server.url);
    await waitFor(() => server.sockets.size === 1);
    controller.abort('stopping');
    await expect(pending).rejects.toBe('stopping');
    await expect(ours.fetch(server.url)).rejects.toBe('stopping');
    await waitFor(() => server.sockets.size === 0, { timeoutMs: 500 });
  });
});

describe('address guard', () => {
  const guard = privateAddressGuard({ allowPrivate: false });

  it.each(['127.0.0.1', '[::ffff:127.0.0.1]', '0x7f.1', '2130706433', '[::1]', 'localhost', 'public-looking.example'])(
    'blocks http://%s before a socket is opened',
    async (host) => {
      const server = await serve((_request, response) => response.end());
      const { fetch } = client({
        addressGuard: guard,
        ...(host.endsWith('.example')
          ? { lookup: (_hostname, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]) }
          : {}),
      });
      const error = await failureOf(fetch(`http://${host}:${server.port}/`, post('{}')));
      expect(error).toMatchObject({ code: 'UNAVAILABLE', delivered: 'no', details: { reason: 'blocked' } });
      expect(server.connections).toBe(0);
    },
  );

  it('judges every new socket: an answer that turns from public to 127.0.0.1 is blocked at connect time', async () => {
    const server = await serve((_request, response) => response.end());
    const answers = ['203.0.113.7', '127.0.0.1'];
    const seen: string[] = [];
    const { fetch } = client({
      connectTimeoutMs: 300,
      lookup: (_hostname, _options, callback) => callback(null, [{ address: answers.shift()!, family: 4 }]),
      addressGuard: (hostname, address, family) => {
        seen.push(address);
        guard(hostname, address, family);
      },
    });
    const url = `http://rebind.example:${server.port}/`;
    await failureOf(fetch(url));
    expect(await failureOf(fetch(url))).toMatchObject({ details: { reason: 'blocked' } });
    expect(seen).toEqual(['203.0.113.7', '127.0.0.1']);
    expect(server.connections).toBe(0);
  });

  it('connects to the allowed one of two addresses', async () => {
    const server = await serve((_request, response) => sendJson(response, { ok: true }));
    const { fetch } = client({
      addressGuard: privateAddressGuard({ allowPrivate: true }),
      lookup: (_hostname, _options, callback) =>
        callback(null, [
          { address: '169.254.169.254', family: 4 },
          { address: '127.0.0.1', family: 4 },
        ]),
    });
    expect(await (await fetch(`http://two.example:${server.port}/`)).json()).toEqual({ ok: true });
  });
});

describe('redirects', () => {
  const redirecting = (to: () => string, status = 307) =>
    serve(async (request, response) => {
      const body = await readBody(request);
      if (request.url === '/from') return void response.writeHead(status, { location: to() }).end();
      sendJson(response, { url: request.url, method: request.method, body, authorization: request.headers.authorization });
    });
  const withToken = post('{"a":1}', { headers: { authorization: 'Bearer canary' } });

  it('follows one within the origin with method, body and headers', async () => {
    const server = await redirecting(() => '/to');
    const response = await client().fetch(`${server.url}/from`, withToken);
    expect(response).toMatchObject({ redirected: true, url: `${server.url}/to` });
    expect(await response.json()).toEqual({ url: '/to', method: 'POST', body: '{"a":1}', authorization: 'Bearer canary' });
  });

  it.each([301, 302, 303, 307, 308])(
    'does not follow a %i to another origin: that server sees no connection, the caller sees the redirect',
    async (status) => {
      const other = await serve((_request, response) => response.end());
      const server = await redirecting(() => `${other.url}/to`, status);
      const response = await client().fetch(`${server.url}/from`, withToken);
      expect(response).toMatchObject({ status, redirected: false });
      expect(response.headers.get('location')).toBe(`${other.url}/to`);
      expect(other.connections).toBe(0);
    },
  );

  it.each([301, 302, 303])('does not turn a POST into a GET for a %i', async (status) => {
    const server = await redirecting(() => '/to', status);
    expect((await client().fetch(`${server.url}/from`, withToken)).status).toBe(status);
    expect(await (await client().fetch(`${server.url}/from`)).json()).toMatchObject({ url: '/to', method: 'GET' });
  });

  it('returns it for redirect: manual, fails for redirect: error, and stops after 5 in a circle', async () => {
    const server = await redirecting(() => '/from');
    const { fetch } = client();
    expect((await fetch(`${server.url}/from`, { redirect: 'manual' })).status).toBe(307);
    expect(await failureOf(fetch(`${server.url}/from`, { redirect: 'error' }))).toMatchObject({
      details: { reason: 'redirect' },
    });
    expect((await fetch(`${server.url}/from`)).status).toBe(307);
  });
});
