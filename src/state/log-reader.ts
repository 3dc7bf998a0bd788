/** Reading a log: its last lines, from the end backwards, so that a large log costs no more than what is wanted of it. */

import { type FileHandle, open } from 'node:fs/promises';
import { type LogFormat, logFiles } from './log-line.js';

export interface TailOptions<L> {
  readonly format: LogFormat<L>;
  /** Only lines for which this says so. */
  readonly isWanted?: (line: L) => boolean;
  /** At most so many lines. */
  readonly lines: number;
  /** Only lines from this moment on, in milliseconds since 1970. */
  readonly sinceMs?: number | undefined;
}

/** A file of a log, held open: it stays the same file whatever it is called meanwhile. */
export interface OpenLogFile extends AsyncDisposable {
  readonly handle: FileHandle;
  /** Tells files apart. */
  readonly id: string;
  /** When it was opened. */
  readonly size: number;
}

const firstBlock = 16 * 1024;
const maxBlock = 256 * 1024;
/** A longer line is not ours. */
const maxLineBytes = 64 * 1024;
/** Lines of several processes are in the order in which they were written, which is not quite that of their times. */
const disorderMs = 60_000;

/** The last lines of a log, oldest first; none when there is no log. @throws the file system's own errors, other than ENOENT */
export async function readTail<L>(path: string, options: TailOptions<L>): Promise<L[]> {
  const files = await openLogFiles(path);
  try {
    return await readTailOf(files, options);
  } finally {
    await Promise.all(files.map((file) => file[Symbol.asyncDispose]()));
  }
}

/** The same, of files that are open, newest first; each up to the size it had when it was opened. */
export async function readTailOf<L>(files: readonly OpenLogFile[], options: TailOptions<L>): Promise<L[]> {
  const { format, isWanted, lines, sinceMs } = options;
  const found: L[] = [];
  if (lines <= 0) return found;
  const since = sinceMs === undefined ? '' : isoFrom(sinceMs);
  const stop = sinceMs === undefined ? '' : isoFrom(sinceMs - disorderMs);
  for (const file of files) {
    for await (const text of linesBackwards(file)) {
      const line = format.parse(text);
      if (!line) continue;
      const time = format.timeOf(line);
      if (time < stop) return found.reverse();
      if (time < since || isWanted?.(line) === false) continue;
      found.push(line);
      if (found.length >= lines) return found.reverse();
    }
  }
  return found.reverse();
}

/** Times before 1970 and after 9999 do not compare as text. */
function isoFrom(ms: number): string {
  return new Date(Math.min(Math.max(0, ms), 253_402_300_799_000)).toISOString();
}

/** Opens the files of a log, newest first. A file that got another name while this went on is there once. */
export async function openLogFiles(path: string): Promise<OpenLogFile[]> {
  const files: OpenLogFile[] = [];
  for (const name of logFiles(path)) {
    const file = await openLogFile(name);
    if (!file) continue;
    if (files.some(({ id }) => id === file.id)) await file[Symbol.asyncDispose]();
    else files.push(file);
  }
  return files;
}

async function openLogFile(name: string): Promise<OpenLogFile | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(name, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw Object.assign(new Error(`${name} is not a regular file`), { code: 'EINVAL', path: name });
    return { handle, id: `${stats.dev}:${stats.ino}`, size: stats.size, [Symbol.asyncDispose]: () => handle.close() };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function* linesBackwards({ handle, size }: OpenLogFile): AsyncGenerator<string, void, undefined> {
  let end = size;
  /** The beginning of what was read so far: the end of a line that starts further ahead. */
  let head: Buffer = Buffer.alloc(0);
  for (let block = firstBlock; end > 0; block = Math.min(block * 4, maxBlock)) {
    const start = Math.max(0, end - block);
    const bytes = Buffer.concat([await readExactly(handle, start, end - start), head]);
    end = start;
    const firstEnd = start === 0 ? -1 : bytes.indexOf(0x0a);
    if (firstEnd === -1 && start > 0) {
      head = bytes.length > maxLineBytes ? Buffer.alloc(0) : bytes;
      continue;
    }
    const lines = bytes.toString('utf8', firstEnd + 1).split('\n');
    for (let i = lines.length - 1; i >= 0; i--) yield lines[i]!;
    head = bytes.subarray(0, Math.max(0, firstEnd));
  }
}

async function readExactly(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, position + filled);
    // It was made shorter meanwhile.
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}
