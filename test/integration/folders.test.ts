/** Folders that cannot be made end in an error, not in an endless loop. */
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureFolder, ensureFolderSync } from '../../src/io/folders.js';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'mcpctl-folders-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe.each([
  ['ensureFolder', ensureFolder],
  ['ensureFolderSync', async (path: string) => ensureFolderSync(path)],
])('%s', (_, ensure) => {
  it('makes 4 missing levels, each 0700, and is content when they are there', async () => {
    const path = join(root, 'a/b/c/d');
    await ensure(path);
    await ensure(path);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(statSync(join(root, 'a')).mode & 0o777).toBe(0o700);
  });

  it('gives up where a parent takes no entries', async () => {
    await expect(ensure('/proc/mcpctl/servers')).rejects.toMatchObject({
      code: expect.stringMatching(/ENOENT|EACCES|EPERM|EROFS/),
    });
    writeFileSync(join(root, 'file'), '');
    await expect(ensure(join(root, 'file/below'))).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  it('leaves an existing folder as it is', async () => {
    chmodSync(root, 0o755);
    await ensure(root);
    expect(statSync(root).mode & 0o777).toBe(0o755);
    expect(existsSync(root)).toBe(true);
  });
});
