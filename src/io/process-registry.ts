/** Writes down which process groups this mcpctl started, so that the next one can end them if this one dies without doing so. */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureFolderSync } from './folders.js';

/** One started server: its group (= its leader's pid), the leader's start time (pids are reused), and the mark in its environment. */
export interface RegisteredGroup {
  readonly groupId: number;
  readonly startTicks: number | null;
  readonly spawnId: string;
}

/** What one file says. `owner` is the mcpctl that started the groups. */
export interface RegistryFile {
  readonly version: 1;
  readonly bootId: string;
  readonly namespace: string;
  readonly owner: { readonly pid: number; readonly startTicks: number; readonly mark: string };
  readonly groups: readonly RegisteredGroup[];
}

/** The folder of the files of all owners, in the runtime directory. */
export const registryDir = (runtimeDir: string): string => join(runtimeDir, 'processes');

/** Environment variable with the spawn id; it finds processes that left the group with setsid. */
export const spawnIdVariable = 'MCPCTL_SPAWN_ID';

/**
 * The file of one owner. Changes made in one tick are written once, by rename, so that a reader never meets half a file.
 * A directory that cannot be written costs a warning, never a server.
 */
export class ProcessRegistry {
  readonly #dir: string;
  readonly #file: string;
  readonly #owner: Omit<RegistryFile, 'groups'>;
  readonly #warn: (message: string) => void;
  readonly #groups = new Map<number, RegisteredGroup>();
  #state: 'idle' | 'scheduled' | 'closed' | 'broken' = 'idle';

  constructor(options: { runtimeDir: string; owner: Omit<RegistryFile, 'groups'>; onWarning: (message: string) => void }) {
    this.#dir = registryDir(options.runtimeDir);
    this.#file = join(this.#dir, `${options.owner.owner.mark}.json`);
    this.#owner = options.owner;
    this.#warn = options.onWarning;
  }

  add(group: RegisteredGroup): void {
    this.#groups.set(group.groupId, group);
    this.#schedule();
  }

  remove(groupId: number): void {
    if (this.#groups.delete(groupId)) this.#schedule();
  }

  /**
   * Stops writing. The file stays when groups are left in it: then the next mcpctl looks after them. Synchronous, for the
   * `exit` handler; safe to call twice.
   */
  close(): void {
    if (this.#state === 'closed') return;
    if (this.#groups.size > 0) this.#write();
    else this.#delete();
    this.#state = 'closed';
  }

  #delete(): void {
    try {
      rmSync(this.#file, { force: true });
    } catch {
      // It could never be written, or somebody took the folder away: an empty list of groups does no harm.
    }
  }

  #schedule(): void {
    if (this.#state !== 'idle') return;
    this.#state = 'scheduled';
    setImmediate(() => {
      if (this.#state !== 'scheduled') return;
      this.#state = 'idle';
      this.#write();
    });
  }

  #write(): void {
    if (this.#state === 'broken') return;
    const temporary = `${this.#file}.tmp`;
    try {
      ensureFolderSync(this.#dir);
      const content: RegistryFile = { ...this.#owner, groups: [...this.#groups.values()] };
      rmSync(temporary, { force: true });
      writeFileSync(temporary, JSON.stringify(content), { mode: 0o600, flag: 'wx' });
      renameSync(temporary, this.#file);
    } catch (error) {
      this.#state = 'broken';
      const text = error instanceof Error ? error.message : String(error);
      this.#warn(
        `Cannot record server processes in ${this.#dir}: ${text}. They are still stopped on exit, but not found again after a crash.`,
      );
    }
  }
}

/** Checks what was read from disk; `null` for anything that is not exactly such a file. */
export function parseRegistry(text: string): RegistryFile | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(value) || value.version !== 1) return null;
  const { bootId, namespace, owner, groups } = value;
  if (typeof bootId !== 'string' || typeof namespace !== 'string' || !isRecord(owner) || !Array.isArray(groups)) return null;
  if (!isPid(owner.pid) || !Number.isSafeInteger(owner.startTicks) || !isMark(owner.mark)) return null;
  return groups.every(isGroup) ? (value as unknown as RegistryFile) : null;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
/** 0 and 1 would make `kill(-pid)` hit our own group, or everything. */
const isPid = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 1;
const isMark = (value: unknown): value is string => typeof value === 'string' && /^[0-9]+\.[0-9]+$/.test(value);
const isGroup = (value: unknown): boolean =>
  isRecord(value) &&
  isPid(value.groupId) &&
  (value.startTicks === null || Number.isSafeInteger(value.startTicks)) &&
  typeof value.spawnId === 'string';
