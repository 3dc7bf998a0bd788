/** A manager in a cloned folder with a hostile project file: what holds for a single command holds for one that stays. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli, startCli } from '../support/run-cli.js';
import { type TempHome, tempHome } from '../support/temp-home.js';
import { keys, startTerminal } from '../support/terminal.js';
import { waitFor } from '../support/wait-for.js';
import { clone, names, secret } from './hostile-folder.js';
import { documentOf, errorOf, faultServer } from './kit.js';
import { managerIn } from './managed.js';

type Statuses = { servers: { name: string; status: string; pid: number | null }[] };

const statusOf = async (run: (line: string) => Promise<{ stdout: string }>, name: string) =>
  (documentOf(await run('status --json')) as Statuses).servers.find((server) => server.name === name)!;

describe('a manager in a cloned folder with a hostile .mcp.json', () => {
  it('starts, expands and reads nothing of it, whatever is asked of it, and says so', { timeout: 60_000 }, async () => {
    await using made = await clone();
    const { home, env, sentinel, requests } = made;
    await using it = await managerIn(home, [], { env });
    const outputs: string[] = [];
    const run = async (line: string, options = {}) => {
      const result = await it.run(line, options);
      outputs.push(result.stdout, result.stderr);
      return result;
    };
    expect((await run('status')).stdout.match(/untrusted/g)).toHaveLength(names.length + 1);
    expect(await run('status --check')).toMatchObject({ code: 9 });
    for (const name of names) {
      const call = await run(`call ${name}/x --json`);
      expect({ name, code: call.code, error: errorOf(call).code }).toEqual({ name, code: 9, error: 'UNTRUSTED' });
      for (const line of [`ping ${name}`, `tools ${name}`, `reconnect ${name}`]) expect((await run(line)).code).toBe(9);
      for (const line of [`disable ${name}`, `enable ${name}`, `logs ${name}`]) expect((await run(line)).code).toBe(0);
    }
    for (const line of ['servers', 'reconnect --all', 'reconnect --failed', 'trust list', '-v status'])
      expect({ line, code: (await run(line)).code }).toEqual({ line, code: 0 });
    for (const line of ['tools', 'trust approve runs', 'trust approve calls --fingerprint 00'])
      expect({ line, code: (await run(line)).code }).toEqual({ line, code: 9 });
    const batch = await runCli(['--keep-going'], { home, env, input: 'status\n/mcp call runs/x\nreconnect calls\n' });
    expect(batch.code).toBe(9);
    await using terminal = startTerminal([], { home, env });
    await terminal.waitFor('attached to the manager');
    terminal.type('call local/x\r');
    await terminal.waitFor('is not approved');
    terminal.type('/exit\r');
    await terminal.exited;

    outputs.push(batch.stdout, batch.stderr, terminal.text, await readFile(it.up.log, 'utf8'));
    expect(existsSync(sentinel)).toBe(false);
    expect(requests()).toBe(0);
    for (const output of outputs) {
      expect(output).not.toContain(secret);
      expect(output).not.toContain('internal error');
    }
    for (const output of outputs.filter((text) => text !== terminal.text)) expect(output).not.toMatch(/[\x1b\u202e]/);
    expect((await it.run('down')).code).toBe(0);
  });

  it('the same in front: up --foreground tells which servers wait, and ends with Ctrl-C', async () => {
    await using made = await clone();
    const { home, env, sentinel, requests } = made;
    await using manager = startCli(['up', '--foreground'], { home, env });
    await manager.waitForOutput(`${names.length} servers of`, { stream: 'stderr' });
    expect(errorOf(await runCli(['call', 'runs/x', '--json'], { home, env })).code).toBe('UNTRUSTED');
    manager.kill('SIGINT');
    const { code, stderr } = await manager.exited;
    expect(code).toBe(130);
    expect(stderr).not.toContain(secret);
    expect({ ran: existsSync(sentinel), asked: requests() }).toEqual({ ran: false, asked: 0 });
  });
});

async function withProject(): Promise<TempHome> {
  const home = await tempHome();
  await project(home, faultServer());
  return home;
}
const project = (home: TempHome, theirs: object) => home.write('project/.mcp.json', { mcpServers: { theirs } });

describe('an approval given through the manager', () => {
  it('counts there at once and in the settings; a changed file takes it back in the running manager', async () => {
    await using it = await managerIn(await withProject());
    const { home, run } = it;
    expect((await run('call theirs/pid')).code).toBe(9);
    expect((await run('trust approve theirs --yes')).code).toBe(0);
    const pid = (await run('call theirs/pid')).stdout.trim();
    // In the manager: a server of a single command would be another process.
    expect(String((await statusOf(run, 'theirs')).pid)).toBe(pid);
    expect((await run('call theirs/echo text=alone --no-attach')).stdout).toBe('alone\n');

    const pids = join(home.path, 'pids');
    await project(home, faultServer(`pid-file=${pids}`));
    await waitFor(async () => (await statusOf(run, 'theirs')).status === 'untrusted');
    expect(await run('call theirs/pid')).toMatchObject({ code: 9, stderr: expect.stringContaining('was changed since') });
    await waitFor(() => !existsSync(`/proc/${pid}`), { what: 'the end of what was approved' });
    expect(existsSync(pids)).toBe(false);
    // As it was: the approval of then still stands.
    await project(home, faultServer());
    await waitFor(async () => (await statusOf(run, 'theirs')).status === 'connected');
    expect((await run('trust revoke theirs')).code).toBe(0);
    expect((await run('call theirs/pid')).code).toBe(9);
    expect((await run('down')).code).toBe(0);
  });

  it.each([
    ['Enter', keys.enter, { code: 9, approved: false }],
    ['n', `n${keys.enter}`, { code: 9, approved: false }],
    ['Ctrl-D', keys.ctrlD, { code: 9, approved: false }],
    ['Ctrl-C', keys.ctrlC, { code: 130, approved: false }],
    ['yes', `yes${keys.enter}`, { code: 0, approved: true }],
  ])('is asked for on the terminal of the one who attached: %s', async (_, answer, { code, approved }) => {
    await using it = await managerIn(await withProject());
    await using terminal = startTerminal(['trust', 'approve', 'theirs'], { home: it.home });
    await terminal.waitFor('Approve "theirs"? [y/N] ');
    expect(terminal.text).toContain(JSON.stringify(faultServer().args[0]));
    expect((await statusOf(it.run, 'theirs')).status).toBe('untrusted');
    terminal.type(answer);
    expect((await terminal.exited).code).toBe(code);
    expect((await it.run('call theirs/echo text=a')).code).toBe(approved ? 0 : 9);
    expect(existsSync(join(it.home.configDir, 'settings.json'))).toBe(approved);
    expect((await it.run('down')).code).toBe(0);
  });

  it('is not taken from one who hangs up at the question', async () => {
    await using it = await managerIn(await withProject());
    await using terminal = startTerminal(['trust', 'approve', 'theirs'], { home: it.home });
    await terminal.waitFor('[y/N] ');
    process.kill(terminal.pid, 'SIGKILL');
    await terminal.exited;
    expect((await it.run('call theirs/pid')).code).toBe(9);
    expect((await it.run('down')).code).toBe(0);
  });
});
