/** The name of a call and mcpctl's own log, as a user meets them: from an error to the lines about it, in every front end. */
import { appendFileSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli, startCli } from '../support/run-cli.js';
import type { TempHome } from '../support/temp-home.js';
import { startTerminal } from '../support/terminal.js';
import { waitFor } from '../support/wait-for.js';
import { documentOf, errorOf, faultServer, homeWith } from './kit.js';
import { managed, managerIn } from './managed.js';

interface OwnLog {
  readonly server: null;
  readonly file: string;
  readonly lines: readonly {
    readonly level: string;
    readonly time: string;
    readonly msg: string;
    readonly [key: string]: unknown;
  }[];
}

const pattern = /^[a-z2-7]{12}$/;
const logOf = (home: TempHome) => join(home.stateDir, 'logs', 'mcpctl.log');
const callIdOf = (result: { stderr: string }) => String(errorOf(result).details?.callId);

describe('the name of a call', () => {
  it('stands in the error with --json, and logs --call finds what is kept of it, for people and as JSON', async () => {
    await using home = await homeWith({ fault: faultServer() });
    const failed = await runCli(['call', 'fault/crash', '--json'], { home });
    const callId = callIdOf(failed);
    expect(callId).toMatch(pattern);
    await runCli(['call', 'fault/crash', '--json'], { home });
    const { server, file, lines } = documentOf(await runCli(['logs', '--call', callId, '--json'], { home })) as OwnLog;
    expect([server, file]).toEqual([null, logOf(home)]);
    expect(lines).toEqual([
      expect.objectContaining({ level: 'error', msg: 'call ended', server: 'fault', tool: 'crash', callId }),
    ]);
    const { stdout, stderr, code } = await runCli(['logs', '--call', callId], { home });
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
    expect(stdout).toMatch(
      new RegExp(
        `^[\\d-]+T[\\d:.]+Z {2}error {2}call ended server=fault tool=crash callId=${callId} outcome=failed code=\\w+ .*\n$`,
      ),
    );
    // All of them, states included.
    const all = documentOf(await runCli(['logs', '--json'], { home })) as OwnLog;
    expect(new Set(all.lines.map(({ msg }) => msg))).toEqual(new Set(['server error', 'call ended']));
    expect(statSync(logOf(home)).mode & 0o777).toBe(0o600);
  });

  it('is that of a tool that reports an error, too; with -v it stands below the error, in a script as well', async () => {
    await using home = await homeWith({ fault: faultServer() });
    const callId = callIdOf(await runCli(['call', 'fault/tool-error', '--json'], { home }));
    const { lines } = documentOf(await runCli(['logs', '--call', callId, '--json'], { home })) as OwnLog;
    expect(lines).toMatchObject([{ level: 'warn', outcome: 'tool-error', callId }]);
    const batch = await runCli(['-v'], { home, input: 'call fault/tool-error\n' });
    expect(batch.code).toBe(5);
    const [, shown] = /^call: ([a-z2-7]{12}) \(mcpctl logs --call \1\)$/m.exec(batch.stderr)!;
    expect(batch.stderr).toMatch(new RegExp(`^fault/tool-error: tool-error after .* \\(call ${shown}\\)$`, 'm'));
    // Nobody asked for it.
    expect((await runCli(['call', 'fault/tool-error'], { home })).stderr).not.toContain('call: ');
  });

  it('stays the same when the call is tried again', async () => {
    await using home = await homeWith({ fault: { ...faultServer(), retry: { preset: 'quick' } } });
    const words = ['call', 'fault/run-and-die', `file=${join(home.path, 'runs')}`, 'times:=2', '--retry-unsafe', '-v'];
    const { stderr, code } = await runCli(words, { home });
    expect(code).toBe(0);
    const names = [...stderr.matchAll(/^fault\/run-and-die: .* \(call ([a-z2-7]{12})\)$/gm)].map(([, name]) => name);
    expect(names).toEqual([names[0], names[0], names[0]]);
    const { lines } = documentOf(await runCli(['logs', '--call', names[0]!, '--json'], { home })) as OwnLog;
    expect(lines).toMatchObject([
      { msg: 'call is tried again', attempt: 2 },
      { msg: 'call is tried again', attempt: 3 },
    ]);
  });

  it('of a call through a manager is in the log of that manager, whether it failed or not', async () => {
    await using it = await managed();
    const worked = await it.run('call fault/echo text=hi -v');
    const [, callId] = /^fault\/echo: ok after .* \(call (\w+)\)$/m.exec(worked.stderr)!;
    const linesOf = async (id: string) => (documentOf(await it.run(`logs --call ${id} --json`)) as OwnLog).lines;
    await waitFor(async () => (await linesOf(callId!)).length > 0);
    expect(await linesOf(callId!)).toMatchObject([{ level: 'info', outcome: 'ok', pid: it.up.pid, attempts: 1 }]);
    const failed = callIdOf(await it.run('call fault/crash --json'));
    await waitFor(async () => (await linesOf(failed)).length > 0);
    expect(await linesOf(failed)).toMatchObject([{ level: 'error', tool: 'crash', pid: it.up.pid }]);
    // The same without asking the manager: it is one log.
    expect((await it.run(`logs --call ${failed} --no-attach`)).stdout).toContain(`callId=${failed}`);
    await it.run('down');
    const { lines } = documentOf(await runCli(['logs', '--json'], { home: it.home })) as OwnLog;
    expect(lines[0]).toMatchObject({ level: 'info', msg: 'mcpctl started', as: 'manager', pid: it.up.pid });
    expect(lines.at(-1)).toMatchObject({ msg: 'mcpctl ended' });
  });

  it('is refused when it is none, and with the name of a server; one that is not known is told so', async () => {
    await using home = await homeWith({ fault: faultServer() });
    const wrong = await runCli(['logs', '--call', 'nonsense', '--json'], { home });
    expect([wrong.code, errorOf(wrong).code]).toEqual([2, 'USAGE']);
    const both = await runCli(['logs', 'fault', '--call', 'aaaaaaaaaaaa', '--json'], { home });
    expect([both.code, errorOf(both)]).toMatchObject([2, { code: 'USAGE', hint: 'mcpctl logs --call aaaaaaaaaaaa' }]);
    const none = await runCli(['logs', '--call', 'aaaaaaaaaaaa'], { home });
    expect(none).toMatchObject({
      code: 0,
      stdout: '',
      stderr: expect.stringContaining('nothing is kept of the call aaaaaaaaaaaa'),
    });
  });
});

