/** Nothing may outlive a test: finds the processes that carry a run's marker, and fails the test that left them (Linux only). */
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { afterEach, beforeEach } from 'vitest';
import { waitFor } from './wait-for.js';

export interface FoundProcess {
  readonly pid: number;
  readonly ppid: number;
  readonly command: string;
}

export interface LeftoverOptions {
  /** How long a dying process may take (default 1000: the promise of mcpctl even after `kill -9`). */
  readonly withinMs?: number;
}

/**
 * Every live process whose environment, command line or working directory contains `marker`; zombies are dead and do not count.
 * The path of a `tempHome` is a good marker: mcpctl hands HOME on to its servers, while it withholds other variables.
 */
export function findProcesses(marker: string): FoundProcess[] {
  if (process.platform !== 'linux') return [];
  const found: FoundProcess[] = [];
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      // After the name in parentheses, which may itself contain spaces and parentheses: state, then parent.
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [state, ppid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (state === 'Z' || state === 'X') continue;
      const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim();
      const carries = command.includes(marker) || environOf(pid).includes(marker) || cwdOf(pid).includes(marker);
      if (carries) found.push({ pid, ppid: Number(ppid), command });
    } catch {
      // It ended while we looked, or belongs to another user: not one of ours.
    }
  }
  return found;
}

/** Resolves when no process carries `marker`; otherwise kills those that do, by pid, and throws with their command lines. */
export async function expectNoLeftovers(marker: string, { withinMs = 1_000 }: LeftoverOptions = {}): Promise<void> {
  try {
    await waitFor(() => findProcesses(marker).length === 0, { timeoutMs: withinMs, what: 'every process to end' });
  } catch {
    const survivors = findProcesses(marker);
    if (survivors.length === 0) return;
    for (const { pid } of survivors) killQuietly(pid);
    const list = survivors.map(({ pid, ppid, command }) => `  ${pid} (parent ${ppid}) ${command}`).join('\n');
    throw new Error(`Processes left ${withinMs} ms after their test: ${survivors.length}\n${list}`);
  }
}

/**
 * For tests that start processes or sockets in the test process itself: call once in a file or `describe`, pass `env` to what
 * you start. After each test it fails when a marked process lives, or when a child, socket or server of this process stays open.
 */
export function noLeftovers(options: LeftoverOptions = {}): {
  readonly marker: string;
  readonly env: Readonly<Record<string, string>>;
} {
  const marker = `mcpctl-test-${randomUUID()}`;
  let before: Record<string, number> = {};
  beforeEach(() => {
    before = openResources();
  });
  afterEach(async () => {
    await expectNoLeftovers(marker, options);
    const leaks = () =>
      Object.entries(openResources()).flatMap(([kind, count]) =>
        count > (before[kind] ?? 0) ? [`${count - (before[kind] ?? 0)} ${kind}`] : [],
      );
    await waitFor(() => leaks().length === 0, {
      timeoutMs: options.withinMs ?? 1_000,
      what: () => `the test's own resources to close: ${leaks().join(', ')}`,
    });
  });
  return { marker, env: { MCPCTL_TEST_MARKER: marker } };
}

/** Kinds of handle that a test opens on purpose; the runner itself uses timers, pipes and files of its own. */
const watchedKinds = new Set(['ProcessWrap', 'TCPSocketWrap', 'TCPServerWrap', 'PipeServerWrap', 'FSEventWrap']);

function openResources(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) if (watchedKinds.has(kind)) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

function environOf(pid: number): string {
  return readFileSync(`/proc/${pid}/environ`, 'latin1');
}

function cwdOf(pid: number): string {
  return readlinkSync(`/proc/${pid}/cwd`);
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Already gone.
  }
}
