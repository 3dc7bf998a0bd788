/** What V8 compiled of the program is kept from one start to the next, and nothing that happens to it is in the way of a command. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmod, cp, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli } from '../support/run-cli.js';
import type { TempHome } from '../support/temp-home.js';
import { faultServer, homeWith, packageRoot } from './kit.js';

const isNodes = Number(process.versions.node.split('.')[0]) > 20;

/** Runs a command with a place for compiled code of its own. */
async function started() {
  const home = await homeWith({ fault: faultServer() });
  const caches = join(home.path, 'caches');
  const folder = join(caches, 'mcpctl', 'compile-cache');
  const run = async (args: string[], env: Record<string, string> = {}, input = '') => {
    const { code, stderr } = await runCli(args, { home, env: { XDG_CACHE_HOME: caches, ...env }, input });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  };
  const call = (env?: Record<string, string>) => run(['call', 'fault/echo', 'text=hi'], env);
  return { home, caches, folder, run, call, [Symbol.asyncDispose]: () => home[Symbol.asyncDispose]() };
}

async function onlyFile(folder: string): Promise<string> {
  const names = await readdir(folder);
  expect(names).toEqual([expect.stringMatching(/^mcpctl-[0-9a-f]{16}\.bin$/)]);
  return join(folder, names[0]!);
}

/** Which writing of the file this is. */
const writing = async (file: string) => {
  const { ino, mtimeMs } = await stat(file);
  return `${ino} ${mtimeMs}`;
};

const ofNode = () =>
  it('a Node that keeps compiled code does so in the folder of the user, and our own file is not written', async () => {
    await using it = await started();
    await it.call();
    const names = await readdir(it.folder);
    expect(names.length).toBeGreaterThan(0);
    expect(names.filter((name) => name.startsWith('mcpctl-'))).toEqual([]);
  });

const ofOurs = () =>
  describe('compiled code', () => {
    it('is written by the first call, taken by the second, and written anew by who loads more, a prompt too', async () => {
      await using it = await started();
      await it.call();
      const file = await onlyFile(it.folder);
      const first = await writing(file);
      expect((await stat(file)).mode & 0o777).toBe(0o600);
      expect((await stat(it.folder)).mode & 0o777).toBe(0o700);
      await it.call();
      expect(await writing(file)).toBe(first);
      await it.run([], {}, '/mcp call fault/echo text=hi\n/mcp metrics\n');
      const second = await writing(await onlyFile(it.folder));
      expect(second).not.toBe(first);
      await it.call();
      await it.run(['--version']);
      expect(await writing(file)).toBe(second);
      const entries = taken(file);
      expect(entries.length).toBeGreaterThan(20);
      expect(entries.filter(([, isTaken]) => !isTaken)).toEqual([]);
    });

    const damages: [string, (file: string) => Promise<void>][] = [
      ['one bit', async (file) => writeFile(file, await flipped(file))],
      ['its end', async (file) => writeFile(file, (await readFile(file)).subarray(0, 300_000))],
      ['its first line', (file) => writeFile(file, 'not what it was\n')],
      ['the form of its first line', (file) => writeFile(file, '{"loaded":"1","entries":[null,7]}\nmore')],
      ['all of it', (file) => writeFile(file, '')],
    ];
    it.each(damages)('that has lost %s is not used, and written anew', async (_what, damage) => {
      await using it = await started();
      await it.call();
      const file = await onlyFile(it.folder);
      await damage(file);
      const damaged = await readFile(file);
      await it.call();
      expect((await readFile(file)).equals(damaged)).toBe(false);
      const mended = await writing(file);
      await it.call();
      expect(await writing(file)).toBe(mended);
    });

    it('that others can write is not used', async () => {
      await using it = await started();
      await it.call();
      const file = await onlyFile(it.folder);
      await chmod(file, 0o666);
      await it.call();
      expect((await stat(file)).mode & 0o777).toBe(0o600);
    });

    it('is not kept where it cannot be, or shall not be', async () => {
      await using it = await started();
      await it.call({ NODE_DISABLE_COMPILE_CACHE: '1' });
      expect(await readdir(it.home.path)).not.toContain('caches');
      await writeFile(it.caches, 'in the way');
      await it.call();
      await rm(it.caches);
      await it.call({ XDG_CACHE_HOME: '/proc/mcpctl' });
      const { XDG_CACHE_HOME: _, HOME: __, ...env } = it.home.env;
      const bare: Pick<TempHome, 'env' | 'projectDir'> = { env, projectDir: it.home.projectDir };
      expect(await runCli(['call', 'fault/echo', 'text=hi'], { home: bare as TempHome })).toMatchObject({
        code: 0,
        stdout: 'hi\n',
      });
    });

    it('of other flags is another file, and what nobody wrote for 30 days goes', async () => {
      await using it = await started();
      await it.call();
      const [file] = [await onlyFile(it.folder)];
      const old = join(it.folder, 'mcpctl-0123456789abcdef.bin');
      await writeFile(old, 'old');
      await utimes(old, new Date(0), new Date(0));
      const others = join(it.folder, 'others');
      await mkdir(others);
      await it.call({ NODE_OPTIONS: '--max-old-space-size=200' });
      const names = await readdir(it.folder);
      expect(names).toHaveLength(3);
      expect(names).toEqual(expect.arrayContaining([file.split('/').at(-1), 'others']));
    });
  });

