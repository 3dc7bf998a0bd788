/** F54: announcements in the modern era come on a stream of their own, which is asked for anew after a cut; nothing is missed. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { count, logged, never, rig, startFixture } from '../fixtures/http-rig.js';
import { tempHome } from '../support/temp-home.js';
import { waitFor } from '../support/wait-for.js';

const listens = async (server: Awaited<ReturnType<typeof startFixture>>) =>
  count(await server.requests(), 'subscriptions/listen');
const isListen = ({ rpc }: { rpc: string | null }) => rpc === 'subscriptions/listen';
const names = async (it: Awaited<ReturnType<typeof rig>>) =>
  (await it.manager.listTools('it', never)).tools.map(({ name }) => name);

describe('a modern server with a long-lived manager', () => {
  it('is asked once for its announcements, and each of them is followed by a list', async () => {
    await using server = await startFixture('http-sdk', { ERA: 'modern' });
    await using it = await rig({ url: server.url }, { longLived: true });
    await names(it);
    await logged(server, isListen, 'a subscription');
    await server.do({ addTool: 'new' });
    await server.do({ announce: true });
    await waitFor(() => it.events.some(({ type }) => type === 'tools-changed'), { what: 'the change to be told' });
    expect(await names(it)).toContain('new');
    expect(await listens(server)).toBe(1);
  });

  it('is asked as well when it is remembered from an earlier run', async () => {
    await using server = await startFixture('http-sdk', { ERA: 'modern' });
    await using home = await tempHome();
    {
      await using first = await rig({ url: server.url }, { home });
      await names(first);
      expect(await listens(server)).toBe(0);
    }
    await using it = await rig({ url: server.url }, { home, longLived: true });
    await it.call('echo', { message: 'hi' });
    await logged(server, isListen, 'a subscription');
    expect(count(await server.requests(), 'server/discover')).toBe(1);
  });

  it('whose stream is cut stays connected, is asked again, and the change that it told nobody is found', async () => {
    await using server = await startFixture('http-sdk', { ERA: 'modern' });
    await using it = await rig({ url: server.url }, { longLived: true });
    await names(it);
    await logged(server, isListen, 'a subscription');
    for (const round of [1, 2]) {
      // In one step: no subscriber is there when the change happens.
      await server.do({ cut: true, addTool: `new-${round}` });
      await waitFor(async () => (await names(it)).includes(`new-${round}`), { what: 'the new tool to be known' });
      await waitFor(async () => (await listens(server)) === 1 + round, { what: 'a new subscription' });
    }
    expect(it.status()).toMatchObject({ status: 'connected', generation: 1 });
    // Both changes may be told as one.
    await waitFor(() => it.events.some((event) => event.type === 'tools-changed' && event.count === 6), {
      what: 'the changes to be told',
    });
  });

  it('that goes away is noticed by its broken stream, without a call: the server is in error, and connected again when it is back', async () => {
    const first = await startFixture('http-sdk', { ERA: 'modern' });
    await using it = await rig({ url: first.url }, { longLived: true });
    await names(it);
    await logged(first, isListen, 'a subscription');
    await first.stop();
    await waitFor(() => it.status().status === 'error', { what: 'the loss to be noticed' });
    await using second = await startFixture('http-sdk', { ERA: 'modern', PORT: new URL(first.url).port });
    await waitFor(() => it.status().status === 'connected', { what: 'the server to be connected again' });
    await logged(second, isListen, 'a subscription');
    await logged(second, ({ rpc }) => rpc === 'tools/list', 'a list');
  });

  it('over stdio is asked as well, and ends with its manager', async () => {
    await using home = await tempHome();
    await home.write('era', 'modern');
    const script = fileURLToPath(new URL('../fixtures/servers/stdio-era.mjs', import.meta.url));
    {
      await using it = await rig({ command: process.execPath, args: [script, home.path] }, { longLived: true });
      expect(await it.call('echo', { message: 'hi' })).toBe('hi');
      await waitFor(async () => /subscriptions\/listen/.test(await readFile(join(home.path, 'log'), 'utf8')), {
        what: 'a subscription',
      });
      expect(it.status().status).toBe('connected');
    }
    expect((await readFile(join(home.path, 'log'), 'utf8')).match(/subscriptions\/listen/g)).toHaveLength(1);
  });

  it('closes the stream when the manager ends', async () => {
    await using server = await startFixture('http-sdk', { ERA: 'modern' });
    {
      await using it = await rig({ url: server.url }, { longLived: true });
      await names(it);
      await logged(server, isListen, 'a subscription');
    }
    await logged(server, (entry) => isListen(entry) && entry.closedAt !== null, 'the end of the stream');
    expect(await listens(server)).toBe(1);
  });
});
