/** No process of ours outlives us: trees that ignore everything, kill -9 of their owner, and the sweep of a later start. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { ProcessGroups } from '../../src/io/process-group.js';
import type { RegistryFile } from '../../src/io/process-registry.js';
import { listProcesses, pidScope, processFacts } from '../../src/io/procfs.js';
import { childEnv, faultServer, fixture, pidsIn, rig, runs, tempDir, timed, until } from '../fixtures/stdio-rig.js';

const wrapper = fixture('wrapper.mjs');

async function groupsIn(runtimeDir: string) {
  const warnings: string[] = [];
  const groups = new ProcessGroups({ clock: systemClock, runtimeDir, onWarning: (warning) => warnings.push(warning) });
  const start = (args: readonly string[], env: Record<string, string> = {}) =>
    groups.spawn({
      command: process.execPath,
      args,
      env: { ...childEnv, ...env },
      cwd: runtimeDir,
      spawnId: groups.nextSpawnId(),
    });
  return { groups, start, warnings, [Symbol.asyncDispose]: () => groups[Symbol.asyncDispose]() };
}

const survivors = (pids: readonly number[]): number[] => pids.filter(runs);

describe('stop()', () => {
  it.each([
    ['a wrapper tree that leaves at the end of its input', '', 0, 450],
    ['a wrapper tree that ignores the end of its input', 'ignore-eof', 300, 600],
    ['a wrapper tree that ignores that and SIGTERM', 'ignore-eof,ignore-term', 600, 1_100],
  ])('%s: no survivor, within its budget', async (_, faults, atLeastMs, atMostMs) => {
    await using dir = await tempDir();
    await using owner = await groupsIn(dir.path);
    const file = join(dir.path, 'pids');
    const group = await owner.start([wrapper, faultServer], { FAULT: `${faults},pid-file=${file}` });
    const pids = await pidsIn(file, 2);
    expect(survivors(pids)).toEqual(pids);
    const { ms, wallMs } = await timed(group.stop({ stdinMs: 300, termMs: 300 }));
    expect(survivors(pids)).toEqual([]);
    expect(wallMs).toBeGreaterThanOrEqual(atLeastMs - 2); // timers may be a millisecond early
    expect(ms).toBeLessThan(atMostMs);
  });

  it('ends a grandchild that outlives its leader', async () => {
    await using dir = await tempDir();
    await using owner = await groupsIn(dir.path);
    const file = join(dir.path, 'pids');
    const group = await owner.start(
      [
        '-e',
        `require('child_process').spawn(process.execPath, [${JSON.stringify(faultServer)}], { stdio: 'inherit' }); setTimeout(() => process.exit(0), 300)`,
      ],
      {
        FAULT: `ignore-eof,ignore-term,pid-file=${file}`,
      },
    );
    const pids = await pidsIn(file, 1);
    await group.exited;
    expect(survivors(pids)).toEqual(pids);
    await group.stop({ stdinMs: 0, termMs: 100 });
    expect(survivors(pids)).toEqual([]);
  });

  it('called three times, twice at once and once later, is harmless, and the shortest budget wins', async () => {
    await using dir = await tempDir();
    await using owner = await groupsIn(dir.path);
    const file = join(dir.path, 'pids');
    const group = await owner.start([faultServer], { FAULT: `ignore-eof,ignore-term,pid-file=${file}` });
    const pids = await pidsIn(file, 1);
    const patient = group.stop({ stdinMs: 5_000, termMs: 5_000 });
    const { ms } = await timed(Promise.all([patient, group.stop({ stdinMs: 50, termMs: 50 })]));
    expect(ms).toBeLessThan(1_000);
    expect(survivors(pids)).toEqual([]);
    await group.stop({ stdinMs: 50, termMs: 50 });
  });

  it('reaches a process that stopped itself (SIGSTOP)', async () => {
    await using dir = await tempDir();
    await using owner = await groupsIn(dir.path);
    const file = join(dir.path, 'pids');
    const group = await owner.start([faultServer], { FAULT: `pid-file=${file}` });
    const [pid] = (await pidsIn(file, 1)) as [number];
    process.kill(pid, 'SIGSTOP');
    await group.stop({ stdinMs: 50, termMs: 2_000 });
    expect(await group.exited).toEqual({ code: null, signal: 'SIGTERM' });
  });

  it('that ends in SIGKILL also ends a child that made a session of its own', async () => {
    await using server = await rig({ faults: 'ignore-eof,ignore-term', stop: { stdinMs: 50, termMs: 50 } });
    const pid = await new Promise<number>((resolve) => {
      server.transport.onmessage = (message) => {
        if ('result' in message) resolve(Number((message.result as { content: { text: string }[] }).content[0]?.text));
      };
      void server.transport.start().then(() =>
        server.transport.send({
          jsonrpc: '2.0',
          id: 1,
          method: 'tools/call',
          params: { name: 'grandchild', arguments: { detached: true } },
        }),
      );
    });
    expect(processFacts(pid)?.groupId).toBe(pid);
    await server.transport.close();
    await until('the child with its own session is gone', () => !runs(pid), 1_000);
  });

  it('kills 20 trees in parallel within one budget', async () => {
    await using dir = await tempDir();
    await using owner = await groupsIn(dir.path);
    const groups = await Promise.all(
      Array.from({ length: 20 }, () => owner.start(['-e', "process.on('SIGTERM', () => {}); setInterval(() => {}, 1e6)"])),
    );
    const { ms } = await timed(Promise.all(groups.map((group) => group.stop({ stdinMs: 200, termMs: 200 }))));
    expect(survivors(groups.map(({ pid }) => pid))).toEqual([]);
    expect(ms).toBeLessThan(1_400);
  });

  it('killAllNow() ends every tree without waiting', async () => {
    await using dir = await tempDir();
    await using owner = await groupsIn(dir.path);
    const file = join(dir.path, 'pids');
    await owner.start([wrapper, faultServer], { FAULT: `ignore-eof,ignore-term,pid-file=${file}` });
    const pids = await pidsIn(file, 2);
    owner.groups.killAllNow();
    await until('both are gone', () => survivors(pids).length === 0, 500);
  });

  it('refuses to spawn once disposed of', async () => {
    await using dir = await tempDir();
    const owner = await groupsIn(dir.path);
    await owner[Symbol.asyncDispose]();
    await expect(owner.start([faultServer])).rejects.toMatchObject({ code: 'UNAVAILABLE', delivered: 'no' });
  });
});

describe('the registry', () => {
  it('is one 0600 file in a 0700 folder while servers run, and gone afterwards', async () => {
    await using dir = await tempDir();
    const owner = await groupsIn(dir.path);
    const group = await owner.start([faultServer]);
    const folder = join(dir.path, 'processes');
    const names = () => readdir(folder).catch(() => [] as string[]);
    await until('the file', async () => (await names()).length === 1);
    const [name = ''] = await names();
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
    const content: RegistryFile = JSON.parse(await readFile(join(folder, name), 'utf8'));
    expect(content.owner.pid).toBe(process.pid);
    expect(content.groups).toEqual([
      { groupId: group.pid, startTicks: processFacts(group.pid)?.startTicks, spawnId: expect.stringMatching(/^\d+\.\d+\.1$/) },
    ]);
    await owner[Symbol.asyncDispose]();
    expect(await names()).toEqual([]);
  });

  it('that cannot be written costs one warning and no server', async () => {
    await using dir = await tempDir();
    const file = join(dir.path, 'not-a-folder');
    await writeFile(file, '');
    const warnings: string[] = [];
    await using groups = new ProcessGroups({
      clock: systemClock,
      runtimeDir: file,
      onWarning: (warning) => warnings.push(warning),
    });
    for (let i = 0; i < 2; i++) {
      const group = await groups.spawn({
        command: process.execPath,
        args: [faultServer],
        env: childEnv,
        cwd: dir.path,
        spawnId: groups.nextSpawnId(),
      });
      expect(runs(group.pid)).toBe(true);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('Cannot record server processes');
  });
});

describe('the watchdog', () => {
  it('starts after the first server, in a session of its own, and ends with us', async () => {
    await using dir = await tempDir();
    const owner = await groupsIn(dir.path);
    const starting = owner.start([faultServer]);
    expect(owner.groups.watchdogPid).toBeNull(); // the server does not wait for it
    await starting;
    await until('the watchdog', () => owner.groups.watchdogPid !== null);
    const watchdog = owner.groups.watchdogPid as number;
    expect(processFacts(watchdog)?.groupId).toBe(watchdog);
    const ignored = async () =>
      BigInt(`0x${/SigIgn:\s*([0-9a-f]+)/.exec(await readFile(`/proc/${watchdog}/status`, 'utf8'))?.[1]}`);
    await until('the shell runs its first line', async () => ((await ignored()) & 0x4003n) === 0x4003n); // HUP, INT, TERM
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(watchdog, signal);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(runs(watchdog)).toBe(true);
    await owner[Symbol.asyncDispose]();
    await until('the watchdog is gone', () => !runs(watchdog), 1_000);
    expect(owner.warnings).toEqual([]);
  });

  it('is started again when somebody kills it', async () => {
    await using dir = await tempDir();
    await using owner = await groupsIn(dir.path);
    await owner.start([faultServer]);
    await until('the watchdog', () => owner.groups.watchdogPid !== null);
    const first = owner.groups.watchdogPid as number;
    process.kill(first, 'SIGKILL');
    await until('another watchdog', () => owner.groups.watchdogPid !== null && owner.groups.watchdogPid !== first);
  });
});

describe('an owner that is killed', () => {
  let script = '';
  beforeAll(async () => {
    const dir = await tempDir();
    script = join(dir.path, 'owner.mjs');
    await build({
      entryPoints: [fixture('../stdio-owner.ts')],
      outfile: script,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      logLevel: 'error',
    });
    return () => dir[Symbol.asyncDispose]();
  });

  async function ownerOf(dir: string, faults: string, count: number) {
    const file = join(dir, 'pids');
    const child = spawn(process.execPath, [script, dir, dirname(faultServer), `${faults},pid-file=${file}`, String(count)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ready = await new Promise<{ watchdog: number }>((resolve) =>
      child.stdout.once('data', (data) => resolve(JSON.parse(String(data)))),
    );
    /** A test that fails leaves nothing behind either. */
    const cleanUp = async () => {
      child.kill('SIGKILL');
      const text = await readFile(file, 'utf8').catch(() => '');
      for (const pid of survivors(text.split('\n').filter(Boolean).map(Number))) process.kill(pid, 'SIGKILL');
    };
    return { child, file, watchdog: ready.watchdog, [Symbol.asyncDispose]: cleanUp };
  }
  const ended = (child: ChildProcess) =>
    (child.exitCode ?? child.signalCode) !== null || new Promise((resolve) => child.once('exit', resolve));

  it('with kill -9: 3 wrapper trees that ignore the end of input and SIGTERM are gone within 1 s', async () => {
    await using dir = await tempDir();
    await using owner = await ownerOf(dir.path, 'ignore-eof,ignore-term', 3);
    const { child, file, watchdog } = owner;
    const pids = await pidsIn(file, 6);
    child.kill('SIGKILL');
    const start = performance.now();
    await until('no survivor', () => survivors(pids).length === 0, 1_000);
    expect(performance.now() - start).toBeGreaterThan(300); // SIGTERM came first
    await until('the watchdog has ended too', () => !runs(watchdog), 1_000);
  });

  it('with kill -9 while the watchdog is dead: the next sweep finds the trees, and a child with a session of its own', async () => {
    await using dir = await tempDir();
    await using owner = await ownerOf(dir.path, 'ignore-eof,ignore-term', 2);
    const { child, file, watchdog } = owner;
    const pids = await pidsIn(file, 4);
    // Stopped, so that it cannot be started again and does not see the end of its input.
    process.kill(watchdog, 'SIGSTOP');
    child.kill('SIGKILL');
    await ended(child);
    const [leader = 0] = pids;
    const spawnId =
      (await readFile(`/proc/${leader}/environ`, 'utf8')).split('\0').find((entry) => entry.startsWith('MCPCTL_SPAWN_ID=')) ?? '';
    const escaped = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], {
      detached: true,
      stdio: 'ignore',
      env: { PATH: childEnv.PATH, MCPCTL_SPAWN_ID: spawnId.slice('MCPCTL_SPAWN_ID='.length) },
    });
    const stranger = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], {
      detached: true,
      stdio: 'ignore',
      env: { PATH: childEnv.PATH, MCPCTL_SPAWN_ID: '1.1.1' },
    });
    try {
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(survivors(pids)).toEqual(pids);
      await using next = await groupsIn(dir.path);
      const { value: ended, ms } = await timed(next.groups.sweepOrphans());
      expect(ended).toBe(5);
      await until('no survivor', () => survivors([...pids, escaped.pid as number]).length === 0, 500);
      expect(ms).toBeLessThan(1_000);
      expect(runs(stranger.pid as number)).toBe(true);
      expect(await readdir(join(dir.path, 'processes'))).toEqual([]);
      expect(await next.groups.sweepOrphans()).toBe(0);
    } finally {
      stranger.kill('SIGKILL');
      process.kill(watchdog, 'SIGKILL');
    }
  });

  it('with process.exit: the exit handler kills the trees at once, without the 0.5 s of the watchdog', async () => {
    await using dir = await tempDir();
    await using owner = await ownerOf(dir.path, 'ignore-eof,ignore-term', 2);
    const { child, file } = owner;
    const pids = await pidsIn(file, 4);
    child.kill('SIGTERM');
    await ended(child);
    expect(child.exitCode).toBe(0);
    await until('no survivor', () => survivors(pids).length === 0, 400);
  });
});