if (isNodes) ofNode();
else ofOurs();

describe('a package that is being replaced', () => {
  it('fails the command whose part is not there at the moment, and no later one; without its program it says what is missing', async () => {
    await using it = await started();
    const root = join(it.home.path, 'package');
    for (const name of ['bin', 'dist', 'package.json']) await cp(join(packageRoot, name), join(root, name), { recursive: true });
    const run = (...args: string[]) => {
      const env = { ...it.home.env, XDG_CACHE_HOME: it.caches };
      const words = [join(root, 'bin/mcpctl.js'), ...args];
      const { status, stdout, stderr } = spawnSync(process.execPath, words, { env, cwd: it.home.projectDir, encoding: 'utf8' });
      return { code: status, text: stdout + stderr };
    };
    expect(run('up').code).toBe(0);
    const chunks = join(root, 'dist/chunks');
    const parts = (await readdir(chunks)).filter((name) => name.startsWith('ping-'));
    for (const part of parts) await rename(join(chunks, part), join(root, part));
    expect(run('ping', 'fault').code).toBe(1);
    for (const part of parts) await rename(join(root, part), join(chunks, part));
    expect(run('ping', 'fault')).toEqual({ code: 0, text: expect.stringContaining('fault answered in') });
    expect(run('down').code).toBe(0);
    await rm(join(root, 'dist/program.cjs'));
    const { code, text } = run('status');
    expect(code).toBe(1);
    expect(text).toMatch(/^error: .*dist\/program\.cjs is missing\nhint: run `npm run build`/);
  });
});

/** Which sources have code in the file, and whether a Node that has just been started takes it. */
function taken(file: string): [string, boolean][] {
  const script = `
    const { readFileSync, existsSync } = require('node:fs');
    const [file, dist] = process.argv.slice(1);
    const kept = readFileSync(file);
    const end = kept.indexOf(10);
    const from = Math.ceil((end + 1) / 8) * 8;
    const found = Object.entries(JSON.parse(kept.toString('utf8', 0, end)).entries).map(([name, { at, bytes }]) => {
      const path = existsSync(dist + name) ? dist + name : dist + 'chunks/' + name;
      const text = '(function (exports, require, module, __filename, __dirname) {' + readFileSync(path, 'utf8') + '\\n})';
      const { cachedDataRejected } = new (require('node:vm').Script)(text, { cachedData: kept.subarray(from + at, from + at + bytes) });
      return [name, cachedDataRejected === false];
    });
    console.log(JSON.stringify(found));`;
  return JSON.parse(execFileSync(process.execPath, ['-e', script, file, join(packageRoot, 'dist/')], { encoding: 'utf8' }));
}

async function flipped(file: string): Promise<Buffer> {
  const bytes = await readFile(file);
  // In the code of the largest source.
  const at = Math.floor(bytes.length / 2);
  bytes[at] = bytes[at]! ^ 1;
  return bytes;
}
