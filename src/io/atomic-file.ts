/** Files that are always whole: bounded reads, and writes that replace a file in one step or not at all. */
import { randomUUID } from 'node:crypto';
import { type FileHandle, lstat, open, readdir, readlink, realpath, rename, rm, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { McpctlError } from '../core/errors.js';
import { ensureFolder } from './folders.js';

export interface WriteOptions {
  /** Permissions of the file, whatever it had before. */
  readonly mode?: number;
  /** Wait until the data is on the disk, so that it survives a power cut; without it only a crash of the process. */
  readonly durable?: boolean;
}

/**
 * Replaces the content of `path`: readers see the old or the new file, never a part. A symbolic link stays, its target is replaced.
 * Missing folders are made, for their owner only. On failure the old file is untouched and no temporary file remains
 * (unless the process is killed; see `removeTemporaryFiles`).
 *
 * @throws the file system's own errors (ENOSPC, EACCES, EROFS …); EISDIR or EINVAL when `path` is no regular file
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array, options: WriteOptions = {}): Promise<void> {
  const { mode = 0o600, durable = true } = options;
  const target = await resolveLinks(path);
  const folder = dirname(target);
  await ensureFolder(folder);
  const previous = await lstat(target).catch(ignoring('ENOENT'));
  if (previous && !previous.isFile()) {
    // A rename would replace a device or a socket by a file.
    throw Object.assign(new Error(`${target} is not a regular file`), {
      code: previous.isDirectory() ? 'EISDIR' : 'EINVAL',
      path: target,
    });
  }
  const temporary = join(folder, `${temporaryPrefix(target)}${randomUUID()}.tmp`);
  const handle = await open(temporary, 'wx', mode);
  try {
    await fill(handle, data, previous, durable);
    await rename(temporary, target);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
  if (durable) await syncFolder(folder);
}

async function fill(
  handle: FileHandle,
  data: string | Uint8Array,
  previous: { uid: number; gid: number } | undefined,
  durable: boolean,
) {
  try {
    await handle.writeFile(data);
    const own = await handle.stat();
    // Under sudo the file stays its owner's; where that is not allowed it becomes ours, as with any editor.
    if (previous && (own.uid !== previous.uid || own.gid !== previous.gid)) {
      await handle.chown(previous.uid, previous.gid).catch(() => undefined);
    }
    if (durable) await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the rename itself durable; not every file system can, and the data is safe either way. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close().catch(() => undefined);
}

/**
 * Removes what killed writers of `path` left behind. Only for the holder of the lock of `path`: a temporary file of a live writer
 * looks the same.
 */
export async function removeTemporaryFiles(path: string): Promise<void> {
  const target = await resolveLinks(path);
  const prefix = temporaryPrefix(target);
  const names = await readdir(dirname(target)).catch(() => [] as string[]);
  const stale = names.filter((name) => name.startsWith(prefix) && name.endsWith('.tmp'));
  await Promise.all(stale.map((name) => rm(join(dirname(target), name), { force: true })));
}

function temporaryPrefix(target: string): string {
  return `.${basename(target)}.`;
}

/** The file behind symbolic links; it need not exist. */
export async function resolveLinks(path: string): Promise<string> {
  let current = resolve(path);
  // Linux follows 40 links too.
  for (let hops = 0; hops < 40; hops++) {
    const found = await realpath(current).catch(ignoring('ENOENT'));
    if (found !== undefined) return found;
    const link = await readlink(current).catch(ignoring('ENOENT', 'EINVAL'));
    if (link === undefined) {
      const folder = await realpath(dirname(current)).catch(ignoring('ENOENT'));
      return folder === undefined ? current : join(folder, basename(current));
    }
    current = resolve(dirname(current), link);
  }
  throw Object.assign(new Error(`too many symbolic links: ${path}`), { code: 'ELOOP', path });
}

export interface ReadFileResult {
  readonly bytes: Buffer;
  /** Permission bits, e.g. 0o600. */
  readonly mode: number;
  readonly isRegular: boolean;
}

/**
 * Reads a whole file of at most `maxBytes` bytes; `undefined` when there is none. Pipes work (`-c <(…)` in a shell).
 *
 * @throws McpctlError TOO_LARGE beyond `maxBytes`, after reading no more than that; the file system's own errors (EISDIR, EACCES …)
 */
export async function readFileIfExists(path: string, { maxBytes }: { maxBytes: number }): Promise<ReadFileResult | undefined> {
  const handle = await open(path, 'r').catch(ignoring('ENOENT', 'ENOTDIR'));
  if (!handle) return undefined;
  try {
    const stats = await handle.stat();
    if (stats.isDirectory()) throw Object.assign(new Error(`${path} is a directory`), { code: 'EISDIR', path });
    if (stats.isFile() && stats.size > maxBytes) throw tooLarge(path, maxBytes);
    const chunks: Buffer[] = [];
    let total = 0;
    for (;;) {
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(chunkSize(stats.size - total)));
      if (bytesRead === 0) break;
      total += bytesRead;
      if (total > maxBytes) throw tooLarge(path, maxBytes);
      chunks.push(buffer.subarray(0, bytesRead));
    }
    return { bytes: Buffer.concat(chunks), mode: stats.mode & 0o777, isRegular: stats.isFile() };
  } finally {
    await handle.close();
  }
}

/** As `readFileIfExists`, for UTF-8 text. Invalid bytes become U+FFFD. */
export async function readTextIfExists(path: string, options: { maxBytes: number }): Promise<string | undefined> {
  return (await readFileIfExists(path, options))?.bytes.toString('utf8');
}

/** The rest of the file and one byte more, so that one read usually finds the end as well. */
function chunkSize(remaining: number): number {
  return Math.min(Math.max(remaining + 1, 4096), 1024 ** 2);
}

function tooLarge(path: string, maxBytes: number): McpctlError {
  return new McpctlError('TOO_LARGE', `${path} is larger than ${maxBytes} bytes`, { details: { path, maxBytes } });
}

/** For `catch`: turns the expected file system errors into `undefined`, throws the others. */
function ignoring(...codes: readonly string[]): (error: unknown) => undefined {
  return (error) => {
    if (error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  };
}
