/** What befalls a manager from outside: its files vanish, the disk is full, others are in its place, signals at any moment. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { attach } from '../../src/cli/attach.js';
import { systemClock } from '../../src/core/clock.js';
import { needs } from '../support/needs.js';
import { expectNoLeftovers } from '../support/no-leftovers.js';
import { cliPath, runCli, startCli } from '../support/run-cli.js';
import { type TempHome, tempHome } from '../support/temp-home.js';
import { startTerminal } from '../support/terminal.js';
import { waitFor } from '../support/wait-for.js';
import { documentOf, errorOf, faultServer, homeWith } from './kit.js';
import { isAlive, managed, managerIn, managersOf, recordOf, type Up } from './managed.js';

describe('a manager whose place is disturbed', () => {
  it('says so while its socket is gone, and is there again by itself within seconds', async () => {
    await using it = await managed();
    const pid = await it.serverPid();
    await rm(it.up.socket);
    const alone = await it.run('call fault/echo text=alone');
    expect(alone).toMatchObject({ code: 0, stdout: 'alone\n' });
    expect(alone.stderr).toContain(`note: the manager (process ${it.up.pid}) does not answer; running without it.`);
    await waitFor(() => existsSync(it.up.socket));
    await waitFor(async () => (await it.serverPid()) === pid);
    expect(documentOf(await it.run('down --json'))).toEqual({ pid: it.up.pid, how: 'asked' });
  });

  it('that was asked to end meanwhile ends, by a signal', async () => {
    await using it = await managed();
    await rm(it.up.socket);
    const down = await it.run('down --json');
    expect(down.stderr).toBe('');
    expect(documentOf(down)).toMatchObject({ pid: it.up.pid });
    await expectNoLeftovers(it.home.path);
  });

  it('is found again after its record or the whole runtime folder was removed; commands under way go on', async () => {
    await using it = await managed();
    const pid = await it.serverPid();
    const { file } = await recordOf(it);
    await using slow = startCli(['-v', 'call', 'fault/sleep', 'ms:=4000'], { home: it.home });
    // It runs in the manager when it tells of what others do there.
    await waitFor(async () => {
      await it.serverPid();
      return slow.stderr.includes('fault/pid: ok');
    });
    await rm(file);
    await waitFor(() => existsSync(file));
    expect(await it.serverPid()).toBe(pid);
    await rm(it.home.runtimeDir, { recursive: true });
    await waitFor(() => existsSync(file));
    expect(await it.serverPid()).toBe(pid);
    expect(await slow.exited).toMatchObject({ code: 0, stdout: 'ok\n' });
    await it.run('down');
  });

  it('gives way when another manager has come to its place', async () => {
    await using it = await managed();
    await it.serverPid();
    await rm(it.home.runtimeDir, { recursive: true });
    const second = documentOf(await it.run('up --json')) as Up;
    expect(second).toMatchObject({ started: true });
    await waitFor(() => !isAlive(it.up.pid));
    expect(await readFile(it.up.log, 'utf8')).toContain(
      `A manager is running already (process ${second.pid}), and commands ask that one now`,
    );
    // The one that went has not taken the other's socket with it.
    expect(managersOf(it.home).map(({ pid }) => pid)).toEqual([second.pid]);
    expect(await it.run('call fault/echo text=a')).toMatchObject({ stdout: 'a\n', stderr: '' });
    expect(documentOf(await it.run('down --json'))).toEqual({ pid: second.pid, how: 'asked' });
  });

  it('without servers can be attached to by a session', async () => {
    const home = await homeWith({});
    const flags = ['-c', join(home.configDir, 'config.json')];
    await using it = await managerIn(home, flags);
    await using terminal = startTerminal(flags, { home });
    await terminal.waitFor('It has no servers.');
    terminal.type('/exit\r');
    expect((await terminal.exited).code).toBe(0);
    expect((await it.run(`down ${flags.join(' ')}`)).code).toBe(0);
  });
});

describe('a manager that hears nonsense from its own user', () => {
  it('hangs up on that one and goes on', async () => {
    await using it = await managed({});
    const { record } = await recordOf(it);
    const hello = JSON.stringify({ t: 'hello', protocol: 1, token: record.token });
    for (const frame of [
      '{"t":"run"}',
      '{"t":"run","run":{"words":5,"front":"shell"}}',
      '{"t":"run","run":{"words":["status"]}}',
      '{"t":"answer"}',
      '{"t":"in-end"}',
      '{"t":"signal"}',
    ]) {
      const socket = createConnection(it.up.socket);
      let heard = '';
      socket.on('data', (data) => {
        heard += data;
      });
      socket.on('error', () => {});
      socket.write(`${hello}\n${frame}\n{"t":"nonsense"}\n`);
      await new Promise((resolve) => socket.once('close', resolve));
      expect({ frame, heard }).toEqual({ frame, heard: expect.stringContaining('"welcome"') });
      expect({ frame, lives: isAlive(it.up.pid) }).toEqual({ frame, lives: true });
    }
    expect(documentOf(await it.run('down --json'))).toEqual({ pid: it.up.pid, how: 'asked' });
  });
});

describe('a manager that hangs', () => {
  it('and Ctrl-C while it is waited for: the command runs nowhere, exit 130', async () => {
    await using it = await managed();
    process.kill(it.up.pid, 'SIGSTOP');
    const file = join(it.home.configDir, 'config.json');
    const before = await readFile(file, 'utf8');
    await using cli = startCli(['add', 'new', 'node'], { home: it.home });
    const json = startCli(['call', 'fault/pid', '--json'], { home: it.home });
    // Both wait for its greeting then, for two seconds.
    await new Promise((resolve) => setTimeout(resolve, 400));
    for (const waiting of [cli, json]) waiting.kill('SIGINT');
    expect(await cli.exited).toMatchObject({ code: 130, stdout: '', stderr: 'error: Cancelled\n' });
    const result = await json.exited;
    expect(result).toMatchObject({ code: 130, stdout: '' });
    expect(errorOf(result).code).toBe('CANCELLED');
    process.kill(it.up.pid, 'SIGCONT');
    expect((await it.run('status')).code).toBe(0);
    expect(await readFile(file, 'utf8')).toBe(before);
    await it.run('down');
  });
});

describe('up where it cannot be', () => {
  it('says why: the broken file with exit 9, the folder, the log', async () => {
    await using home = await homeWith({});
    await writeFile(join(home.configDir, 'config.json'), '{ "mcpServers": ');
    const broken = await runCli(['up'], { home });
    expect(broken.code).toBe(9);
    expect(broken.stderr).toMatch(/^error: The manager did not start: .*config\.json:1:17: .*\nhint: correct the file/);
    // What a script wants to read is not what the log is for.
    expect(errorOf(await runCli(['up'], { home, env: { MCPCTL_JSON: '1' } })).message).toMatch(/config\.json:1:17: /);
    await home.writeConfig({ mcpServers: {} });
    const cases: [Record<string, string>, RegExp][] = [
      [{ MCPCTL_RUNTIME_DIR: '/proc/none' }, /did not start: A manager cannot be met in \/proc\/none: ENOENT.*\nhint: make room/],
      [
        { MCPCTL_RUNTIME_DIR: '/dev/null' },
        /\/dev\/null is not a folder that only you can write to\nhint: set MCPCTL_RUNTIME_DIR/,
      ],
      [{ MCPCTL_STATE_DIR: '/proc/none' }, /could not be started: ENOENT.*\nhint: it needs a log, .*MCPCTL_STATE_DIR/],
    ];
    for (const [env, message] of cases) {
      const { stdout, stderr, code } = await runCli(['up'], { home, env });
      expect({ env, stdout, stderr, code }).toEqual({ env, stdout: '', stderr: expect.stringMatching(message), code: 4 });
    }
  });

  it(
    'a full disk under the runtime folder: an error, nothing left; with room again it starts',
    needs('unshare'),
    async ({ skip }) => {
      await using home = await homeWith({ fault: faultServer() });
      const disk = join(home.path, 'disk');
      await mkdir(disk, { mode: 0o700 });
      const cli = `MCPCTL_RUNTIME_DIR='${disk}' '${process.execPath}' '${cliPath}'`;
      const inside = `mount -t tmpfs -o size=64k,mode=700 none '${disk}' || exit 99
      cat /dev/zero > '${disk}/filler' 2>/dev/null
      ${cli} up; echo "exit $?"; ls -A '${disk}'; ${cli} -q call fault/echo text=alone
      rm '${disk}/filler'; ${cli} up --json >/dev/null; echo "exit $?"; ${cli} call fault/echo text=asked; ${cli} down --json`;
      const result = await promisify(execFile)('unshare', ['--mount', '--map-root-user', 'sh', '-c', inside], {
        env: home.env,
      }).catch((error: Error & { stderr?: string }) => error);
      if (result instanceof Error) return skip(`no mount namespace here: ${result.stderr ?? result.message}`);
      expect(result.stdout).toMatch(/^exit 4\nfiller\nalone\nexit 0\nasked\n\{\s+"pid": \d+,\s+"how": "asked"\s+\}\n$/);
      expect(result.stderr).toMatch(
        /^error: The manager did not start: A manager cannot be met in .*ENOSPC.*\nhint: make room there/,
      );
    },
  );

  it('a full disk under the state folder: a manager without a log', needs('unshare'), async ({ skip }) => {
    await using home = await homeWith({ fault: faultServer() });
    const disk = join(home.path, 'disk');
    await mkdir(disk, { mode: 0o700 });
    const cli = `MCPCTL_STATE_DIR='${disk}' '${process.execPath}' '${cliPath}'`;
    const inside = `mount -t tmpfs -o size=64k,mode=700 none '${disk}' || exit 99
      cat /dev/zero > '${disk}/filler' 2>/dev/null
      ${cli} up --json >/dev/null; echo "exit $?"; ${cli} call fault/stderr-flood-beside bytes:=9 word=said; ${cli} logs fault
      ${cli} disable fault; ${cli} down --json`;
    const result = await promisify(execFile)('unshare', ['--mount', '--map-root-user', 'sh', '-c', inside], {
      env: home.env,
    }).catch((error: Error & { stderr?: string }) => error);
    if (result instanceof Error) return skip(`no mount namespace here: ${result.stderr ?? result.message}`);
    expect(result.stdout).toMatch(/^exit 0\nok\n(.*\n)*fault is disabled\n\{\s+"pid": \d+,\s+"how": "asked"\s+\}\n$/);
    expect(result.stderr).not.toMatch(/internal error|a bug in mcpctl/);
  });
});

describe('what belongs to another user', () => {
  it('a record of his is not believed, and nothing is sent to his socket', async () => {
    await using home = await tempHome();
    let callers = 0;
    const hangUp = (caller: Socket) => {
      callers++;
      caller.destroy();
    };
    const server = createServer(hangUp);
    const [socket, record] = [join(home.runtimeDir, 'm.sock'), join(home.runtimeDir, 'm.json')];
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    const identity = 'x';
    const text = JSON.stringify({ pid: process.pid, version: '1', token: 't', identity, kind: 'up', startedAt: 'now' });
    await writeFile(record, text, { mode: 0o600 });
    const ask = (uid: number) =>
      attach(
        {
          address: { identity, socket, record, lock: `${record}.lock`, log: `${record}.log` },
          uid,
          version: '1',
          clock: systemClock,
        },
        { onFrame: () => {}, onClose: () => {} },
      );
    const uid = process.getuid!();
    expect(await ask(uid + 1)).toEqual({ reason: 'none' });
    expect(callers).toBe(0);
    await ask(uid);
    expect(callers).toBe(1);
    // A file in the socket's place, or in the place of a socket of his.
    await rm(socket);
    await writeFile(socket, '');
    expect(await ask(uid)).toEqual({ reason: 'none' });
    if (uid === 0) {
      server.close();
      const other = createServer(hangUp);
      await rm(socket, { force: true });
      await new Promise<void>((resolve) => other.listen(socket, resolve));
      await chown(socket, 12_345, 12_345);
      expect(await ask(uid)).toEqual({ reason: 'none' });
      await chown(socket, uid, 0);
      await chown(record, 12_345, 12_345);
      expect(await ask(uid)).toEqual({ reason: 'none' });
      other.close();
    }
    server.close();
    expect(callers).toBe(1);
  });
});

describe('signals at any moment', () => {
  /** Repeatable: a failure names its round. */
  const randomFrom = (seed: number) => () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed / 2 ** 31;
  };
  const pick = <T>(random: () => number, of: readonly T[]): T => of[Math.floor(random() * of.length)]!;

  const rounds = 15;
  const lanes = 4;
  it(`${lanes * rounds} of them to commands and managers: every file parses, nothing added is lost, no process is left, the next up works`, {
    timeout: 120_000,
  }, async () => {
    await Promise.all(Array.from({ length: lanes }, (_, lane) => oneLane(randomFrom(lane + 1))));
  });

  async function oneLane(random: () => number): Promise<void> {
    await using home = await homeWith({ fault: faultServer() });
    const added: string[] = [];
    for (let round = 0; round < rounds; round++) {
      const name = `s${round}`;
      await home.write('project/.mcp.json', { mcpServers: { theirs: faultServer(name) } });
      const command = pick(random, ['up', 'down', 'call fault/echo text=a', `add ${name} node`, 'trust approve theirs --yes']);
      const signal = pick(random, ['SIGINT', 'SIGTERM', 'SIGKILL'] as const);
      const toManager = random() < 0.5;
      if (command !== 'up') await expectUp(home);
      const cli = startCli(command.split(' '), { home });
      await new Promise((resolve) => setTimeout(resolve, random() * (command === 'up' ? 400 : 200)));
      if (toManager) for (const { pid } of managersOf(home)) killQuietly(pid, signal);
      else cli.kill(signal);
      const { code, stderr } = await cli.exited;
      const what = `${command} ${signal} to ${toManager ? 'the manager' : 'the command'}: ${code} ${stderr}`;
      expect(what).not.toMatch(/internal error|a bug in mcpctl/);
      if (command.startsWith('add') && code === 0) added.push(name);
      for (const file of readdirSync(home.configDir).filter((file) => file.endsWith('.json'))) {
        const text = await readFile(join(home.configDir, file), 'utf8');
        expect(() => JSON.parse(text), what).not.toThrow();
        if (file === 'config.json') expect(Object.keys(JSON.parse(text).mcpServers), what).toEqual(expect.arrayContaining(added));
      }
    }
    await expectUp(home);
    expect((await runCli(['down'], { home })).code).toBe(0);
    await expectNoLeftovers(home.path, { withinMs: 2_000 });
  }

  async function expectUp(home: TempHome): Promise<void> {
    const { code, stderr } = await runCli(['up'], { home });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  }

  function killQuietly(pid: number, signal: NodeJS.Signals): void {
    try {
      process.kill(pid, signal);
    } catch {
      // Already gone.
    }
  }
});

describe('Ctrl-C on up', () => {
  it('while the manager starts: there is none afterwards', async () => {
    await using home = await homeWith({ fault: faultServer() });
    await using cli = startCli(['up'], { home });
    await waitFor(() => managersOf(home).length === 1);
    cli.kill('SIGINT');
    const { code, stderr } = await cli.exited;
    expect({ code, stderr }).toEqual({ code: 130, stderr: 'error: Cancelled\n' });
    await expectNoLeftovers(home.path, { withinMs: 2_000 });
  });
});
