/** Appending to a log that other processes append to as well, and turning it over before it grows too large. */

import { type FileHandle, open, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../core/clock.js';
import { ensureFolder } from '../io/folders.js';
import { logFiles, logLimits } from './log-line.js';

export interface AppendOptions {
  readonly clock: Clock;
  readonly pid: number;
  /** Called when the bytes go to the system: from here on the end of the process does not stop them. */
  readonly onWriting?: () => void;
  readonly maxBytes?: number;
}

/** Nobody holds the lock for longer than a few renames. */
const lockTimeoutMs = 2000;

/*
 * The file is opened by its name for every batch, so a batch goes to the present file and not to one that another process has
 * turned over meanwhile. O_APPEND and one write a batch: the system puts batches of several processes one behind the other.
 *
 * Two processes that find the file full must not both turn it over: the second would push a file of a few lines over the one
 * that was just put aside, and 5 MiB of the newest lines would be gone. So it is done under a lock, after looking again, from the
 * oldest to the newest: at every moment each name but the oldest is free before something moves there, and who dies half-way leaves
 * a gap in the numbers and no loss. Who opened the file before it was turned over writes into the old one: its lines stay.
 */

/**
 * Appends whole lines to the log, which has `maxBytes` (5 MiB) at most, and makes it and its folder when they are missing.
 *
 * @throws the file system's own errors; McpctlError TIMEOUT when another process sits on the lock
 */
export async function appendToLog(path: string, lines: Buffer, options: AppendOptions): Promise<void> {
  const { maxBytes = logLimits.fileBytes, onWriting } = options;
  for (;;) {
    const handle = await openForAppend(path);
    try {
      const { size } = await handle.stat();
      if (size === 0 || size + lines.length <= maxBytes) {
        onWriting?.();
        return await handle.appendFile(lines);
      }
    } finally {
      await handle.close();
    }
    await turnOver(path, lines.length, maxBytes, options);
  }
}

async function openForAppend(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'a', 0o600);
  } catch (error) {
    if (!isMissing(error)) throw error;
    await ensureFolder(dirname(path));
    return open(path, 'a', 0o600);
  }
}

async function turnOver(path: string, needed: number, maxBytes: number, { clock, pid }: AppendOptions): Promise<void> {
  const { withFileLock } = await import('../io/file-lock.js');
  await withFileLock(`${path}.lock`, { clock, pid, timeoutMs: lockTimeoutMs }, async () => {
    const size = await stat(path).then((stats) => stats.size, ignoreMissing);
    // Another process was quicker.
    if (size === undefined || size + needed <= maxBytes) return;
    const names = logFiles(path);
    for (let i = names.length - 1; i > 0; i--) await rename(names[i - 1]!, names[i]!).catch(ignoreMissing);
  });
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

function ignoreMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error;
}
