/** Streamable HTTP in both protocol eras against servers of the official SDK, and what is remembered of them between runs. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { count, failure, never, rig, startFixture } from '../fixtures/http-rig.js';
import { type TempHome, tempHome } from '../support/temp-home.js';

describe.each([
  { era: 'legacy', version: '2025-11-25' },
  { era: 'modern', version: '2026-07-28' },
] as const)('a $era server', ({ era, version }) => {
  it.each(['json', 'sse'] as const)('connects, lists 4 tools, calls, pings and closes, with answers as %s', async (answers) => {
    await using server = await startFixture('http-sdk', { ERA: era, ANSWERS: answers });
    {
      await using it = await rig({ url: server.url });
      expect((await it.manager.listTools('it', never)).tools.map(({ name }) => name)).toEqual(['echo', 'sleep', 'hang', 'drip']);
      expect(await it.call('echo', { message: 'grüße' })).toBe('grüße');
      expect(await it.manager.ping('it', never)).toBeGreaterThan(0);
      expect(it.status()).toMatchObject({
        status: 'connected',
        transport: 'http',
        protocol: { version, era },
        serverInfo: { name: 'http-sdk', version: '1.2.3' },
        tools: 4,
      });
    }
    const log = await server.log();
    const call = log.find(({ rpc }) => rpc === 'tools/call')!;
    if (era === 'legacy') {
      const { headers } = log.find(({ http }) => http === 'DELETE')!;
      expect(headers['mcp-session-id']).toBe(call.headers['mcp-session-id']);
      expect(headers['mcp-session-id']).toMatch(/^[0-9a-f-]{36}$/);
      expect(count(await server.requests(), 'initialize')).toBe(1);
    } else {
      expect(call.headers).toMatchObject({ 'mcp-protocol-version': version, 'mcp-method': 'tools/call', 'mcp-name': 'echo' });
      expect(log.some(({ http, rpc, headers }) => http === 'DELETE' || rpc === 'initialize' || 'mcp-session-id' in headers)).toBe(
        false,
      );
    }
    // How an exchange is told apart from the others inside mcpctl is nobody else's business.
    expect(log.some(({ headers }) => Object.keys(headers).some((name) => name.startsWith('x-mcpctl')))).toBe(false);
  });
});

/** The requests of one one-shot call, connecting included. */
async function requestsOfOneCall(server: Awaited<ReturnType<typeof startFixture>>, home: TempHome, definition = {}) {
  const before = (await server.requests()).length;
  {
    await using it = await rig({ url: server.url, ...definition }, { home });
    expect(await it.call('echo', { message: 'hi' })).toBe('hi');
  }
  return (await server.requests()).slice(before);
}

/** Changes what the last run wrote down about the only server. */
async function rewriteEra(home: TempHome, change: (era: Record<string, unknown>) => void) {
  const folder = join(home.stateDir, 'servers');
  const [file] = await readdir(folder);
  const path = join(folder, file!);
  const memory = JSON.parse(await readFile(path, 'utf8')) as { era: Record<string, unknown> };
  change(memory.era);
  await writeFile(path, JSON.stringify(memory));
}

const dayMs = 24 * 3_600_000;

