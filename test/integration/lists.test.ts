/** F40, F41, F42: lists without end, announcements without end, notifications without end; what is large but finite works. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { failure, never, rig, startFixture } from '../fixtures/http-rig.js';
import { tempDir } from '../fixtures/stdio-rig.js';
import { waitFor } from '../support/wait-for.js';

const listServer = fileURLToPath(new URL('../fixtures/servers/list-stdio.mjs', import.meta.url));
const definition = (env: Record<string, string>, more: Record<string, unknown> = {}) => ({
  command: process.execPath,
  args: [listServer],
  env,
  protocol: 'legacy',
  ...more,
});

describe('F40: a list in pages', () => {
  it('of 10 000 tools over 200 pages arrives whole and in order', async () => {
    await using it = await rig(definition({ PAGES: '200', PER_PAGE: '50' }));
    const { tools } = await it.manager.listTools('it', never);
    expect(tools).toHaveLength(10_000);
    expect(tools.at(-1)?.name).toBe('tool-9999');
    expect(new Set(tools.map(({ name }) => name)).size).toBe(10_000);
  });

  it.each([
    ['circle', { PAGES: '9', PER_PAGE: '7', MODE: 'circle' }, { code: 'PROTOCOL', pages: 3, items: 21 }, /goes round in circles/],
    ['first page for ever', { MODE: 'same', PER_PAGE: '5' }, { code: 'PROTOCOL', pages: 2, items: 10 }, /goes round in circles/],
    ['new cursor for ever', { MODE: 'endless', PER_PAGE: '5' }, { code: 'PROTOCOL', pages: 1000, items: 5000 }, /has no end/],
    ['100 050 tools', { PAGES: '150', PER_PAGE: '667' }, { code: 'TOO_LARGE', pages: 150, items: 100_050 }, /100000 items/],
  ])('with %s ends as an error that says how far it came, and calls go on', async (_name, env, { code, pages, items }, words) => {
    await using it = await rig(definition(env), { longLived: true });
    const error = await failure(it.manager.listTools('it', never));
    expect(error).toMatchObject({ code, server: 'it', details: { reason: 'endless-list', pages, items } });
    expect(error.message).toMatch(words);
    expect(error.message).toContain('"it"');
    expect(await it.call('echo', { message: 'still there' })).toBe('still there');
    expect(it.status().status).toBe('connected');
  });

  it('of 100 pages of 1 MiB is TOO_LARGE after 5 of them with messages of at most 2 MiB: all together are bounded too', async () => {
    await using it = await rig(definition({ PAGES: '100', MODE: 'fat' }, { maxMessageBytes: 2 * 1024 * 1024 }));
    const error = await failure(it.manager.listTools('it', never));
    expect(error).toMatchObject({ code: 'TOO_LARGE', details: { reason: 'endless-list' } });
    expect(error.details?.pages).toBeLessThanOrEqual(10);
  });
});

describe('F41: announcements', () => {
  it('10 000 in a burst make at most 2 lists, and no news when the list is as before', async () => {
    await using it = await rig(definition({ PER_PAGE: '4' }), { longLived: true });
    await it.manager.listTools('it', never);
    expect(await it.call('burst', { count: 10_000 })).toBe('said');
    await waitFor(async () => Number(await it.call('count')) >= 2, { what: 'the list to be asked for again' });
    // Whatever else the burst caused would come before the answer to a list of our own.
    await it.manager.listTools('it', never, { refresh: true });
    expect(Number(await it.call('count'))).toBeLessThanOrEqual(1 + 2 + 1);
    expect(it.events.filter(({ type }) => type === 'tools-changed')).toEqual([]);
  });

  it('a server that announces a change after every list is asked at most 4 times in 4 s, and can be reconnected meanwhile', async () => {
    await using it = await rig(definition({ PER_PAGE: '4', MODE: 'renames' }), { longLived: true });
    await it.manager.listTools('it', never);
    await waitFor(() => it.events.filter(({ type }) => type === 'tools-changed').length >= 2, { what: 'two changes to be told' });
    const startedAt = performance.now();
    await waitFor(() => performance.now() - startedAt > 2500, { what: 'time to pass' });
    expect(Number(await it.call('count'))).toBeLessThanOrEqual(1 + 4);
    await it.manager.reconnect('it', never);
    expect(await it.call('echo', { message: 'after' })).toBe('after');
  });

  it('a reconnected server is asked for its list again: what it announced meanwhile was lost', async () => {
    await using it = await rig(definition({ PER_PAGE: '4' }), { longLived: true });
    await it.manager.listTools('it', never);
    await it.manager.reconnect('it', never);
    await waitFor(async () => (await it.call('count')) === '1', { what: 'the new process to be asked for its list' });
  });
});

describe('F42: a flood of 200 000 notifications, measured in a process of its own', () => {
  it.each(['stdio', 'http'])(
    'over %s costs less than 30 MB, and calls beside it are answered before it is over',
    async (kind) => {
      await using server = kind === 'http' ? await startFixture('http-fault') : undefined;
      await using dir = await tempDir();
      const outfile = join(dir.path, 'client.mjs');
      await build({
        entryPoints: [fileURLToPath(new URL('../fixtures/session-flood.ts', import.meta.url))],
        outfile,
        bundle: true,
        platform: 'node',
        format: 'esm',
        target: 'node20',
        logLevel: 'error',
        banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
      });
      const output = join(dir.path, 'report.json');
      // With room for nothing but what is in use: on a busy machine garbage would be counted too.
      await promisify(execFile)(
        process.execPath,
        ['--max-old-space-size=48', outfile, server?.url ?? listServer, '200000', output],
        { cwd: dir.path },
      );
      const report = JSON.parse(await readFile(output, 'utf8')) as Record<string, number>;
      expect(report.answersBeside).toBeGreaterThan(5);
      expect(report.grownMiB).toBeLessThan(30);
    },
    120_000,
  );
});
