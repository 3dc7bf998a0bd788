/** The headers of the configuration go with every request to the configured origin, and to nobody else. */
import { describe, expect, it } from 'vitest';
import { type Fixture, failure, never, rig, startFixture } from '../fixtures/http-rig.js';
import { startTcpServer } from '../support/http-server.js';

const headers = { Authorization: 'Bearer t0ken-for-one-origin', 'X-Tenant': 'blue' };
const carried = { authorization: headers.Authorization, 'x-tenant': 'blue' };

const everyRequestCarries = async (server: Fixture) => {
  const log = await server.log();
  expect(log.length).toBeGreaterThan(0);
  for (const entry of log) expect(entry.headers, `${entry.http} ${entry.rpc}`).toMatchObject(carried);
  return log.map(({ http, rpc }) => rpc ?? http);
};

it.each(['legacy', 'modern'])('every request to a %s server carries them', async (era) => {
  await using server = await startFixture('http-sdk', { ERA: era });
  {
    await using it = await rig({ url: server.url, headers });
    await it.manager.listTools('it', never);
    await it.call('echo', { message: 'hi' });
    await it.manager.ping('it', never);
  }
  const kinds = await everyRequestCarries(server);
  const expected = ['server/discover', 'tools/list', 'tools/call'];
  expect(kinds).toEqual(
    expect.arrayContaining(
      era === 'legacy' ? [...expected, 'initialize', 'notifications/initialized', 'GET', 'DELETE'] : expected,
    ),
  );
});

it('every request to an SSE server carries them, the stream included', async () => {
  await using server = await startFixture('http-sse');
  await using it = await rig({ url: server.url, headers });
  await it.call('echo', { message: 'hi' });
  expect(await everyRequestCarries(server)).toEqual(
    expect.arrayContaining(['GET', 'initialize', 'notifications/initialized', 'tools/call']),
  );
});

it('headers of the configuration cannot be overruled by what a server sends, and variables are expanded', async () => {
  await using server = await startFixture('http-sdk', { ERA: 'modern' });
  const env = { TOKEN: 'from-the-environment' };
  await using it = await rig({ url: server.url, headers: { Authorization: 'Bearer ${TOKEN}' } }, { env });
  await it.call('echo', { message: 'hi' });
  for (const entry of await server.log()) expect(entry.headers.authorization).toBe('Bearer from-the-environment');
});

describe.each([301, 302, 307, 308])('HTTP %i to another origin', (status) => {
  it.each(['server/discover', 'initialize', 'tools/call'])(
    'is not followed from %s: nothing at all arrives at another port, host name or scheme',
    async (at) => {
      await using other = await startFixture('http-fault');
      await using tls = await startTcpServer((socket) => socket.end());
      const elsewhere = [other.url, other.url.replace('127.0.0.1', 'localhost'), `https://127.0.0.1:${tls.port}/mcp`];
      for (const location of status === 302 ? elsewhere : elsewhere.slice(0, 1)) {
        await using server = await startFixture('http-fault', { REDIRECT: `${status},${location}`, FAULT_AT: at });
        await using it = await rig({
          url: server.url,
          type: 'http',
          headers,
          ...(at === 'initialize' && { protocol: 'legacy' }),
        });
        // An answer to the probe that is no success leads to the old protocol, which this server speaks.
        if (at === 'server/discover') expect(await it.call('echo', { message: 'hi' })).toBe('hi');
        else {
          const error = await failure(it.call('echo'));
          expect(error).toMatchObject({ code: 'PROTOCOL', server: 'it', details: { status } });
          expect(error.hint).toContain('final address');
          expect(await server.executions('echo')).toBe(0);
        }
        await everyRequestCarries(server);
      }
      expect(await other.log()).toEqual([]);
      expect(tls.connections).toBe(0);
    },
  );
});

it('a redirected event stream of an SSE server is not followed either', async () => {
  await using other = await startFixture('http-sse');
  await using server = await startFixture('http-fault', { REDIRECT: `307,${other.url}` });
  await using it = await rig({ url: server.url, type: 'sse', headers });
  expect(await failure(it.connect())).toMatchObject({ code: 'PROTOCOL', server: 'it' });
  expect(await other.log()).toEqual([]);
});

it('an SSE endpoint on another port, host name or scheme is refused, and not even a connection is made', async () => {
  await using other = await startFixture('http-fault');
  for (const endpoint of [
    `${other.origin}/message`,
    `http://localhost:1/message`,
    '//evil.invalid/message',
    'https://127.0.0.1/x',
  ]) {
    await using server = await startFixture('http-sse', { ENDPOINT: endpoint });
    await using it = await rig({ url: server.url, type: 'sse', headers });
    const error = await failure(it.connect());
    expect(error).toMatchObject({ code: 'PROTOCOL', server: 'it', details: { reason: 'foreign-endpoint' } });
    expect((await server.requests()).filter((name) => name !== 'GET')).toEqual([]);
  }
  expect(await other.log()).toEqual([]);
});
