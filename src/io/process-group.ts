/** Starts every server in a process group of its own and makes sure that no member of it outlives mcpctl. */
import { type ChildProcess, spawn as spawnChild } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { Clock } from '../core/clock.js';
import { McpctlError } from '../core/errors.js';
import { sweepOrphans } from './orphan-sweep.js';
import { ProcessRegistry, spawnIdVariable } from './process-registry.js';
import {
  environmentOf,
  isRunning,
  listProcesses,
  openFileCount,
  openFileLimit,
  type ProcessFacts,
  pidScope,
  processFacts,
} from './procfs.js';
import { spawnFailure, tooManyFiles } from './spawn-failure.js';
import { Watchdog } from './watchdog.js';

export interface SpawnOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment of the child; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** From `ProcessGroups.nextSpawnId()`: the mark by which a later sweep knows this server's processes. */
  readonly spawnId: string;
}

export interface ExitStatus {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface StopOptions {
  /** How long the server may take to leave by itself after the end of its input. */
  readonly stdinMs: number;
  /** How long it may take after SIGTERM. */
  readonly termMs: number;
}

/** The end of its input, or a signal to its group. */
export type StoppedBy = 'input' | 'SIGTERM' | 'SIGKILL';

/** A running server: the leader and whatever it started (npx, sh and uvx leave the real server as a grandchild). */
export interface ProcessGroup {
  /** The leader's process id, which is the group's id too. */
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Settles when the leader has exited, even while others hold its pipes. Never rejects. */
  readonly exited: Promise<ExitStatus>;
  /**
   * End of input, `stdinMs`, SIGTERM to the group, `termMs`, SIGKILL to the group, at most 1 s; returns as soon as no
   * member runs, with the pipes destroyed. Never rejects. Calling it again is harmless; a shorter budget wins.
   *
   * @returns what it took
   */
  stop(options: StopOptions): Promise<StoppedBy>;
  /** SIGKILL to the whole group, at once. */
  killNow(): void;
}

/** How long a process may take to disappear after SIGKILL (uninterruptible I/O can take longer). */
const killWaitMs = 1_000;
/** Groups asked about in the same moment share one look at the process table. */
const tableAgeMs = 10;
/** A spawn holds both ends of three pipes, and two more files until the child has started. */
const filesPerSpawn = 8;
/** Left for what must go on when there is no room for another server: answers, state files, HTTP. */
const reservedFiles = 16;

/** All groups of one mcpctl process. Owns the watchdog and the registry file; disposing of it stops what still runs. */
export class ProcessGroups implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #runtimeDir: string;
  readonly #live = new Map<number, Group>();
  /** Started, but neither the watchdog nor the registry knows of them yet. */
  readonly #unguarded: Group[] = [];
  readonly #watchdog: Watchdog;
  readonly #registry: ProcessRegistry;
  readonly #mark: string;
  #table: { readonly at: number; readonly processes: ProcessFacts[] | null } | null = null;
  /** Soft limit of open files; read when the first servers run. */
  #fileLimit: number | null | undefined;
  #spawned = 0;
  #closed = false;

  constructor(options: { clock: Clock; runtimeDir: string; onWarning?: (message: string) => void }) {
    this.#clock = options.clock;
    this.#runtimeDir = options.runtimeDir;
    const startTicks = processFacts('self')?.startTicks ?? options.clock.date().getTime();
    const scope = pidScope() ?? { bootId: 'unknown', namespace: 'unknown' };
    this.#mark = `${process.pid}.${startTicks}`;
    const onWarning = options.onWarning ?? (() => {});
    this.#watchdog = new Watchdog({ path: process.env.PATH ?? '/usr/bin:/bin', onWarning });
    this.#registry = new ProcessRegistry({
      runtimeDir: options.runtimeDir,
      owner: { version: 1, ...scope, owner: { pid: process.pid, startTicks, mark: this.#mark } },
      onWarning,
    });
  }

