/** Writes that happen whole or not at all, on a real file system. */
import { execFile } from 'node:child_process';
import { chmod, lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { readFileIfExists, readTextIfExists, removeTemporaryFiles, writeFileAtomic } from '../../src/io/atomic-file.js';
import { childScript } from '../support/child-script.js';
import { needs } from '../support/needs.js';
import { tempHome } from '../support/temp-home.js';

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

describe('writeFileAtomic', () => {
  it('makes missing folders 0700 and the file 0600, whatever the old mode was', async () => {
    await using home = await tempHome();
    const file = join(home.path, 'a/b/c.json');
    await writeFileAtomic(file, 'one');
    expect(await modeOf(join(home.path, 'a'))).toBe(0o700);
    expect(await modeOf(file)).toBe(0o600);
    await chmod(file, 0o644);
    await writeFileAtomic(file, 'two');
    expect(await readFile(file, 'utf8')).toBe('two');
    expect(await modeOf(file)).toBe(0o600);
    await writeFileAtomic(file, 'three', { mode: 0o640, durable: false });
    expect(await modeOf(file)).toBe(0o640);
    expect(await readdir(join(home.path, 'a/b'))).toEqual(['c.json']);
  });

  it('replaces the target of a chain of links and keeps the links, also when the target does not exist yet', async () => {
    await using home = await tempHome();
    await mkdir(join(home.path, 'dotfiles'));
    await symlink('two', join(home.path, 'one'));
    await symlink('dotfiles/real', join(home.path, 'two'));
    for (const text of ['first', 'second']) {
      await writeFileAtomic(join(home.path, 'one'), text);
      expect(await readFile(join(home.path, 'dotfiles/real'), 'utf8')).toBe(text);
    }
    expect((await lstat(join(home.path, 'one'))).isSymbolicLink()).toBe(true);
    expect((await lstat(join(home.path, 'two'))).isSymbolicLink()).toBe(true);
    await symlink('loop', join(home.path, 'loop'));
    await expect(writeFileAtomic(join(home.path, 'loop'), 'x')).rejects.toMatchObject({ code: 'ELOOP' });
  });

  it('refuses to replace a folder or a device', async () => {
    await using home = await tempHome();
    await expect(writeFileAtomic(home.projectDir, 'x')).rejects.toMatchObject({ code: 'EISDIR' });
    await symlink('/dev/null', join(home.path, 'null'));
    await expect(writeFileAtomic(join(home.path, 'null'), 'x')).rejects.toMatchObject({ code: 'EINVAL' });
    expect((await stat('/dev/null')).isCharacterDevice()).toBe(true);
  });

  it('leaves the old file and no temporary file when the write fails', async () => {
    await using home = await tempHome();
    const file = await home.write('data/c.json', 'old');
    // A value that cannot be written fails after the temporary file was made.
    await expect(writeFileAtomic(file, 42 as unknown as string)).rejects.toThrow();
    expect(await readFile(file, 'utf8')).toBe('old');
    expect(await readdir(join(home.path, 'data'))).toEqual(['c.json']);
  });

  it('removes what killed writers left, of this file only', async () => {
    await using home = await tempHome();
    const file = await home.write('data/c.json', 'old');
    await writeFile(join(home.path, 'data/.c.json.123.tmp'), 'part');
    await writeFile(join(home.path, 'data/.d.json.123.tmp'), 'part');
    await removeTemporaryFiles(file);
    expect((await readdir(join(home.path, 'data'))).sort()).toEqual(['.d.json.123.tmp', 'c.json']);
  });

  it('always shows a whole file to readers, while a writer is killed 20 times', async () => {
    await using home = await tempHome();
    const file = join(home.path, 'data/c.json');
    const run = await childScript(
      home,
      `import { writeFileAtomic } from './io/atomic-file.js';
       for (let n = 0; ; n++) {
         await writeFileAtomic(process.argv[2]!, JSON.stringify({ n, fill: 'x'.repeat(200_000), end: n }), { durable: n % 2 === 0 });
         if (n === 0) console.log('writing');
       }`,
    );
    let reads = 0;
    for (let round = 0; round < 20; round++) {
      const { child, finished, speaks } = run(file);
      await speaks;
      const killAt = performance.now() + 10 + round * 4;
      while (performance.now() < killAt) {
        const value = JSON.parse(await readFile(file, 'utf8')) as { n: number; end: number };
        expect(value.end).toBe(value.n);
        reads++;
        await new Promise((resolve) => setImmediate(resolve));
      }
      child.kill('SIGKILL');
      expect((await finished).signal).toBe('SIGKILL');
      expect(JSON.parse(await readFile(file, 'utf8'))).toHaveProperty('end');
    }
    expect(reads).toBeGreaterThan(20);
  });

  it('leaves the old file whole on a full disk, in 1,000 attempts', needs('unshare'), async ({ skip }) => {
    await using home = await tempHome();
    const _run = await childScript(
      home,
      `import { writeFileAtomic } from './io/atomic-file.js';
       import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
       const folder = process.argv[2]!;
       await writeFileAtomic(folder + '/c.json', 'old');
       try { writeFileSync(folder + '/filler', Buffer.alloc(2_000_000)); } catch {}
       const codes = new Set<string>();
       for (let n = 0; n < 1_000; n++) await writeFileAtomic(folder + '/c.json', 'x'.repeat(500_000)).catch((error) => codes.add(error.code));
       console.log(JSON.stringify({ codes: [...codes], text: readFileSync(folder + '/c.json', 'utf8'), names: readdirSync(folder).sort() }));`,
    );
    _run; // bundled to script.mjs; run below inside a mount namespace of its own
    const disk = join(home.path, 'disk');
    await mkdir(disk);
    const inside = `mount -t tmpfs -o size=1m none '${disk}' && exec '${process.execPath}' '${join(home.path, 'script.mjs')}' '${disk}'`;
    const result = await promisify(execFile)('unshare', ['--mount', '--map-root-user', 'sh', '-c', inside], {
      env: home.env,
    }).catch((error: Error & { stderr?: string }) => error);
    // Containers often forbid mounts; that says nothing about us.
    if (result instanceof Error) return skip(`no mount namespace here: ${result.stderr ?? result.message}`);
    expect(JSON.parse(result.stdout)).toEqual({ codes: ['ENOSPC'], text: 'old', names: ['c.json', 'filler'] });
  });
});

describe('reading', () => {
  it('gives undefined for what does not exist, also below a file', async () => {
    await using home = await tempHome();
    const file = await home.write('file', 'x');
    expect(await readTextIfExists(join(home.path, 'none'), { maxBytes: 10 })).toBeUndefined();
    expect(await readTextIfExists(join(file, 'below'), { maxBytes: 10 })).toBeUndefined();
  });

  it('reads exactly maxBytes and refuses one byte more', async () => {
    await using home = await tempHome();
    const file = await home.write('file', 'x'.repeat(10_000));
    expect(await readTextIfExists(file, { maxBytes: 10_000 })).toHaveLength(10_000);
    await expect(readTextIfExists(file, { maxBytes: 9_999 })).rejects.toMatchObject({ code: 'TOO_LARGE' });
    await expect(readTextIfExists('/dev/zero', { maxBytes: 100_000 })).rejects.toMatchObject({ code: 'TOO_LARGE' });
  });

  it('reads a pipe, as a shell makes for -c <(…)', async () => {
    await using home = await tempHome();
    const fifo = join(home.path, 'fifo');
    await promisify(execFile)('mkfifo', [fifo]);
    const [read] = await Promise.all([readFileIfExists(fifo, { maxBytes: 100_000 }), writeFile(fifo, 'y'.repeat(70_000))]);
    expect(read).toMatchObject({ isRegular: false, bytes: { length: 70_000 } });
  });

  it('refuses a folder', async () => {
    await using home = await tempHome();
    await expect(readTextIfExists(home.path, { maxBytes: 10 })).rejects.toMatchObject({ code: 'EISDIR' });
  });
});