describe('mcpctl logs', () => {
  it('says that there is none yet; -n and --since choose, as for the log of a server', async () => {
    await using home = await homeWith({ fault: faultServer() });
    expect(await runCli(['logs'], { home })).toMatchObject({ code: 0, stdout: '', stderr: 'mcpctl has no log yet\n' });
    await runCli(['--keep-going'], { home, input: 'call fault/tool-error\n'.repeat(60) });
    const count = async (...words: string[]) =>
      (documentOf(await runCli(['logs', '--json', ...words], { home })) as OwnLog).lines.length;
    expect([await count(), await count('-n', '3'), await count('--tail', 'all'), await count('--since', '1h')]).toEqual([
      50, 3, 60, 60,
    ]);
    expect(await count('--since', '1ms')).toBe(0);
  });

  it('shows a line of a later version, with what that has written as objects', async () => {
    await using home = await homeWith({ fault: faultServer() });
    await runCli(['call', 'fault/tool-error'], { home });
    const line = {
      level: 'info',
      time: '2026-01-01T00:00:00.000Z',
      pid: 1,
      msg: 'new',
      a: { b: 1 },
      c: ['d', 'e f', [2]],
      g: null,
    };
    appendFileSync(logOf(home), `${JSON.stringify(line)}\n`);
    const { stdout, stderr, code } = await runCli(['logs', '-n', '1'], { home });
    expect({ stdout, stderr, code }).toEqual({
      stdout: '2026-01-01T00:00:00.000Z  info   new a={"b":1} c=d,"e f",2 g=null\n',
      stderr: '',
      code: 0,
    });
  });

  it('-f shows what other commands write, without a manager and with one; Ctrl-C ends it with 130', async () => {
    await using home = await homeWith({ fault: faultServer() });
    await using alone = startCli(['logs', '-f', '--json'], { home });
    let calls = 0;
    await waitFor(async () => {
      calls++;
      await runCli(['call', 'fault/tool-error'], { home });
      return alone.stdout.includes('"outcome":"tool-error"');
    });
    alone.kill('SIGINT');
    expect(await alone.exited).toMatchObject({ code: 130, stderr: '' });
    for (const line of alone.stdout.trimEnd().split('\n')) expect(JSON.parse(line)).toMatchObject({ msg: 'call ended' });
    await using it = await managerIn(home);
    await using attached = startCli(['logs', '--follow', '-n', '0'], { home });
    await waitFor(async () => {
      await it.run(`call fault/echo text=${++calls}`);
      return attached.stdout.includes('tool=echo');
    });
    attached.kill('SIGINT');
    expect(await attached.exited).toMatchObject({ code: 130, stderr: '' });
    await it.run('down');
  });

  it('shows in the REPL what the REPL did', async () => {
    await using home = await homeWith({ fault: faultServer() });
    await using terminal = startTerminal([], { home });
    await terminal.waitFor('+ fault connected');
    terminal.type('call fault/tool-error\r');
    await terminal.waitFor('hint: mcpctl tool fault/tool-error');
    terminal.type('/logs\r');
    await terminal.waitFor(/warn {3}call ended server=fault tool=tool-error/);
    expect(terminal.text).toMatch(/info {3}mcpctl started version=\S+ as=repl/);
    terminal.type('/exit\r');
    expect((await terminal.exited).code).toBe(0);
  });
});