  /** A spawn id that names this process and its start, so that a sweep can tell whose a marked process was. */
  nextSpawnId(): string {
    return `${this.#mark}.${++this.#spawned}`;
  }

  /** The watchdog's process id; `null` before the first server runs. */
  get watchdogPid(): number | null {
    return this.#watchdog.pid;
  }

  /**
   * Starts a server. The child runs when this returns, before the promise settles: callers can load other things meanwhile.
   *
   * @throws UNAVAILABLE (`delivered: 'no'`, `details.reason`) when the command cannot be started.
   */
  spawn(options: SpawnOptions): Promise<ProcessGroup> {
    if (this.#closed) return Promise.reject(new McpctlError('UNAVAILABLE', 'mcpctl is shutting down', { delivered: 'no' }));
    const refusal = this.#refusal(options.command);
    if (refusal) return Promise.reject(refusal);
    let child: ChildProcess;
    try {
      child = spawnChild(options.command, options.args, {
        cwd: options.cwd,
        env: { ...options.env, [spawnIdVariable]: options.spawnId },
        // setsid: Ctrl-C does not reach servers, our terminal is out of their reach, and one signal reaches all of them.
        detached: true,
        stdio: 'pipe',
        windowsHide: true,
      });
    } catch (error) {
      return spawnFailure(error, options).then((failure) => Promise.reject(failure));
    }
    if (child.pid === undefined) {
      return new Promise((_, reject) => {
        child.once('error', (error) => void spawnFailure(error, options).then(reject));
        for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.on('error', () => {}).destroy();
      });
    }
    const group = new Group(child, child.pid, options.spawnId, this.#clock, {
      anyRuns: (groupId) => this.#anyRuns(groupId),
      gone: () => this.#forget(group),
    });
    this.#live.set(group.pid, group);
    this.#unguarded.push(group);
    // For a single server after the caller's own work of this tick: starting the watchdog takes a millisecond that it does not
    // wait for. Several at once would take long enough for our own death to leave them behind.
    if (this.#watchdog.pid !== null || this.#unguarded.length > 1) this.#guardAll();
    else setImmediate(() => this.#guardAll());
    return Promise.resolve(group);
  }

  /** Kills every group at once. Synchronous, for the `exit` handler and for crashes; what remains is the watchdog's. */
  killAllNow(): void {
    for (const group of this.#live.values()) group.killNow();
    this.#registry.close();
  }

  /** Ends what dead mcpctl processes left behind; returns how many processes that were. See `orphan-sweep.ts`. */
  sweepOrphans(): Promise<number> {
    return sweepOrphans({
      runtimeDir: this.#runtimeDir,
      clock: this.#clock,
      pid: process.pid,
      uid: process.getuid?.(),
      kill: (pid, signal) => void process.kill(pid, signal),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#live.values()].map((group) => group.stop({ stdinMs: 50, termMs: 500 })));
    this.#watchdog.close();
    this.#registry.close();
  }

  /** Refused before the limit is reached: at the limit, servers that already run would fail as well. */
  #refusal(command: string): McpctlError | null {
    if (this.#live.size === 0) return null;
    this.#fileLimit ??= openFileLimit();
    const open = this.#fileLimit === null ? null : openFileCount();
    if (this.#fileLimit === null || open === null || open + filesPerSpawn + reservedFiles <= this.#fileLimit) return null;
    return tooManyFiles(command, { limit: this.#fileLimit, open, running: this.#live.size });
  }

  #guardAll(): void {
    for (const group of this.#unguarded.splice(0)) {
      if (this.#live.get(group.pid) !== group) continue;
      this.#watchdog.watch(group.pid);
      const startTicks = processFacts(group.pid)?.startTicks ?? null;
      this.#registry.add({ groupId: group.pid, startTicks, spawnId: group.spawnId });
    }
  }

  #forget(group: Group): void {
    if (this.#live.get(group.pid) !== group) return;
    this.#live.delete(group.pid);
    this.#watchdog.unwatch(group.pid);
    this.#registry.remove(group.pid);
  }

  /** `kill(-id, 0)` is cheap but counts zombies, which stay for ever where process 1 does not reap: only its "no" is taken as it is. */
  #anyRuns(groupId: number): boolean {
    try {
      process.kill(-groupId, 0);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return false;
    }
    const now = this.#clock.now();
    if (!this.#table || now - this.#table.at > tableAgeMs) this.#table = { at: now, processes: listProcesses() };
    const { processes } = this.#table;
    return processes === null || processes.some((facts) => facts.groupId === groupId && isRunning(facts));
  }
}

interface Surroundings {
  anyRuns(groupId: number): boolean;
  gone(): void;
}

class Group implements ProcessGroup {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exited: Promise<ExitStatus>;
  readonly #clock: Clock;
  readonly #around: Surroundings;
  #leaderRuns = true;
  /** Once true the number may belong to a stranger: nothing is signalled any more. */
  #gone = false;

  constructor(
    child: ChildProcess,
    readonly pid: number,
    readonly spawnId: string,
    clock: Clock,
    around: Surroundings,
  ) {
    this.#clock = clock;
    this.#around = around;
    this.stdin = child.stdin as Writable;
    this.stdout = child.stdout as Readable;
    this.stderr = child.stderr as Readable;
    // A write to a server that has just left ends in EPIPE; whoever writes learns it from the write. Unhandled, it would end mcpctl.
    for (const stream of [this.stdin, this.stdout, this.stderr]) stream.on('error', () => {});
    child.on('error', () => {});
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#leaderRuns = false;
        this.#checkGone();
        resolve({ code, signal });
      });
    });
  }

  async stop({ stdinMs, termMs }: StopOptions): Promise<StoppedBy> {
    let by: StoppedBy = 'input';
    if (!this.stdin.destroyed) this.stdin.end();
    if (!(await this.#goneWithin(stdinMs))) {
      by = 'SIGTERM';
      this.#signal('SIGTERM');
      this.#signal('SIGCONT'); // a stopped process sees TERM only when it goes on
      if (!(await this.#goneWithin(termMs))) {
        by = 'SIGKILL';
        this.#signal('SIGKILL');
        this.#killEscaped();
        await this.#goneWithin(killWaitMs);
      }
    }
    for (const stream of [this.stdin, this.stdout, this.stderr]) stream.destroy();
    return by;
  }

  killNow(): void {
    this.#signal('SIGKILL');
  }

  async #goneWithin(ms: number): Promise<boolean> {
    const deadline = this.#clock.now() + ms;
    if (this.#leaderRuns) {
      await new Promise<void>((resolve) => {
        const cancel = this.#clock.after(ms, resolve);
        void this.exited.then(() => {
          cancel();
          resolve();
        });
      });
    }
    // Its own exit is an event; that of grandchildren has to be asked for.
    for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 2, 40)) {
      if (this.#checkGone()) return true;
      const leftMs = deadline - this.#clock.now();
      if (leftMs <= 0) return false;
      await this.#clock.sleep(Math.min(pauseMs, leftMs));
    }
  }

  #checkGone(): boolean {
    if (!this.#gone && !this.#leaderRuns && !this.#around.anyRuns(this.pid)) {
      this.#gone = true;
      this.#around.gone();
    }
    return this.#gone;
  }

  #signal(name: NodeJS.Signals): void {
    if (this.#gone) return;
    try {
      process.kill(-this.pid, name);
    } catch {
      // ESRCH: nobody left. EPERM: only members of another user (sudo, setuid) are left, which we cannot end.
    }
  }

  /** A server that had to be killed could not clean up: what it started in sessions of its own (browsers) goes with it. */
  #killEscaped(): void {
    for (const facts of listProcesses() ?? []) {
      if (facts.groupId === this.pid || !isRunning(facts) || environmentOf(facts.pid, spawnIdVariable) !== this.spawnId) continue;
      try {
        process.kill(facts.pid, 'SIGKILL');
      } catch {
        // gone meanwhile
      }
    }
  }
}
