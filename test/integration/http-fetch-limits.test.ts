/** What a server can make us hold: large answers, bombs and endless events, each stopped at its limit without hurting others. */
import type { ServerResponse } from 'node:http';
import { brotliCompressSync, constants, createDeflateRaw, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { createHttpFetch, type HttpFetch, type HttpFetchOptions } from '../../src/io/http-fetch.js';
import { sendJson, startHttpServer, type TestServer } from '../support/http-server.js';
import { waitFor } from '../support/wait-for.js';

const mib = 2 ** 20;
const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing[Symbol.asyncDispose]();
});
const client = (options: Partial<HttpFetchOptions> = {}): HttpFetch => {
  const made = createHttpFetch({ maxBodyBytes: 16 * mib, connectTimeoutMs: 5_000, clock: systemClock, ...options });
  open.push(made);
  return made;
};
const serve = async (...args: Parameters<typeof startHttpServer>): Promise<TestServer> => {
  const server = await startHttpServer(...args);
  open.push(server);
  return server;
};
const json = { 'content-type': 'application/json' };
const rejection = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable('it should have failed'),
    (error: unknown) => error,
  );

/** Sends `chunk` again and again until the connection is gone. */
const sendForEver = (response: ServerResponse, chunk: string | Buffer) => {
  const more = () => {
    while (!response.destroyed) if (!response.write(chunk)) return void response.once('drain', more);
  };
  more();
};

/** Runs `work` and returns how far the resident memory rose above its start, in MiB. */
const rssGrowth = async (work: () => Promise<void>) => {
  const start = process.memoryUsage.rss();
  let peak = start;
  const look = () => {
    peak = Math.max(peak, process.memoryUsage.rss());
  };
  const timer = setInterval(look, 5);
  await work();
  look();
  clearInterval(timer);
  return (peak - start) / mib;
};

describe('memory', () => {
  it('stops a gzip bomb of 400 KB that holds 400 MB, with less than 100 MB of memory, and closes its connection', async () => {
    const bomb = Buffer.concat(Array<Buffer>(40).fill(gzipSync(Buffer.alloc(10_000_000))));
    expect(bomb.length).toBeLessThan(450_000);
    const server = await serve((_request, response) =>
      response.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end(bomb),
    );
    const { fetch } = client();
    const growth = await rssGrowth(async () => {
      const error = await rejection((await fetch(server.url)).json());
      expect(error).toMatchObject({ code: 'TOO_LARGE', delivered: 'maybe', details: { maxBytes: 16 * mib } });
    });
    expect(growth).toBeLessThan(100);
    await waitFor(() => server.sockets.size === 0, { timeoutMs: 500 });
  });

  it('stops an event that never ends at 16 MiB, with less than 100 MB of memory', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: ');
      sendForEver(response, 'x'.repeat(64 * 1024));
    });
    const response = await client().fetch(server.url);
    const reader = response.body!.getReader();
    let received = 0;
    let error: unknown;
    const growth = await rssGrowth(async () => {
      while (error === undefined) {
        await reader.read().then(
          ({ value }) => {
            received += value?.length ?? 0;
          },
          (reason: unknown) => {
            error = reason;
          },
        );
      }
    });
    expect(error).toMatchObject({ code: 'TOO_LARGE' });
    expect(received).toBeLessThanOrEqual(16 * mib);
    expect(received).toBeGreaterThan(15 * mib);
    expect(growth).toBeLessThan(100);
    await waitFor(() => server.sockets.size === 0, { timeoutMs: 500 });
  });

  it('lets an event stream of 64 MiB pass whose events are 1 MiB each', async () => {
    const event = `data: ${'x'.repeat(mib)}\n\n`;
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      let sent = 0;
      const more = () => {
        while (sent++ < 64) if (!response.write(event)) return void response.once('drain', more);
        response.end();
      };
      more();
    });
    let received = 0;
    for await (const chunk of (await client().fetch(server.url)).body!) received += chunk.length;
    expect(received).toBe(64 * event.length);
  });
});

