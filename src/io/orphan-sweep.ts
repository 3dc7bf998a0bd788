/** Ends what a dead mcpctl left behind: groups it recorded, and processes that carry its mark in their environment. */
import { type Dirent, lstatSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../core/clock.js';
import { parseRegistry, type RegistryFile, registryDir, spawnIdVariable } from './process-registry.js';
import { environmentOf, isRunning, isSameProcess, listProcesses, type ProcessFacts, pidScope } from './procfs.js';

export interface SweepOptions {
  readonly runtimeDir: string;
  readonly clock: Clock;
  /** Our own process id and user id. */
  readonly pid: number;
  readonly uid: number | undefined;
  readonly kill: (pid: number, signal: NodeJS.Signals) => void;
}

const maxFileBytes = 1024 * 1024;
const termMs = 500;

/**
 * Reads the registry files of other owners and ends the survivors of the dead ones: TERM, then KILL 0.5 s later.
 *
 * It must never hit a stranger. An owner is dead only when no process has both its pid and its start time. A process is
 * killed only when it is the recorded leader (pid and start time), in that leader's group, or carries the dead owner's
 * spawn id in its environment. We and our ancestors are spared: mcpctl may have been started from inside such a tree.
 *
 * @returns the number of processes ended. Without procfs nothing can be proven, and nothing is killed.
 */
export async function sweepOrphans(options: SweepOptions): Promise<number> {
  const { files, victims } = findOrphans(options);
  if (victims.length > 0) {
    for (const victim of victims) signal(victim, 'SIGTERM', options);
    const deadline = options.clock.now() + termMs;
    while (victims.some(isAlive) && options.clock.now() < deadline) await options.clock.sleep(20);
    for (const victim of victims) signal(victim, 'SIGKILL', options);
  }
  // Last, so that a sweep that is interrupted is repeated.
  for (const file of files) remove(file);
  return victims.length;
}

/** The survivors of dead owners, and the files that are of no use without them. Ends nothing and removes nothing. */
export function findOrphans(options: Pick<SweepOptions, 'runtimeDir' | 'pid' | 'uid'>): {
  readonly files: readonly string[];
  readonly victims: readonly ProcessFacts[];
} {
  const scope = pidScope();
  if (!scope) return { files: [], victims: [] };
  const dead: RegistryFile[] = [];
  const files: string[] = [];
  for (const file of trustedFiles(options)) {
    const verdict = judge(file, scope);
    if (verdict === 'keep') continue;
    files.push(file);
    if (verdict !== 'remove') dead.push(verdict);
  }
  return { files, victims: dead.length > 0 ? findVictims(dead, options.pid) : [] };
}

/**
 * Our registry files. In a shared place such as /tmp somebody else may have put the folder there first: then its files
 * could make us kill our own processes, and none is read.
 */
function trustedFiles({ runtimeDir, uid }: Pick<SweepOptions, 'runtimeDir' | 'uid'>): string[] {
  const dir = registryDir(runtimeDir);
  let entries: Dirent[];
  try {
    const facts = lstatSync(dir);
    if (!facts.isDirectory() || (uid !== undefined && facts.uid !== uid) || (facts.mode & 0o022) !== 0) return [];
    entries = readdirSync(dir, { withFileTypes: true });
  } catch {
    return [];
  }
  return entries
    .filter((entry) => entry.isFile() && /^[0-9]+\.[0-9]+\.json(\.tmp)?$/.test(entry.name))
    .map((entry) => join(dir, entry.name));
}

/** `keep`: its owner lives, or cannot be judged from here. `remove`: nothing in it can be used. Otherwise a dead owner's file. */
function judge(file: string, scope: { bootId: string; namespace: string }): 'keep' | 'remove' | RegistryFile {
  // The name alone tells the owner, also of a file that cannot be read.
  const [pid, startTicks] = (file.split('/').at(-1) ?? '').split('.').map(Number) as [number, number];
  const ownerLives = isSameProcess(pid, startTicks);
  let content: RegistryFile | null = null;
  try {
    if (lstatSync(file).size <= maxFileBytes) content = parseRegistry(readFileSync(file, 'utf8'));
  } catch {
    return 'keep';
  }
  if (!content || file.endsWith('.tmp')) return ownerLives ? 'keep' : 'remove';
  if (content.bootId !== scope.bootId) return 'remove'; // everything in it ended with that boot
  if (content.namespace !== scope.namespace) return 'keep'; // another container: its pids mean nothing here
  if (ownerLives || isSameProcess(content.owner.pid, content.owner.startTicks)) return 'keep';
  return content;
}

function findVictims(dead: readonly RegistryFile[], ownPid: number): ProcessFacts[] {
  const processes = listProcesses() ?? [];
  const byPid = new Map(processes.map((facts) => [facts.pid, facts]));
  const spared = new Set<number>();
  for (let pid = ownPid; pid > 0 && !spared.has(pid); pid = byPid.get(pid)?.parentPid ?? 0) spared.add(pid);

  const ownGroups = new Set<number>();
  const marks: string[] = [];
  for (const { owner, groups } of dead) {
    marks.push(`${owner.mark}.`);
    for (const group of groups) if (byPid.get(group.groupId)?.startTicks === group.startTicks) ownGroups.add(group.groupId);
  }
  return processes.filter((facts) => {
    if (!isRunning(facts) || spared.has(facts.pid)) return false;
    if (ownGroups.has(facts.groupId)) return true;
    const spawnId = environmentOf(facts.pid, spawnIdVariable);
    return spawnId !== null && marks.some((mark) => spawnId.startsWith(mark));
  });
}

const isAlive = (victim: ProcessFacts): boolean => isSameProcess(victim.pid, victim.startTicks);

function signal(victim: ProcessFacts, name: NodeJS.Signals, { kill }: SweepOptions): void {
  if (!isAlive(victim)) return;
  try {
    kill(victim.pid, name);
  } catch {
    // gone meanwhile, or another user's
  }
}

function remove(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    // the next sweep tries again
  }
}
