/** A lock between processes, in a file: one holder at a time, and the lock of a dead holder passes on by itself. */
import { randomUUID } from 'node:crypto';
import { link, readdir, readFile, rename, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Clock, systemClock } from '../core/clock.js';
import { McpctlError } from '../core/errors.js';
import { ensureFolder } from './folders.js';
import { isRunning, pidScope, processFacts } from './procfs.js';

/*
 * The lock file appears whole, by link(2), which fails when the name exists: that decides between processes that find no lock.
 * A holder that died is replaced in three steps, because "look, remove, create" would let two waiters remove each other's locks:
 *
 *   lock {id: A, dead} ──► link lock.after-A {id: B}     only one process can create this name
 *                      ──► look again: is the lock still A's? (else B came too late and withdraws)
 *                      ──► rename over lock {id: B}      B holds it; nobody but the creator of lock.after-A may replace A
 *
 * When B dies half-way, lock.after-B is created in the same way: a chain, of which the last living link is the next holder.
 * Ids are never reused, so a late `lock.after-A` of a process that slept meanwhile means nothing and is withdrawn.
 */

export interface LockOptions {
  readonly clock?: Clock;
  /** Of this process; known without it where there is procfs. */
  readonly pid?: number;
  readonly signal?: AbortSignal | undefined;
  /** How long to wait for another holder. */
  readonly timeoutMs?: number;
  /**
   * A lock whose owner cannot be looked up (another container or machine, a broken file, no procfs) counts as abandoned at this age.
   * Must exceed any time a lock is held or waited for.
   */
  readonly abandonedAfterMs?: number;
}

/** What the lock file holds. */
interface Owner {
  readonly id: string;
  readonly pid: number;
  /** Start of the process in clock ticks after boot: tells a process from a later one with the same pid. */
  readonly startTicks: number | null;
  /** Boot and pid namespace: a pid means something only within one. */
  readonly scope: string | null;
}

const firstDelayMs = 2;
const maxDelayMs = 25;

/**
 * Runs `work` while holding the lock file `path`, and releases it whatever happens. Not reentrant.
 *
 * @throws McpctlError TIMEOUT when others hold it longer than `timeoutMs` (10 s); `signal.reason` at once on abort while waiting;
 *   the file system's own errors when the folder cannot be written
 */
export async function withFileLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  const {
    clock = systemClock,
    pid = processFacts('self')?.pid ?? 0,
    signal,
    timeoutMs = 10_000,
    abandonedAfterMs = 60_000,
  } = options;
  signal?.throwIfAborted();
  await ensureFolder(dirname(path));
  const owner: Owner = { id: randomUUID(), pid, startTicks: startTicksOf(pid), scope: currentScope() };
  const claim = `${path}.claim-${owner.id}`;
  try {
    // Inside: a full disk leaves an empty file.
    await writeFile(claim, JSON.stringify(owner), { flag: 'wx', mode: 0o600 });
    const deadline = clock.now() + timeoutMs;
    for (let delayMs = firstDelayMs; ; delayMs = Math.min(delayMs * 2, maxDelayMs)) {
      if (await create(claim, path)) break;
      const chain = await readChain(path, owner, clock, abandonedAfterMs);
      if (chain !== 'free' && chain.isDead && (await replaceDead(path, claim, chain, owner, clock, abandonedAfterMs))) break;
      if (clock.now() >= deadline) throw lockTimeout(path, chain === 'free' ? undefined : chain.owners.at(-1), timeoutMs);
      await clock.sleep(delayMs, signal);
    }
  } finally {
    await rm(claim, { force: true });
  }
  try {
    // What cannot be removed disturbs nobody.
    await tidy(path, owner, clock, abandonedAfterMs).catch(() => undefined);
    return await work();
  } finally {
    await release(path, owner);
  }
}