describe('sweepOrphans() kills only what it must', () => {
  /** A process in a group of its own, and a registry file that claims it. */
  async function claimed(dir: string, change: (file: RegistryFile) => unknown) {
    const victim = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], {
      detached: true,
      stdio: 'ignore',
      env: { PATH: childEnv.PATH },
    });
    const pid = victim.pid as number;
    const folder = join(dir, 'processes');
    await mkdir(folder, { mode: 0o700, recursive: true });
    const content: RegistryFile = {
      version: 1,
      ...(pidScope() as NonNullable<ReturnType<typeof pidScope>>),
      owner: { pid: deadPid(), startTicks: 1, mark: `${deadPid()}.1` },
      groups: [{ groupId: pid, startTicks: processFacts(pid)?.startTicks ?? 0, spawnId: `${deadPid()}.1.1` }],
    };
    const changed = change(content);
    const file = join(folder, `${deadPid()}.1.json`);
    await writeFile(file, typeof changed === 'string' ? changed : JSON.stringify(changed), { mode: 0o600 });
    const fileLeft = () => stat(file).then(() => true, () => false); // biome-ignore format: one idea
    return { pid, file, folder, fileLeft, [Symbol.asyncDispose]: async () => void victim.kill('SIGKILL') };
  }
  const deadPid = (): number => {
    const taken = new Set((listProcesses() ?? []).map(({ pid }) => pid));
    let pid = 4_194_000;
    while (taken.has(pid)) pid--;
    return pid;
  };
  const sweep = async (dir: string): Promise<number> => {
    await using owner = await groupsIn(dir);
    return owner.groups.sweepOrphans();
  };

  it('a group whose leader has the recorded start time is ended (the control of the cases below)', async () => {
    await using dir = await tempDir();
    await using claim = await claimed(dir.path, (file) => file);
    expect(await sweep(dir.path)).toBe(1);
    await until('it is gone', () => !runs(claim.pid), 500);
    expect(await claim.fileLeft()).toBe(false);
  });

  it.each<[string, (file: RegistryFile) => unknown, boolean]>([
    [
      'a reused pid: another start time',
      (file) => ({ ...file, groups: file.groups.map((group) => ({ ...group, startTicks: (group.startTicks ?? 0) - 1 })) }),
      false,
    ],
    [
      'an unknown start time',
      (file) => ({ ...file, groups: file.groups.map((group) => ({ ...group, startTicks: null })) }),
      false,
    ],
    ['another boot', (file) => ({ ...file, bootId: 'another' }), false],
    ['another pid namespace', (file) => ({ ...file, namespace: 'pid:[1]' }), true],
    [
      'a living owner',
      (file) => ({ ...file, owner: { ...file.owner, pid: process.pid, startTicks: processFacts('self')?.startTicks ?? 0 } }),
      true,
    ],
    ['a file that is cut off', (file) => JSON.stringify(file).slice(0, -20), false],
    ['a file of another version', (file) => ({ ...file, version: 2 }), false],
    [
      'group 1, which would be everybody',
      (file) => ({ ...file, groups: [{ groupId: 1, startTicks: processFacts(1)?.startTicks ?? 0, spawnId: 'x' }] }),
      false,
    ],
    ['a file of 2 MB', (file) => ({ ...file, padding: 'x'.repeat(2_000_000) }), false],
  ])('%s: nothing is killed', async (_, change, fileStays) => {
    await using dir = await tempDir();
    await using claim = await claimed(dir.path, change);
    expect(await sweep(dir.path)).toBe(0);
    expect(runs(claim.pid)).toBe(true);
    expect(await claim.fileLeft()).toBe(fileStays);
  });

  it('a folder that others can write to is not believed', async () => {
    await using dir = await tempDir();
    await using claim = await claimed(dir.path, (file) => file);
    await chmod(claim.folder, 0o777);
    expect(await sweep(dir.path)).toBe(0);
    expect(runs(claim.pid)).toBe(true);
  });

  it('a symbolic link in the folder is not followed', async () => {
    await using dir = await tempDir();
    await using claim = await claimed(dir.path, () => '');
    const elsewhere = join(dir.path, 'elsewhere.json');
    await writeFile(elsewhere, 'keep me');
    await symlink(elsewhere, join(claim.folder, `${deadPid() - 1}.1.json`));
    expect(await sweep(dir.path)).toBe(0);
    expect(await readFile(elsewhere, 'utf8')).toBe('keep me');
  });
});
