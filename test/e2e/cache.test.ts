/** Caches as a user meets them: what is kept on the disk and in a manager, what servers say about it, and `cache` and `cache clear`. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readBody, startHttpServer } from '../support/http-server.js';
import { runCli } from '../support/run-cli.js';
import type { TempHome } from '../support/temp-home.js';
import { waitFor } from '../support/wait-for.js';
import { documentOf, errorOf, faultServer, fixture, homeWith } from './kit.js';
import { managed } from './managed.js';

interface CacheDocument {
  readonly servers: readonly {
    server: string;
    size: number;
    hits: number;
    misses: number;
    entries: readonly { kind: string; tool: string | null; tools: number | null; ttlLeftMs: number; hits: number }[];
  }[];
}

const hints = (era: 'legacy' | 'modern', members = '', more: object = {}) => ({
  command: process.execPath,
  args: [fixture('stdio-hints.mjs'), era, members],
  ...more,
});

const one =
  (home: TempHome) =>
  (line: string, more: object = {}) =>
    runCli(line.split(' '), { home, ...more });
const shown = async (run: (line: string) => ReturnType<typeof runCli>) =>
  (documentOf(await run('cache --json')) as CacheDocument).servers;

/** What stands in the state folder about each server. */
async function onDisk({ stateDir }: TempHome): Promise<Record<string, unknown>[]> {
  const folder = join(stateDir, 'servers');
  const files = await readdir(folder).catch(() => []);
  return Promise.all(files.map(async (name) => JSON.parse(await readFile(join(folder, name), 'utf8'))));
}

const day = 24 * 3_600_000;

describe('a list of tools', () => {
  it('is shown from the disk by a command on its own, and cache clear forgets it, but not the era', async () => {
    await using home = await homeWith({ fault: faultServer(), hints: hints('legacy') });
    const run = one(home);
    expect((await run('cache')).stdout).toMatch(/^fault +0 +0 B .*100, lru, 5 m$/m);
    await run('tools');
    const before = await shown(run);
    expect(before.map(({ server, size }) => [server, size])).toEqual([
      ['fault', 1],
      ['hints', 1],
    ]);
    expect(before[1]!.entries).toMatchObject([{ kind: 'tools', tool: null, tools: 4, hits: 0 }]);
    expect(before[1]!.entries[0]!.ttlLeftMs).toBeLessThan(300_000);
    expect((await run('cache')).stdout).toMatch(/^hints +list of 4 tools +.* 5 m +0 +\d+ B$/m);

    expect(documentOf(await run('cache clear hints --json'))).toEqual({ cleared: [{ server: 'hints', entries: 1 }] });
    expect((await shown(run)).map(({ size }) => size)).toEqual([1, 0]);
    const memories = await onDisk(home);
    expect(memories.map((memory) => 'tools' in memory).sort()).toEqual([false, true]);
    expect(memories.every((memory) => 'era' in memory)).toBe(true);
    expect((await run('cache clear')).stdout).toBe('fault: 1 entry cleared\n');
    expect((await run('cache clear')).stdout).toBe('Nothing was kept.\n');
    expect(errorOf(await run('cache clear nope --json'))).toMatchObject({ code: 'UNKNOWN_SERVER' });
  });

  it.each<[string, string, number, number]>([
    ['-1', '"ttlMs":-1,"cacheScope":"private"', 0, 0],
    ['"soon"', '"ttlMs":"soon","cacheScope":"everybody"', 0, 0],
    ['1e18', '"ttlMs":1e18,"cacheScope":"public"', day - 60_000, day],
    ['90000', '"ttlMs":90000,"cacheScope":"public"', 30_000, 90_000],
  ])('with the hint ttlMs %s is usable in both eras, and kept as long as that says', async (_, members, least, most) => {
    await using home = await homeWith({ legacy: hints('legacy', members), modern: hints('modern', members) });
    const run = one(home);
    expect((await run('call legacy/look')).stdout).toBe('1\n');
    expect((await run('call modern/look')).stdout).toBe('1\n');
    for (const { entries } of await shown(run)) {
      expect(entries).toHaveLength(1);
      expect(entries[0]!.ttlLeftMs).toBeGreaterThanOrEqual(least);
      expect(entries[0]!.ttlLeftMs).toBeLessThanOrEqual(most);
    }
  });

  it('that was got with one token is not shown for another; a public one is', async () => {
    // A server whose tools are called after who asks.
    await using web = await startHttpServer(async (request, response) => {
      if (request.method !== 'POST') return void response.writeHead(request.method === 'DELETE' ? 200 : 405).end();
      const { id, method } = JSON.parse((await readBody(request)).toString()) as { id?: number; method: string };
      if (id === undefined) return void response.writeHead(202).end();
      const name = (request.headers.authorization ?? 'nobody').replace(/^Bearer |-token$/g, '');
      const cacheScope = request.url === '/public' ? 'public' : 'private';
      const results: Record<string, object> = {
        initialize: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'web', version: '1' } },
        'tools/list': { tools: [{ name, inputSchema: { type: 'object' } }], ttlMs: 3_600_000, cacheScope },
      };
      const result = results[method];
      response.writeHead(200, { 'content-type': 'application/json' });
      const error = { code: -32601, message: 'Method not found' };
      response.end(JSON.stringify({ jsonrpc: '2.0', id, ...(result ? { result } : { error }) }));
    });
    await using home = await homeWith({ private: { url: `${web.url}/private` }, public: { url: `${web.url}/public` } });
    const run = (line: string, input?: string) =>
      runCli(line.split(' '), { home, env: { MCPCTL_CREDENTIAL_STORE: 'file' }, ...(input !== undefined && { input }) });
    const names = async () =>
      (documentOf(await run('tools --json')) as { tools: { name: string }[] }).tools.map(({ name }) => name);

    expect(await names()).toEqual(['nobody', 'nobody']);
    for (const server of ['private', 'public']) await run(`auth-save ${server}`, 'ann-token');
    expect(await names()).toEqual(['ann', 'nobody']);
    await run('auth-save private', 'bob-token');
    expect((await shown(run)).map(({ size }) => size)).toEqual([0, 1]);
    expect(await names()).toEqual(['bob', 'nobody']);
    await run('logout private');
    expect(await names()).toEqual(['nobody', 'nobody']);
  });
});