describe('what is remembered', () => {
  it('a legacy server is asked for its era in the first run only, and again after a day', async () => {
    await using server = await startFixture('http-sdk', { ERA: 'legacy' });
    await using home = await tempHome();
    expect(count(await requestsOfOneCall(server, home), 'server/discover')).toBe(1);
    const second = await requestsOfOneCall(server, home);
    expect(second.filter((name) => name !== 'GET')).toEqual(['initialize', 'notifications/initialized', 'tools/call', 'DELETE']);
    await rewriteEra(home, (era) => (era.at = Date.now() - dayMs - 1000));
    expect(count(await requestsOfOneCall(server, home), 'server/discover')).toBe(1);
  });

  it('the second call of a modern server is 1 request in all; after a day the server is asked again', async () => {
    await using server = await startFixture('http-sdk', { ERA: 'modern' });
    await using home = await tempHome();
    expect(await requestsOfOneCall(server, home)).toContain('server/discover');
    expect(await requestsOfOneCall(server, home)).toEqual(['tools/call']);
    await rewriteEra(home, (era) => (era.at = Date.now() - dayMs - 1000));
    expect(await requestsOfOneCall(server, home)).toContain('server/discover');
  });

  it('a modern verdict about a server that speaks only the old protocol now is dropped, and the call runs once', async () => {
    await using server = await startFixture('http-sdk', { ERA: 'modern' });
    await using home = await tempHome();
    await requestsOfOneCall(server, home);
    await server.do({ era: 'legacy' });
    const requests = await requestsOfOneCall(server, home);
    expect(requests).toEqual(expect.arrayContaining(['tools/call', 'server/discover', 'initialize']));
    expect(await server.executions('echo')).toBe(2);
    expect((await requestsOfOneCall(server, home))[0]).toBe('initialize');
  });

  it('a legacy verdict about a server that speaks only the new protocol now is dropped, and the call runs once', async () => {
    await using server = await startFixture('http-sdk', { ERA: 'legacy' });
    await using home = await tempHome();
    await requestsOfOneCall(server, home);
    await server.do({ era: 'modern' });
    expect((await requestsOfOneCall(server, home)).slice(0, 2)).toEqual(['initialize', 'server/discover']);
    expect(await server.executions('echo')).toBe(2);
    expect(await requestsOfOneCall(server, home)).toEqual(['tools/call']);
  });

  it.each(['the next ping', 'a new connection'])(
    'a long-lived manager follows its modern server to the old era at %s',
    async (when) => {
      await using server = await startFixture('http-sdk', { ERA: 'modern' });
      await using it = await rig({ url: server.url }, { longLived: true });
      await it.call('echo', { message: 'a' });
      await server.do({ era: 'legacy' });
      // Words that are no proof of an era: the call fails, as an unexecuted one.
      expect(await failure(it.call('echo', { message: 'b' }))).toMatchObject({ code: 'PROTOCOL', server: 'it', delivered: 'no' });
      if (when === 'the next ping') await it.manager.ping('it', never);
      else await it.connect();
      expect(await it.call('echo', { message: 'c' })).toBe('c');
      expect(it.status().protocol?.era).toBe('legacy');
      expect(await server.executions('echo')).toBe(2);
    },
  );

  it('a question that broke off proves nothing: the first connect fails, the next one finds the new era', async () => {
    await using server = await startFixture('http-sdk', { ERA: 'dual', BREAKS_AT: 'server/discover' });
    await using home = await tempHome();
    {
      await using it = await rig({ url: server.url }, { home });
      expect(await failure(it.connect())).toMatchObject({
        code: 'UNAVAILABLE',
        server: 'it',
        details: { reason: 'stream-broken' },
      });
    }
    await server.do({ breaksAt: null });
    await using it = await rig({ url: server.url }, { home });
    await it.connect();
    expect(it.status().protocol?.era).toBe('modern');
    expect(await server.requests()).not.toContain('initialize');
  });

  it('a stored answer that makes no sense is not used', async () => {
    await using server = await startFixture('http-sdk', { ERA: 'modern' });
    await using home = await tempHome();
    await requestsOfOneCall(server, home);
    await rewriteEra(home, (era) => (era.discover = { supportedVersions: 'all of them' }));
    expect(await requestsOfOneCall(server, home)).toContain('server/discover');
  });
});

describe('protocol: legacy|modern', () => {
  it('legacy asks nothing, and a server of both eras is spoken to in the old one', async () => {
    await using server = await startFixture('http-sdk', { ERA: 'dual' });
    await using it = await rig({ url: server.url, protocol: 'legacy' });
    await it.connect();
    expect(it.status().protocol?.era).toBe('legacy');
    expect(await server.requests()).not.toContain('server/discover');
  });

  it('auto prefers the new era of a server that has both', async () => {
    await using server = await startFixture('http-sdk', { ERA: 'dual' });
    await using it = await rig({ url: server.url });
    await it.connect();
    expect(it.status().protocol).toEqual({ version: '2026-07-28', era: 'modern' });
  });

  it('modern never falls back: an old server is PROTOCOL, and never hears initialize', async () => {
    await using server = await startFixture('http-sdk', { ERA: 'legacy' });
    await using it = await rig({ url: server.url, type: 'http', protocol: 'modern' });
    const error = await failure(it.connect());
    expect(error).toMatchObject({ code: 'PROTOCOL', server: 'it' });
    expect(await server.requests()).not.toContain('initialize');
  });
});