describe('what is written', () => {
  it('follows log.level while a manager runs; MCPCTL_LOG wins, and one that names no level is a warning', async () => {
    await using it = await managed();
    const config = (level: string) => it.home.writeConfig({ mcpServers: { fault: faultServer() }, log: { level } });
    const lines = () => (existsSync(logOf(it.home)) ? readFileSync(logOf(it.home), 'utf8') : '');
    const count = (what: string) => lines().split(what).length - 1;
    await it.run('call fault/echo text=a');
    expect(count('call started')).toBe(0);
    await config('debug');
    await waitFor(async () => {
      await it.run('call fault/echo text=b');
      return count('call started') > 0;
    });
    await config('silent');
    await waitFor(async () => {
      const before = count('call ended');
      await it.run('call fault/echo text=c');
      await it.run('call fault/echo text=d');
      return count('call ended') === before;
    });
    await it.run('down');
    const before = lines();
    await runCli(['call', 'fault/tool-error'], { home: it.home });
    expect(lines()).toBe(before);
    const loud = await runCli(['call', 'fault/tool-error'], { home: it.home, env: { MCPCTL_LOG: 'loud' } });
    expect(loud.stderr).toMatch(/^warning: MCPCTL_LOG: is one of .*, not "loud"$/m);
    expect(lines()).toBe(before);
    await runCli(['call', 'fault/echo', 'text=e'], { home: it.home, env: { MCPCTL_LOG: 'debug' } });
    expect(lines().slice(before.length)).toContain('"msg":"call started"');
  });

  it('is nothing by a command in which nothing went wrong, and then what writes it is not even loaded', async () => {
    await using home = await homeWith({ fault: faultServer() });
    const spy = join(home.path, 'spy.cjs');
    const out = join(home.path, 'loaded.json');
    // Of Node, only the library needs worker threads.
    await writeFile(
      spy,
      `process.on('exit', () => require('node:fs').writeFileSync(${JSON.stringify(out)}, JSON.stringify(process.moduleLoadList)));`,
    );
    const isLoaded = async (...words: string[]) => {
      rmSync(out, { force: true });
      await runCli(words, { home, env: { NODE_OPTIONS: `--require ${spy}` } });
      return (JSON.parse(readFileSync(out, 'utf8')) as string[]).includes('NativeModule worker_threads');
    };
    expect(await isLoaded('call', 'fault/echo', 'text=hi')).toBe(false);
    expect(await isLoaded('tools', 'fault')).toBe(false);
    expect(await isLoaded('logs')).toBe(false);
    expect(existsSync(logOf(home))).toBe(false);
    expect(await isLoaded('call', 'fault/tool-error')).toBe(true);
  });

  it('fails no command when it cannot be written: one warning, the same exit code', async () => {
    await using home = await homeWith({ fault: faultServer() });
    writeFileSync(join(home.stateDir, 'logs'), 'a file where the folder should be');
    const { stderr, code } = await runCli(['call', 'fault/crash'], { home });
    expect(code).toBe(8);
    expect(stderr.match(/^warning: cannot write to /gm)).toHaveLength(1);
    expect(stderr).not.toContain('internal error');
  });
});