/** Gives `claim` the name `path` as well, unless that name exists. */
async function create(claim: string, path: string): Promise<boolean> {
  try {
    await link(claim, path);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EEXIST') return false;
    // A file system without hard links (exFAT, some network mounts): exclusive creation, whose content follows a moment later.
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(code ?? '')) throw error;
    try {
      await writeFile(path, await readFile(claim), { flag: 'wx', mode: 0o600 });
      return true;
    } catch (second) {
      if ((second as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw second;
    }
  }
}

/** The owner of the lock and, when it is dead, those who set out to replace it. */
interface Chain {
  readonly owners: readonly Owner[];
  /** Whether the last of them is dead, too: then the lock is ours to take. */
  readonly isDead: boolean;
}

async function readChain(path: string, self: Owner, clock: Clock, abandonedAfterMs: number): Promise<Chain | 'free'> {
  const owners: Owner[] = [];
  for (let file = path; ; file = heirPath(path, owners.at(-1)!)) {
    const found = await readOwner(file);
    if (!found) return owners.length === 0 ? 'free' : { owners, isDead: true };
    owners.push(found.owner);
    if (isAlive(found.owner, found.ageMs(clock), self, abandonedAfterMs)) return { owners, isDead: false };
  }
}

async function replaceDead(
  path: string,
  claim: string,
  seen: Chain,
  self: Owner,
  clock: Clock,
  abandonedAfterMs: number,
): Promise<boolean> {
  const heir = heirPath(path, seen.owners.at(-1)!);
  if (!(await create(claim, heir))) return false;
  const now = await readChain(path, self, clock, abandonedAfterMs);
  const isStillDue =
    now !== 'free' &&
    now.owners.length === seen.owners.length + 1 &&
    seen.owners.every((owner, index) => owner.id === now.owners[index]!.id) &&
    now.owners.at(-1)!.id === self.id;
  if (isStillDue) await rename(claim, path);
  else await unlink(heir).catch(() => undefined);
  return isStillDue;
}

/**
 * Clears away what dead processes left; only for the holder. Every successor file may go: none is in force while the holder lives.
 * Of the claims only those of dead processes: the others wait for the lock with them.
 */
async function tidy(path: string, self: Owner, clock: Clock, abandonedAfterMs: number): Promise<void> {
  const names = await readdir(dirname(path)).catch(() => [] as string[]);
  for (const name of names) {
    const file = join(dirname(path), name);
    if (name.startsWith(`${basename(path)}.after-`)) await rm(file, { force: true });
    if (!name.startsWith(`${basename(path)}.claim-`)) continue;
    const found = await readOwner(file).catch(() => undefined);
    if (found && !isAlive(found.owner, found.ageMs(clock), self, abandonedAfterMs)) await rm(file, { force: true });
  }
}

/** Removes the lock if it is still ours; after a release by force (its owner seemed dead for too long) it is another's. */
async function release(path: string, owner: Owner): Promise<void> {
  const found = await readOwner(path).catch(() => undefined);
  if (found?.owner.id === owner.id) await unlink(path).catch(() => undefined);
}

function heirPath(path: string, owner: Owner): string {
  return `${path}.after-${owner.id}`;
}

async function readOwner(file: string): Promise<{ owner: Owner; ageMs: (clock: Clock) => number } | undefined> {
  try {
    const stats = await stat(file, { bigint: true });
    const ageMs = (clock: Clock) => clock.date().getTime() - Number(stats.mtimeMs);
    const owner = parseOwner(await readFile(file, 'utf8')) ?? {
      // Not written by us, or cut off by a power failure: an identity of its own, which only age can end.
      id: `unreadable-${stats.ino}-${stats.mtimeNs}`,
      pid: 0,
      startTicks: null,
      scope: null,
    };
    return { owner, ageMs };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function parseOwner(text: string): Owner | undefined {
  try {
    const value = JSON.parse(text) as Partial<Owner> | null;
    // The id becomes part of a file name.
    if (typeof value?.id !== 'string' || !/^[\w-]{8,64}$/.test(value.id) || !Number.isSafeInteger(value.pid)) return undefined;
    return { id: value.id, pid: value.pid!, startTicks: value.startTicks ?? null, scope: value.scope ?? null };
  } catch {
    return undefined;
  }
}

function isAlive(owner: Owner, ageMs: number, self: Owner, abandonedAfterMs: number): boolean {
  const canLookUp = self.startTicks !== null && self.scope !== null && owner.scope === self.scope && owner.startTicks !== null;
  if (canLookUp) return startTicksOf(owner.pid) === owner.startTicks;
  return ageMs < abandonedAfterMs;
}

/** `null` where there is no procfs, or no such process, or only its corpse. */
function startTicksOf(pid: number): number | null {
  const facts = processFacts(pid);
  return facts && isRunning(facts) ? facts.startTicks : null;
}

function currentScope(): string | null {
  const scope = pidScope();
  return scope && `${scope.bootId} ${scope.namespace}`;
}

function lockTimeout(path: string, owner: Owner | undefined, timeoutMs: number): McpctlError {
  const holder = owner && owner.pid > 0 ? `process ${owner.pid}` : 'another process';
  return new McpctlError('TIMEOUT', `${holder} has held the lock ${path} for more than ${timeoutMs} ms`, {
    hint: 'try again; when no mcpctl runs any more, delete that file',
    details: { path, pid: owner?.pid ?? null },
    delivered: 'no',
  });
}
