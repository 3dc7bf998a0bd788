/** Commands through a manager that stays: what they change is in force at once, views go on until they are left, and its troubles are told. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startCli } from '../support/run-cli.js';
import { waitFor } from '../support/wait-for.js';
import { documentOf, errorOf, expectHumanError, faultServer } from './kit.js';
import { isAlive, managed } from './managed.js';

const words = ['node', ...faultServer().args].join(' ');

describe('a change made through the manager', () => {
  it('add, disable, enable, remove: the next command sees it, and so does the file', async () => {
    await using it = await managed();
    const { run, home } = it;
    const file = async () => JSON.parse(await readFile(join(home.configDir, 'config.json'), 'utf8')).mcpServers;
    const first = await it.serverPid();

    expect(await run(`add new ${words}`)).toMatchObject({ code: 0, stderr: '' });
    const pid = (await run('call new/pid')).stdout;
    expect((await run('call new/pid')).stdout).toBe(pid);
    expect((await file()).new).toEqual({ command: 'node', args: faultServer().args });
    expectHumanError((await run(`add new ${words}`)).stderr, 'There is a server "new" already');

    expect(await run('disable new')).toMatchObject({ code: 0, stdout: 'new is disabled\n' });
    expect(errorOf(await run('call new/pid --json')).code).toBe('SERVER_DISABLED');
    expect((await file()).new.enabled).toBe(false);
    expect(errorOf(await run('call new/pid --json --no-attach')).code).toBe('SERVER_DISABLED');
    expect(await run('enable new')).toMatchObject({ code: 0, stdout: 'new is enabled\n' });
    expect((await run('call new/echo text=again')).stdout).toBe('again\n');

    expect((await run('remove new')).code).toBe(0);
    expect(errorOf(await run('call new/pid --json')).code).toBe('UNKNOWN_SERVER');
    expect(Object.keys(await file())).toEqual(['fault']);
    // Nobody else was disturbed.
    expect(await it.serverPid()).toBe(first);
    expect((await run('down')).code).toBe(0);
  });

  it('disable --session holds for every command of this manager, writes nothing, and is gone after down and up', async () => {
    await using it = await managed();
    const { run, home } = it;
    const file = join(home.configDir, 'config.json');
    const before = await readFile(file, 'utf8');
    expect((await run('disable fault --session')).code).toBe(0);
    expect(errorOf(await run('call fault/pid --json')).code).toBe('SERVER_DISABLED');
    expect((await run('call fault/echo text=alone --no-attach')).stdout).toBe('alone\n');
    expect(await readFile(file, 'utf8')).toBe(before);
    await run('down');
    await run('up');
    expect((await run('call fault/echo text=back')).stdout).toBe('back\n');
    await run('down');
  });

  it('tools, tool, reconnect --all and --timeout work on the servers of the manager; -v tells what happens there', async () => {
    await using it = await managed();
    const { run } = it;
    const pid = await it.serverPid();
    expect((await run('tools fault --match echo --json')).stdout).toContain('"name": "echo"');
    expect((await run('tool fault/echo')).stdout).toMatch(/^fault\/echo/);
    expect(errorOf(await run('call fault/hang --timeout 200ms --json')).code).toBe('TIMEOUT');
    expect(await it.serverPid()).toBe(pid);
    expect((await run('reconnect --all')).stdout).toMatch(/^fault: connected, \d+ tools\n$/);
    expect(await it.serverPid()).not.toBe(pid);
    const told = await run('-v call fault/echo text=a');
    expect(told).toMatchObject({ code: 0, stdout: 'a\n', stderr: expect.stringMatching(/^fault\/echo: ok after /m) });
    expect((await run('call fault/echo text=a')).stderr).toBe('');
    await run('down');
  });
});

describe('a view through the manager', () => {
  it('logs -f shows each new line as it comes; Ctrl-C ends it with 130, and nothing else', async () => {
    await using it = await managed();
    await it.serverPid();
    await using logs = startCli(['logs', 'fault', '-f', '-n', '0'], { home: it.home });
    // Its beginning is not to be seen: more is said until some of it is.
    let said = 0;
    await waitFor(async () => {
      await it.run(`call fault/stderr-flood-beside bytes:=1 word=said-${++said}`);
      return logs.stdout.includes('said-');
    });
    logs.kill('SIGINT');
    const { code, stderr } = await logs.exited;
    expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
    expect((await it.run('call fault/echo text=on')).stdout).toBe('on\n');
    expect(isAlive(it.up.pid)).toBe(true);
    await it.run('down');
  });

  it('status -w --json prints a document at once and one at every change; down ends it with 143', async () => {
    await using it = await managed();
    await it.serverPid();
    await using view = startCli(['status', '-w', '--json'], { home: it.home });
    const documents = () =>
      view.stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as { servers: { name: string; status: string }[] });
    await view.waitForOutput('\n');
    expect(documents()[0]!.servers).toMatchObject([{ name: 'fault', status: 'connected' }]);
    await it.run('disable fault --session');
    await waitFor(() => documents().at(-1)!.servers[0]!.status === 'disabled');
    await it.run(`add new ${words}`);
    await waitFor(
      () =>
        documents()
          .at(-1)!
          .servers.find(({ name }) => name === 'new')?.status === 'connected',
    );
    await it.run('down');
    expect((await view.exited).code).toBe(143);
  });
});

describe('a configuration that is broken while the manager runs', () => {
  it('is told with file, line and column by every attached command, not with -q and --json, and no more once it is repaired', async () => {
    await using it = await managed();
    const { run, home } = it;
    const pid = await it.serverPid();
    const file = join(home.configDir, 'config.json');
    const good = await readFile(file, 'utf8');
    const warning = (what: string) => `warning: the manager works with its last good configuration: ${file}:${what}`;

    await writeFile(file, '{\n  "mcpServers": { "fault": 1,,\n');
    await waitFor(async () => (await run('status')).stderr.startsWith(warning('2:')));
    for (const line of [
      'call fault/pid',
      'tools fault',
      'servers',
      'ping fault',
      'logs fault',
      'trust list',
      'call fault/tool-error',
    ])
      expect({ line, stderr: (await run(line)).stderr.split('\n')[0] }).toEqual({
        line,
        stderr: expect.stringContaining(warning('2:')),
      });
    expect(await it.serverPid()).toBe(pid);
    for (const line of ['call fault/pid -q', 'call fault/pid --json', 'status --json'])
      expect({ line, stderr: (await run(line)).stderr }).toEqual({ line, stderr: '' });
    expect(errorOf(await run('call fault/nowhere --json')).code).toBe('UNKNOWN_TOOL');
    // Nothing is written over it.
    const add = await run(`add new ${words}`);
    expect(add.code).toBe(9);
    expectHumanError(add.stderr.replace(/^warning.*\n/, ''), /config\.json:2:/);
    expect(await readFile(file, 'utf8')).toContain(',,');

    await writeFile(file, JSON.stringify({ mcpServers: { fault: faultServer(), other: { command: 7 } } }, null, 2));
    await waitFor(
      async () => (await run('status')).stderr.includes(`${file}:`) && (await run('status')).stderr.includes('command'),
    );
    await writeFile(file, good);
    await waitFor(async () => (await run('status')).stderr === '');
    expect(await it.serverPid()).toBe(pid);
    expect(documentOf(await run('status --json'))).toMatchObject({ counts: { connected: 1 } });
    await run('down');
  });
});
