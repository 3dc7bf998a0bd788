/** Making folders for one's own use. Not with `recursive`: Node's loops for ever where a parent exists but takes no entries (/proc). */

import { mkdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

/** For the owner only: what lies in them is nobody else's business. */
const mode = 0o700;

/** Makes `path` and its missing parents. @throws the file system's own error, of the first folder that cannot be made */
export async function ensureFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    const parent = parentToMake(path, error);
    if (parent === undefined) return;
    await ensureFolder(parent);
    await mkdir(path, { mode }).catch(unlessThere);
  }
}

/** The same, at once. */
export function ensureFolderSync(path: string): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    const parent = parentToMake(path, error);
    if (parent === undefined) return;
    ensureFolderSync(parent);
    try {
      mkdirSync(path, { mode });
    } catch (again) {
      unlessThere(again);
    }
  }
}

/** The folder to make first; undefined when `path` is there already. */
function parentToMake(path: string, error: unknown): string | undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EEXIST') return undefined;
  const parent = dirname(path);
  if (code !== 'ENOENT' || parent === path) throw error;
  return parent;
}

/** Somebody else was quicker. */
function unlessThere(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
}
