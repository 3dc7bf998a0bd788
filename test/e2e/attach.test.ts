/** A manager that stays, and commands that ask it: `up`, `down`, attached commands and sessions, and everything that can go wrong between two processes. */
import { existsSync } from 'node:fs';
import { lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expectNoLeftovers } from '../support/no-leftovers.js';
import { runCli, startCli } from '../support/run-cli.js';
import { keys, startTerminal } from '../support/terminal.js';
import { waitFor } from '../support/wait-for.js';
import { documentOf, errorOf, faultServer, fixture, homeWith } from './kit.js';
import { callArrived, isAlive, managed, managersOf, recordOf, type Up } from './managed.js';

describe('up and down', () => {
  it('up starts one manager, a second up finds it, down ends it and its servers, a second down finds nothing', async () => {
    await using it = await managed();
    expect(it.up).toMatchObject({ started: true, replaced: null });
    const again = await it.run('up --json');
    expect(documentOf(again)).toMatchObject({ pid: it.up.pid, started: false });
    expect((await it.run('up')).stdout).toMatch(/^The manager runs already \(process \d+, since /);

    const pid = await it.serverPid();
    expect(await it.serverPid()).toBe(pid);
    expect(documentOf(await it.run('down --json'))).toEqual({ pid: it.up.pid, how: 'asked' });
    await expectNoLeftovers(it.home.path, { withinMs: 100 });
    expect(documentOf(await it.run('down --json'))).toEqual({ pid: null, how: null });
    expect(existsSync(it.up.socket)).toBe(false);
  });

  it('20 parallel up: one process, which all of them name', { timeout: 60_000 }, async () => {
    await using home = await homeWith({ fault: faultServer() });
    const results = await Promise.all(Array.from({ length: 20 }, () => runCli(['up', '--json'], { home, timeoutMs: 50_000 })));
    expect(results.map(({ code }) => code)).toEqual(Array.from({ length: 20 }, () => 0));
    const pids = new Set(results.map((result) => (documentOf(result) as Up).pid));
    expect(pids.size).toBe(1);
    await waitFor(() => managersOf(home).length === 1);
    expect(documentOf(await runCli(['down', '--json'], { home }))).toEqual({ pid: [...pids][0], how: 'asked' });
  });

  it('two configurations have two managers', async () => {
    await using it = await managed();
    const other = join(it.home.path, 'other.json');
    await writeFile(other, JSON.stringify({ mcpServers: { fault: faultServer() } }));
    const second = documentOf(await it.run(`up -c ${other} --json`)) as Up;
    expect(second.pid).not.toBe(it.up.pid);
    expect(await it.serverPid()).not.toBe((await it.run(`call -c ${other} fault/pid`)).stdout.trim());
    expect((await it.run(`down -c ${other}`)).code).toBe(0);
    expect(isAlive(it.up.pid)).toBe(true);
  });

  it('after kill -9 the next command runs by itself, the next up takes the place, and no server of the dead one is left', async () => {
    await using it = await managed();
    await it.serverPid();
    process.kill(it.up.pid, 'SIGKILL');
    await waitFor(() => !isAlive(it.up.pid));
    expect((await it.run('call fault/echo text=alone')).stdout).toBe('alone\n');
    await expectNoLeftovers(it.home.path);
    const next = documentOf(await it.run('up --json')) as Up;
    expect(next).toMatchObject({ started: true });
    expect(documentOf(await it.run('down --json'))).toEqual({ pid: next.pid, how: 'asked' });
  });

  it('a manager that hangs is noticed within its two seconds: commands run by themselves, down ends it by signals', {
    timeout: 40_000,
  }, async () => {
    await using it = await managed();
    process.kill(it.up.pid, 'SIGSTOP');
    const alone = await it.run('call fault/echo text=alone');
    expect(alone).toMatchObject({ code: 0, stdout: 'alone\n' });
    expect(alone.stderr).toContain(
      `note: the manager (process ${it.up.pid}) does not answer; running without it. mcpctl down ends it.`,
    );
    expect((await it.run('up')).stderr).toContain('does not answer\nhint: mcpctl down ends it');
    expect(documentOf(await it.run('down --json'))).toEqual({ pid: it.up.pid, how: 'SIGTERM' });
    await expectNoLeftovers(it.home.path);
  });

  it('up --idle 300ms ends by itself when nobody asks any more', async () => {
    await using it = await managed({ fault: faultServer() }, '--idle', '300ms');
    expect((await it.run('call fault/echo text=a')).stdout).toBe('a\n');
    await waitFor(() => !isAlive(it.up.pid));
    await expectNoLeftovers(it.home.path);
    expect(existsSync(it.up.socket)).toBe(false);
  });

  it('up --foreground says why there is no manager: the broken configuration, and the folder that is not ours alone', async () => {
    await using home = await homeWith({});
    await writeFile(join(home.configDir, 'config.json'), '{ "mcpServers": ');
    expect(await runCli(['up', '--foreground'], { home })).toMatchObject({
      code: 9,
      stderr: expect.stringContaining('config.json:1:17'),
    });
    await home.writeConfig({ mcpServers: {} });
    const runtime = join(home.path, 'open');
    await mkdir(runtime);
    await (await import('node:fs/promises')).chmod(runtime, 0o777);
    const open = await runCli(['up', '--foreground'], { home, env: { MCPCTL_RUNTIME_DIR: runtime } });
    expect(open).toMatchObject({ code: 4, stderr: expect.stringContaining('is not a folder that only you can write to') });
    await symlink(home.path, join(home.path, 'link'));
    const linked = await runCli(['up', '--foreground'], { home, env: { MCPCTL_RUNTIME_DIR: join(home.path, 'link') } });
    expect(linked).toMatchObject({ code: 4, stderr: expect.stringContaining('is not a folder that only you can write to') });
  });

  it('the manager of another version is not asked; up replaces it', async () => {
    await using it = await managed();
    const { file, record } = await recordOf(it);
    await writeFile(file, JSON.stringify({ ...record, version: '0.0.1' }));
    const alone = await it.run('call fault/echo text=alone');
    expect(alone).toMatchObject({ code: 0, stdout: 'alone\n' });
    expect(alone.stderr).toMatch(
      /^note: the manager \(process \d+\) is mcpctl 0\.0\.1, this is \d+\.\d+\.\d+; running without it\. mcpctl up replaces it\.$/m,
    );
    const quiet = await it.run('call fault/echo text=alone -q');
    expect(quiet.stderr).toBe('');
    const next = documentOf(await it.run('up --json')) as Up;
    expect(next).toMatchObject({ started: true, replaced: '0.0.1' });
    expect(next.pid).not.toBe(it.up.pid);
    await it.run('down');
  });
});

describe('an attached command', () => {
  it('status waits for a server that is coming up, as it does without a manager; --timeout ends the wait', async () => {
    await using it = await managed({ slow: { command: process.execPath, args: [fixture('e2e-slow.mjs'), 'delay=2500'] } });
    expect((await it.run('status --timeout 1ms')).stdout).toContain('connecting');
    expect(await it.run('status --check')).toMatchObject({ code: 0, stdout: expect.stringContaining('● slow  connected') });
  });

  it('prints what it prints without a manager, byte for byte, with the same exit code', { timeout: 60_000 }, async () => {
    await using it = await managed({ fault: faultServer(), off: { ...faultServer(), enabled: false } });
    for (const line of [
      'call fault/echo text=hi',
      'call fault/echo text=hi --json',
      'call fault/tool-error',
      'call fault/tool-error --json',
      'call fault/nowhere',
      'call fault/echo',
      'call nowhere/x --json',
      'tools fault',
      'tools fault --schema --json',
      'tool fault/echo',
      'servers',
      'ping off',
      'nonsense',
      'call fault/echo text=x --nonsense',
      'config show',
      'help call',
    ]) {
      const [attached, alone] = [await it.run(line), await it.run(`${line} --no-attach`)];
      // Every call has a name of its own.
      const [here, there] = [alone, attached].map(({ stdout, stderr, code }) => {
        return { line, stdout, stderr: stderr.replace(/"callId":"[a-z2-7]{12}"/, '"callId":"…"'), code };
      });
      expect(there).toEqual(here);
    }
  });

  it('runs in the manager unless --no-attach or MCPCTL_NO_ATTACH=1 says otherwise', async () => {
    await using it = await managed();
    const pid = await it.serverPid();
    expect(await it.serverPid({ env: { MCPCTL_NO_ATTACH: '1' } })).not.toBe(pid);
    expect((await it.run('--no-attach call fault/pid')).stdout.trim()).not.toBe(pid);
    expect(await it.serverPid()).toBe(pid);
  });

  it('loads two files, and of Node neither the parser of HTTP nor the loader of ES modules', async () => {
    await using it = await managed();
    const spy = join(it.home.path, 'spy.cjs');
    const out = join(it.home.path, 'loaded.json');
    await writeFile(
      spy,
      `process.on('exit', () => require('node:fs').writeFileSync(${JSON.stringify(out)}, JSON.stringify({ files: Object.keys(require.cache), builtins: process.moduleLoadList })));`,
    );
    const { code, stdout } = await it.run('call fault/echo text=hi', { env: { NODE_OPTIONS: `--require ${spy}` } });
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'hi\n' });
    const { files, builtins } = JSON.parse(await readFile(out, 'utf8')) as { files: string[]; builtins: string[] };
    expect(files.filter((file) => file !== spy).map((file) => file.split('/').slice(-2).join('/'))).toEqual([
      'bin/mcpctl.js',
      'dist/main.cjs',
    ]);
    for (const heavy of ['http', 'https', 'crypto', 'child_process', 'readline', 'zlib', 'worker_threads'])
      expect(builtins).not.toContain(`NativeModule ${heavy}`);
  });

  it('reads the stdin and the files of the one who asks, in his folder', async () => {
    await using it = await managed();
    const folder = join(it.home.path, 'elsewhere');
    await mkdir(folder);
    await writeFile(join(folder, 'text.txt'), 'from a file');
    expect((await it.run('call fault/echo text=@text.txt', { cwd: folder })).stdout).toBe('from a file\n');
    const long = 'ä'.repeat(300_000);
    const input = JSON.stringify({ text: long });
    expect((await it.run('call fault/echo --args -', { input })).stdout).toBe(`${long}\n`);
    expect((await it.run('call fault/echo --args @nowhere.json', { cwd: folder })).code).toBe(2);
  });

  it('Ctrl-C cancels the call there and exits 130; the manager and its server go on', async () => {
    await using it = await managed();
    const pid = await it.serverPid();
    await using cli = startCli(['call', 'fault/hang', 'said=arrived'], { home: it.home });
    const log = () => readFile(it.up.log, 'utf8');
    await callArrived(it.home, 'arrived');
    cli.kill('SIGINT');
    const { code, stderr } = await cli.exited;
    expect({ code, stderr }).toEqual({ code: 130, stderr: 'error: Cancelled\n' });
    expect(await it.serverPid()).toBe(pid);
    expect(await log()).not.toContain('internal error');
  });

  it('one that is killed takes nothing with it', async () => {
    await using it = await managed();
    const pid = await it.serverPid();
    await using cli = startCli(['call', 'fault/hang', 'said=arrived'], { home: it.home });
    await callArrived(it.home, 'arrived');
    cli.kill('SIGKILL');
    await cli.exited;
    expect(await it.serverPid()).toBe(pid);
  });

  it('says what is known when the manager goes away under it: UNAVAILABLE, exit 4, it may have been carried out', async () => {
    await using it = await managed();
    await it.serverPid();
    await using cli = startCli(['call', 'fault/hang', 'said=arrived', '--json'], { home: it.home });
    await callArrived(it.home, 'arrived');
    process.kill(it.up.pid, 'SIGKILL');
    const result = await cli.exited;
    expect(result.code).toBe(4);
    expect(errorOf(result)).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('may have been carried out') });
    await expectNoLeftovers(it.home.path);
  });

  it('what runs when the manager is ended is cancelled and told', async () => {
    await using it = await managed();
    await it.serverPid();
    await using cli = startCli(['call', 'fault/hang', 'said=arrived'], { home: it.home });
    await callArrived(it.home, 'arrived');
    expect((await it.run('down')).code).toBe(0);
    expect((await cli.exited).code).toBe(143);
    await expectNoLeftovers(it.home.path);
  });

  it('a reader that goes away (head) ends it, and the manager goes on', async () => {
    await using it = await managed();
    const { spawnSync } = await import('node:child_process');
    const { cliPath } = await import('../support/run-cli.js');
    const { status, stdout } = spawnSync(
      'sh',
      ['-c', `"$0" "$1" call fault/big bytes:=5000000 | head -c 10 | wc -c`, process.execPath, cliPath],
      {
        env: it.home.env as NodeJS.ProcessEnv,
        cwd: it.home.projectDir,
        encoding: 'utf8',
      },
    );
    expect({ status, stdout: stdout.trim() }).toEqual({ status: 0, stdout: '10' });
    expect(isAlive(it.up.pid)).toBe(true);
  });

  it('a batch runs every line in the manager', async () => {
    await using it = await managed();
    const pid = await it.serverPid();
    const { stdout, stderr, code } = await runCli([], {
      home: it.home,
      input: 'call fault/pid\n/mcp call fault/echo text="a b"\nping nowhere\n',
    });
    expect(stdout).toBe(`${pid}\na b\n`);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error: line 3: /);
  });
});