describe('a manager', () => {
  const results = { cache: { results: { tools: ['look', 'fail', 'write'], ttl: '1h' } } };

  it('gives the kept result of an equal call until it is cleared, asked anew, or something is written', async () => {
    await using up = await managed({ hints: hints('legacy', '', results) });
    const look = async (more = '') => (await up.run(`call hints/look${more}`)).stdout;
    expect(await look()).toBe('1\n');
    expect(await look()).toBe('1\n');
    expect((await up.run('call hints/look --json')).stdout).toBe((await up.run('call hints/look --json')).stdout);
    expect(await look(' --no-cache')).toBe('2\n');
    expect(await look(' --timeout 5s')).toBe('2\n');
    await up.run('call hints/write');
    expect(await look()).toBe('3\n');
    expect((await up.run('cache clear hints')).stdout).toBe('hints: 2 entries cleared\n');
    expect(await look()).toBe('4\n');
    const [state] = await shown(up.run);
    expect(state!.entries).toMatchObject([
      { kind: 'tools', tools: 4 },
      { kind: 'result', tool: 'look', tools: null },
    ]);
    expect((await up.run('cache')).stdout).toMatch(/^hints +result of look +\S+ m?s +60 m +\d+ +\d+ B$/m);
    // What a tool refused is asked for again.
    expect((await up.run('call hints/fail')).stdout).toBe('5\n');
    expect((await up.run('call hints/fail')).stdout).toBe('6\n');
  });

  it('asks for the list again when the server announces a change, whatever the hint says', async () => {
    await using up = await managed({ hints: hints('legacy', '"ttlMs":3600000') });
    const count = async () => (documentOf(await up.run('tools hints --json')) as { tools: unknown[] }).tools.length;
    expect(await count()).toBe(4);
    expect(await count()).toBe(4);
    expect((await up.run('call hints/grow')).stdout).toBe('5\n');
    await waitFor(async () => (await count()) === 5);
  });
});
