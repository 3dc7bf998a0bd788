/** The file beside a manager's socket: who it is, and the token that lets its own user, and nobody else, attach. */
import { lstatSync, readFileSync } from 'node:fs';
import { isSameProcess } from './procfs.js';

export interface ManagerRecord {
  readonly pid: number;
  /** With the pid it names one process for good; null without procfs. */
  readonly startTicks: number | null;
  /** The version of mcpctl that it runs. */
  readonly version: string;
  readonly token: string;
  /** Which configuration it manages; see `config/manager-address.ts`. */
  readonly identity: string;
  /** `up`: in the background, or in front of a supervisor. `repl`: somebody sits at it. */
  readonly kind: 'up' | 'repl';
  /** ISO 8601, UTC. */
  readonly startedAt: string;
}

const maxBytes = 64 * 1024;

/**
 * The record at `file`; `undefined` when there is none, or when it is not a regular file of this user that nobody else can read:
 * in a shared folder somebody else may have put it there to be sent our commands.
 */
export function readManagerRecord(file: string, uid: number | undefined): ManagerRecord | undefined {
  try {
    const facts = lstatSync(file);
    if (!facts.isFile() || facts.size > maxBytes) return undefined;
    if (uid !== undefined && (facts.uid !== uid || (facts.mode & 0o077) !== 0)) return undefined;
    const value = JSON.parse(readFileSync(file, 'utf8')) as Partial<ManagerRecord> | null;
    const isWhole =
      Number.isSafeInteger(value?.pid) &&
      value!.pid! > 1 &&
      typeof value!.version === 'string' &&
      typeof value!.token === 'string' &&
      typeof value!.identity === 'string' &&
      (value!.kind === 'up' || value!.kind === 'repl') &&
      typeof value!.startedAt === 'string';
    return isWhole ? { ...(value as ManagerRecord), startTicks: value!.startTicks ?? null } : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the process of a record lives; without procfs nobody knows, and the socket has the last word. */
export function managerLives({ pid, startTicks }: ManagerRecord): boolean {
  return isSameProcess(pid, startTicks);
}