describe('the socket', () => {
  it('is for its user alone: 0700, 0600, 0600, also with umask 000', async () => {
    await using home = await homeWith({});
    const { spawnSync } = await import('node:child_process');
    const { cliPath } = await import('../support/run-cli.js');
    const { stdout } = spawnSync('sh', ['-c', 'umask 000; exec "$0" "$1" up --json', process.execPath, cliPath], {
      env: home.env as NodeJS.ProcessEnv,
      cwd: home.projectDir,
      encoding: 'utf8',
    });
    const up = JSON.parse(stdout) as Up;
    const mode = async (path: string) => ((await lstat(path)).mode & 0o777).toString(8);
    expect([
      await mode(join(up.socket, '..')),
      await mode(up.socket),
      await mode(up.socket.replace(/sock$/, 'json')),
      await mode(up.log),
    ]).toEqual(['700', '600', '600', '600']);
    await runCli(['down'], { home });
  });

  it.each([
    ['no token', '{"t":"hello","protocol":1}\n'],
    ['a wrong token', `{"t":"hello","protocol":1,"token":"${'0'.repeat(64)}"}\n`],
    ['a command before the greeting', '{"t":"run","run":{"words":["call","fault/pid"]}}\n'],
    ['no JSON', 'GET / HTTP/1.1\r\n\r\n'],
    ['an endless line', 'x'.repeat(5_000_000)],
  ])('%s: nothing runs, and the conversation is over', async (_, text) => {
    await using it = await managed();
    const heard = await new Promise<string>((resolve) => {
      let all = '';
      const socket = createConnection(it.up.socket, () => socket.write(text));
      socket.on('data', (chunk) => {
        all += chunk;
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(all));
    });
    expect(heard).toMatch(/^(\{"t":"refused","reason":"wrong token"\}\n)?$/);
    expect((await it.run('call fault/echo text=a')).stdout).toBe('a\n');
    await it.run('down');
  });

  it('a record of somebody else, or one that others can read, is not believed', async () => {
    await using it = await managed();
    const pid = await it.serverPid();
    const { file } = await recordOf(it);
    const { chmod } = await import('node:fs/promises');
    await chmod(file, 0o644);
    expect(await it.serverPid()).not.toBe(pid);
    await chmod(file, 0o600);
    expect(await it.serverPid()).toBe(pid);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await it.run('down');
    expect(await readdir(join(file, '..'))).not.toContain(file);
  });
});

describe('a session', () => {
  it('that finds a manager attaches: the same server, completion, notices; it goes on when the manager ends', {
    timeout: 40_000,
  }, async () => {
    await using it = await managed();
    const pid = await it.serverPid();
    await using terminal = startTerminal([], { home: it.home });
    await terminal.waitFor(`attached to the manager (process ${it.up.pid}, since `);
    await terminal.waitFor('1 server: fault');
    terminal.type(`call fault/pid${keys.enter}`);
    await terminal.waitFor(new RegExp(`\\n${pid}\\r?\\n`));
    terminal.type(`call fault/ech${keys.tab}`);
    await terminal.waitFor('call fault/echo ');
    terminal.type(`text=there${keys.enter}`);
    await terminal.waitFor(/\nthere\r?\n/);
    const after = terminal.text.length;
    expect((await it.run('reconnect fault')).code).toBe(0);
    await terminal.waitFor('+ fault connected', { after });
    terminal.type(`call fault/hang said=arrived${keys.enter}`);
    await callArrived(it.home, 'arrived');
    terminal.type(keys.ctrlC);
    await terminal.waitFor('error: Cancelled');
    expect((await it.run('down')).code).toBe(0);
    await terminal.waitFor('~ the manager has ended; the session goes on');
    await terminal.waitFor('+ fault connected', { after: terminal.text.indexOf('~ the manager') });
    terminal.type(`call fault/echo text=mine${keys.enter}`);
    await terminal.waitFor(/\nmine\r?\n/);
    terminal.type(keys.ctrlD);
    expect((await terminal.exited).code).toBe(0);
  });

  it('is itself a manager for others while it is open; down leaves it alone', async () => {
    await using home = await homeWith({ fault: faultServer() });
    await using terminal = startTerminal([], { home });
    await terminal.waitFor('+ fault connected');
    terminal.type(`call fault/pid${keys.enter}`);
    await terminal.waitFor(/\n\d+\r?\n/);
    const [, pid] = /\n(\d+)\r?\n/.exec(terminal.text)!;
    expect((await runCli(['call', 'fault/pid'], { home })).stdout.trim()).toBe(pid);
    const down = await runCli(['down', '--json'], { home });
    expect(down.code).toBe(4);
    expect(errorOf(down)).toMatchObject({ code: 'NO_MANAGER', hint: 'leave it there with /exit' });
    const up = await runCli(['up', '--json'], { home });
    expect(documentOf(up)).toMatchObject({ pid: terminal.pid, started: false });
    terminal.type(`/exit${keys.enter}`);
    expect((await terminal.exited).code).toBe(0);
    expect((await runCli(['call', 'fault/pid'], { home })).stdout.trim()).not.toBe(pid);
  });
});
