/** Starts this very program once more, in the background: out of the terminal's reach, with a file for what it says on stderr. */
import { spawn } from 'node:child_process';
import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs';
import { dirname } from 'node:path';
import { ensureFolderSync } from './folders.js';

export interface BackgroundProcess {
  readonly pid: number;
  /** Settles with its exit code, or the name of the signal that ended it. Never rejects. */
  readonly exited: Promise<number | string>;
  /** The last of what it has said on stderr so far, at most 8 KiB; empty when that cannot be read. */
  lastWords(): string;
}

/** Which Node runs us, and as whom; `uid` is undefined where the platform has none. */
export function ownProcess(): { readonly pid: number; readonly uid: number | undefined; readonly nodeVersion: string } {
  return { pid: process.pid, uid: process.getuid?.(), nodeVersion: process.versions.node };
}

/** What is kept of the runs before, for whoever looks for the reason of an end. */
const maxLogBytes = 1024 * 1024;
const lastWordsBytes = 8 * 1024;

/**
 * Starts mcpctl with `args` in a session of its own. This process does not wait for it at its end.
 *
 * @throws the system's error when it cannot be started or `log` cannot be written
 */
export function startSelf(args: readonly string[], { log, cwd }: { log: string; cwd: string }): Promise<BackgroundProcess> {
  ensureFolderSync(dirname(log));
  const stderr = openSync(log, 'a', 0o600);
  if (fstatSync(stderr).size > maxLogBytes) ftruncateSync(stderr);
  const before = fstatSync(stderr).size;
  const child = spawn(process.execPath, [process.argv[1]!, ...args], {
    cwd,
    detached: true,
    stdio: ['ignore', 'ignore', stderr],
    // Its log is for people, whoever started it.
    env: { ...process.env, MCPCTL_JSON: undefined },
    windowsHide: true,
  });
  closeSync(stderr);
  child.unref();
  const exited = new Promise<number | string>((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 0));
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('spawn', () => resolve({ pid: child.pid!, exited, lastWords: () => readEnd(log, before) }));
  });
}

function readEnd(file: string, from: number): string {
  try {
    const fd = openSync(file, 'r');
    try {
      const start = Math.max(from, fstatSync(fd).size - lastWordsBytes);
      const bytes = Buffer.alloc(lastWordsBytes);
      return bytes.toString('utf8', 0, readSync(fd, bytes, 0, lastWordsBytes, start));
    } finally {
      closeSync(fd);
    }
  } catch {
    return '';
  }
}
