/** The older HTTP+SSE transport: found out, remembered, and ended at once when its one stream breaks. */
import { describe, expect, it } from 'vitest';
import { count, failure, logged, never, rig, startFixture, timed } from '../fixtures/http-rig.js';
import { startHttpServer } from '../support/http-server.js';
import { tempHome } from '../support/temp-home.js';
import { waitFor } from '../support/wait-for.js';

describe('type auto', () => {
  it.each(['404', '405', '400'])('falls back to SSE when POST is refused with %s, and remembers it', async (refuses) => {
    await using server = await startFixture('http-sse', { REFUSES: refuses });
    await using home = await tempHome();
    for (const run of [1, 2]) {
      const before = (await server.log()).length;
      await using it = await rig({ url: server.url }, { home });
      expect(await it.call('echo', { message: `run ${run}` })).toBe(`run ${run}`);
      expect((await it.manager.listTools('it', never)).tools.length).toBeGreaterThan(3);
      expect(await it.manager.ping('it', never)).toBeGreaterThan(0);
      expect(it.status()).toMatchObject({ transport: 'sse', protocol: { version: '2024-11-05', era: 'legacy' } });
      const log = (await server.log()).slice(before);
      // Discover and initialize are refused in the first run; the second one knows better.
      expect(log.filter(({ http, path }) => http === 'POST' && path === '/sse')).toHaveLength(run === 1 ? 2 : 0);
      expect(log.filter(({ http }) => http === 'GET')).toHaveLength(1);
    }
  });

  it('finds its way back when an SSE server has become a streamable one', async () => {
    await using home = await tempHome();
    await using old = await startFixture('http-sse');
    {
      await using it = await rig({ url: old.url }, { home });
      await it.call('echo', { message: 'hi' });
    }
    await old.stop();
    await using server = await startFixture('http-fault', { PORT: new URL(old.url).port });
    await using it = await rig({ url: old.url }, { home });
    expect(await it.call('echo', { message: 'new' })).toBe('new');
    expect(it.status().transport).toBe('http');
    expect(count(await server.requests(), 'server/discover')).toBe(1);
  });

  it('a login wanted by the event stream is told as such', async () => {
    await using server = await startFixture('http-fault', { STATUS: '401' });
    await using it = await rig({ url: server.url, type: 'sse' });
    expect(await failure(it.connect())).toMatchObject({ code: 'AUTH_REQUIRED' });
    expect(it.status().status).toBe('needs-auth');
  });
});

describe('a session that the server has forgotten (404)', () => {
  it('though its stream is open: the call runs once, in a new session, at once', async () => {
    await using server = await startFixture('http-sse', { REFUSES: '404' });
    await using it = await rig({ url: server.url, type: 'sse', retry: { strategy: 'none' } }, { longLived: true });
    await it.call('echo', { message: 'warm' });
    await server.do({ forget: true });
    expect(await it.call('echo', { message: 'hi' })).toBe('hi');
    expect(await server.executions('echo')).toBe(2);
    expect(count(await server.requests(), 'initialize')).toBe(2);
    expect(it.status()).toMatchObject({ status: 'connected', breaker: { consecutiveFailures: 0 } });
  });
});

describe('the event stream', () => {
  it('that never says its address is given up after 400 ms, each time somebody comes, and nothing waits for it at the end', async () => {
    await using server = await startHttpServer((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': wait\n\n');
    });
    const timeouts = { connect: '200ms', initialize: '200ms' };
    await using it = await rig({ url: `${server.url}/sse`, type: 'sse', timeouts });
    for (let i = 0; i < 3; i++) {
      expect(await failure(it.call('echo'))).toMatchObject({ code: 'TIMEOUT' });
      await waitFor(() => server.sockets.size === 0, { what: 'the stream to be closed' });
    }
    expect(server.connections).toBe(3);
  });

  it.each(['break-stream', 'end-stream'])(
    '%s fails both calls in flight within 300 ms as perhaps delivered, and the manager reconnects',
    async (tool) => {
      await using server = await startFixture('http-sse');
      await using it = await rig({ url: server.url, type: 'sse' }, { longLived: true });
      await it.call('echo', { message: 'warm' });
      const hanging = failure(it.call('hang'));
      await logged(server, ({ tool: name }) => name === 'hang', 'the first call');
      const { value, ms } = await timed(Promise.all([failure(it.call(tool)), hanging]));
      expect(value).toMatchObject([
        { code: 'OUTCOME_UNKNOWN', server: 'it', delivered: 'maybe', details: { reason: 'stream-broken' } },
        { code: 'OUTCOME_UNKNOWN', server: 'it', delivered: 'maybe', details: { reason: 'stream-broken' } },
      ]);
      expect(ms).toBeLessThan(300);
      await waitFor(() => it.status().status === 'connected', { what: 'the manager to reconnect' });
      expect(await it.call('echo', { message: 'again' })).toBe('again');
      expect(await server.executions('hang')).toBe(1);
      expect(await server.executions(tool)).toBe(1);
    },
  );

  it('an event that is no message, and a POST that is refused, concern nobody else', async () => {
    await using server = await startFixture('http-sse');
    await using it = await rig({ url: server.url, type: 'sse' }, { longLived: true });
    expect(await it.call('not-rpc')).toBe('after it');
    expect(await failure(it.call('refused-post'))).toMatchObject({ code: 'PROTOCOL', server: 'it', details: { status: 413 } });
    expect(await it.call('echo', { message: 'hi' })).toBe('hi');
    expect(count(await server.requests(), 'GET')).toBe(1);
  });

  it('an event of 17 MiB over the limit of 16 MiB ends the connection with TOO_LARGE; the next call finds a new one', async () => {
    await using server = await startFixture('http-sse');
    await using it = await rig({ url: server.url, type: 'sse' }, { longLived: true });
    const error = await failure(it.call('big', { bytes: 17 * 1024 ** 2 }));
    expect(error).toMatchObject({ code: 'TOO_LARGE', server: 'it', delivered: 'maybe' });
    expect(error.hint).toContain('maxMessageBytes');
    expect(await it.call('echo', { message: 'hi' })).toBe('hi');
    expect(await server.executions('big')).toBe(1);
  });

  it('closes with the manager', async () => {
    await using server = await startFixture('http-sse');
    {
      await using it = await rig({ url: server.url, type: 'sse' });
      await it.call('echo', { message: 'hi' });
    }
    await logged(server, ({ http, aborted }) => http === 'GET' && aborted, 'the end of the stream');
  });
});