describe('answers', () => {
  it('reads 10 MB of JSON', async () => {
    const value = { text: 'äx'.repeat(3_500_000) };
    const server = await serve((_request, response) => sendJson(response, value));
    expect(await (await client().fetch(server.url)).json()).toEqual(value);
  });

  it.each(['with content-length', 'chunked'])(
    'fails 17 MiB %s over a limit of 16 MiB while a second request on its way succeeds',
    async (how) => {
      const server = await serve((request, response) => {
        if (request.url === '/small') return void setTimeout(() => sendJson(response, { ok: true }), 50);
        response.writeHead(200, how === 'chunked' ? json : { ...json, 'content-length': 17 * mib });
        response.end(Buffer.alloc(17 * mib, 32));
      });
      const { fetch } = client();
      const [large, small] = await Promise.all([
        fetch(server.url).then((response) => rejection(response.json())),
        fetch(`${server.url}/small`).then((response) => response.json()),
      ]);
      expect(large).toMatchObject({ code: 'TOO_LARGE', delivered: 'maybe' });
      expect(String((large as { hint?: string }).hint)).toContain('maxMessageBytes');
      expect(small).toEqual({ ok: true });
    },
  );

  it('takes exactly 16 MiB and refuses one byte more', async () => {
    const server = await serve((request, response) =>
      response.writeHead(200, json).end(Buffer.alloc(Number(request.url?.slice(1)), 49)),
    );
    const { fetch } = client();
    expect((await (await fetch(`${server.url}/${16 * mib}`)).text()).length).toBe(16 * mib);
    expect(await rejection((await fetch(`${server.url}/${16 * mib + 1}`)).text())).toMatchObject({ code: 'TOO_LARGE' });
  });

  it('cuts the text of an error at 64 KiB instead of failing, plain and compressed, and closes the connection', async () => {
    const server = await serve((request, response) => {
      const zipped = request.url === '/gzip';
      response.writeHead(500, zipped ? { 'content-encoding': 'gzip' } : {});
      if (zipped) response.end(gzipSync(Buffer.alloc(10 * mib, 'e')));
      else sendForEver(response, 'e'.repeat(1_000));
    });
    const { fetch } = client();
    for (const path of ['gzip', 'plain']) {
      const response = await fetch(`${server.url}/${path}`);
      expect(response.ok).toBe(false);
      expect(await response.text()).toBe('e'.repeat(64 * 1024));
    }
    // The compressed one was complete on the wire, so its connection served the other one.
    expect(server.connections).toBe(1);
    await waitFor(() => server.sockets.size === 0, { timeoutMs: 500 });
  });

  it('frees the connection of an error or of JSON that nobody reads', async () => {
    const server = await serve((request, response) =>
      sendJson(response, { text: 'x'.repeat(1_000) }, Number(request.url?.slice(1))),
    );
    const { fetch } = client();
    for (const status of [404, 200, 500, 200, 404]) {
      await fetch(`${server.url}/${status}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(server.connections).toBe(1);
  });
});

describe('content encodings', () => {
  const text = JSON.stringify({ text: 'déjà vu '.repeat(20_000) });
  it.each([
    ['gzip', gzipSync(text)],
    ['x-gzip', gzipSync(text)],
    ['deflate', deflateSync(text)],
    ['deflate', deflateRawSync(text)],
    ['br', brotliCompressSync(text)],
    ['GZIP', gzipSync(text)],
    ['identity', Buffer.from(text)],
    ['gzip', Buffer.concat([gzipSync(text.slice(0, 1_000)), gzipSync(text.slice(1_000))])],
    ['gzip', gzipSync(text).subarray(0, -8)], // without its checksum, as some servers send it
  ])('decodes %s, and keeps the connection', async (encoding, body) => {
    const server = await serve((_request, response) =>
      response.writeHead(200, { ...json, 'content-encoding': encoding }).end(body),
    );
    const { fetch } = client();
    expect(await (await fetch(server.url)).text()).toBe(text);
    expect(await (await fetch(server.url)).text()).toBe(text);
    expect(server.connections).toBe(1);
  });

  it.each(['gzip, br', 'zstd', 'gzip, gzip, gzip', 'ex\u00e4mple'])('refuses %s, which was not asked for', async (encoding) => {
    const server = await serve((_request, response) =>
      response.writeHead(200, { ...json, 'content-encoding': encoding }).end('x'),
    );
    expect(await rejection(client().fetch(server.url))).toMatchObject({ code: 'PROTOCOL', details: { reason: 'encoding' } });
    await waitFor(() => server.sockets.size === 0, { timeoutMs: 500 });
  });

  it.each(['gzip', 'deflate', 'br'])('is PROTOCOL when %s is announced and something else comes', async (encoding) => {
    const server = await serve((_request, response) =>
      response.writeHead(200, { ...json, 'content-encoding': encoding }).end('{"plain":"json, not compressed"}'),
    );
    expect(await rejection((await client().fetch(server.url)).json())).toMatchObject({
      code: 'PROTOCOL',
      details: { reason: 'encoding' },
    });
  });

  it('delivers each event of a compressed stream before the next one is sent', async () => {
    let push: (event: string) => void = () => {};
    const server = await serve((_request, response) => {
      const zip = createDeflateRaw({ flush: constants.Z_SYNC_FLUSH });
      zip.pipe(response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'deflate' }));
      push = (event) => void zip.write(event);
      push('data: 0\n\n');
    });
    const response = await client().fetch(server.url);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    for (let i = 0; i < 5; i++) {
      if (i > 0) push(`data: ${i}\n\n`);
      expect((await reader.read()).value).toBe(`data: ${i}\n\n`);
    }
  });
});
