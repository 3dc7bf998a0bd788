/** The end of the program at any moment, by signal, by kill -9, by a reader that goes away: the right exit code, soon, and no server left. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expectNoLeftovers, findProcesses } from '../support/no-leftovers.js';
import { cliPath, startCli } from '../support/run-cli.js';
import type { TempHome } from '../support/temp-home.js';
import { waitFor } from '../support/wait-for.js';
import { faultServer, fixture, homeWith } from './kit.js';

const slow = (...words: string[]) => ({ command: process.execPath, args: [fixture('e2e-slow.mjs'), ...words] });
const stubborn = ['ignore-eof', 'ignore-term'];

const signals = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const;

/** A home with the server `slow`, and the wait for one of the events it writes down. */
async function slowHome(...words: string[]) {
  const home = await homeWith({});
  const log = join(home.path, 'log');
  await home.writeConfig({ mcpServers: { slow: slow(`log=${log}`, ...words) } });
  const happened = (event: string) =>
    existsSync(log) &&
    readFileSync(log, 'utf8')
      .split('\n')
      .some((line) => line.startsWith(event));
  return { home, until: (event: string) => waitFor(() => happened(event), { what: `the server's ${event}` }) };
}

describe.each(signals)('%s', (signal, code) => {
  it.each([
    ['while it connects', ['ping', 'slow'], ['delay=600000', ...stubborn], 'start'],
    ['while a call runs', ['call', 'slow/hang'], stubborn, 'call'],
    ['while status waits', ['status'], ['delay=600000', ...stubborn], 'start'],
    ['while it watches', ['status', '--watch'], stubborn, 'ready'],
  ] as const)(`%s: exit ${code} within 3 s, nothing left`, async (_, words, serverWords, event) => {
    const { home, until } = await slowHome(...serverWords);
    await using _home = home;
    await using cli = startCli(words, { home });
    await until(event);
    const before = performance.now();
    cli.kill(signal);
    const result = await cli.exited;
    expect(result).toMatchObject({ code, signal: null });
    expect(performance.now() - before).toBeLessThan(3_000);
    expect(result.stderr).not.toMatch(/^\s+at /m);
    await expectNoLeftovers(home.path, { withinMs: 100 });
  });

  it('while it stops a server that ignores everything: the answer is out, nothing is left, within 3 s', async () => {
    const { home, until } = await slowHome(...stubborn);
    await using _home = home;
    await using cli = startCli(['call', 'slow/quick'], { home });
    await until('term');
    const before = performance.now();
    cli.kill(signal);
    const result = await cli.exited;
    expect(result.stdout).toBe('done\n');
    expect(performance.now() - before).toBeLessThan(3_000);
    expect(result.signal).toBeNull();
    // The command was done and had said so; both its own 0 and the signal's code are true.
    expect([0, code]).toContain(result.code);
    await expectNoLeftovers(home.path, { withinMs: 100 });
  });
});

describe('a second Ctrl-C', () => {
  it('does not wait for a server that ignores TERM, and leaves nothing', async () => {
    const { home, until } = await slowHome(...stubborn);
    await using _home = home;
    await using cli = startCli(['call', 'slow/hang'], { home });
    await until('call');
    cli.kill('SIGINT');
    await until('term'); // from here a single Ctrl-C waits 1 s more
    const before = performance.now();
    cli.kill('SIGINT');
    expect((await cli.exited).code).toBe(130);
    expect(performance.now() - before).toBeLessThan(700);
    await expectNoLeftovers(home.path);
  });
});

describe('kill -9', () => {
  it('leaves none of three wrapper trees that ignore end-of-file and TERM after 1 s', async () => {
    const wrapped = {
      command: process.execPath,
      args: [fixture('wrapper.mjs'), fixture('fault-stdio.mjs')],
      env: { FAULT: 'ignore-eof,ignore-term' },
    };
    const throughShell = {
      command: 'sh',
      args: ['-c', `trap '' TERM HUP; "$0" "$@"; :`, process.execPath, fixture('e2e-slow.mjs'), ...stubborn],
    };
    await using home = await homeWith({ one: wrapped, two: wrapped, three: throughShell });
    await using cli = startCli(['status', '--watch', '--json'], { home });
    await cli.waitForOutput('"counts":{"connected":3}');
    // mcpctl and its watchdog, and of each server the wrapper and the program in it.
    expect(findProcesses(home.path).length).toBeGreaterThanOrEqual(7);
    cli.kill('SIGKILL');
    expect((await cli.exited).signal).toBe('SIGKILL');
    await expectNoLeftovers(home.path, { withinMs: 1_000 });
  });

  it('while 8 servers are starting leaves none of them after 1 s', async () => {
    await using home = await homeWith({});
    const log = join(home.path, 'log');
    const server = slow(`log=${log}`, 'delay=600000', ...stubborn);
    const mcpServers = Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`s${i}`, server]));
    await home.writeConfig({ mcpServers, startConcurrency: 8 });
    await using cli = startCli(['status'], { home });
    await waitFor(() => existsSync(log) && readFileSync(log, 'utf8').match(/start/g)?.length === 8, { timeoutMs: 15_000 });
    cli.kill('SIGKILL');
    await cli.exited;
    await expectNoLeftovers(home.path, { withinMs: 1_000 });
  });
});

describe('a reader that goes away', () => {
  /** Runs `mcpctl <words> | <reader>` in a shell; `code` is that of mcpctl. */
  async function piped(home: TempHome, words: string, reader: string) {
    const script = `{ "$NODE" "$CLI" ${words}; echo $? > "$HOME/code"; } | ${reader}`;
    const shell = spawn('sh', ['-c', script], {
      env: { ...home.env, NODE: process.execPath, CLI: cliPath },
      cwd: home.projectDir,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    shell.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    shell.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    await new Promise((resolve) => shell.once('close', resolve));
    return { stdout, stderr, code: Number(readFileSync(join(home.home, 'code'), 'utf8')) };
  }

  it.each([
    ['tools', 'head -1'],
    ['tools --json', 'head -c 1'],
    ['call fault/big bytes:=5000000', 'head -c 1'],
    ['call fault/big bytes:=5000000 --json', ':'],
    ['status --watch --json', 'head -1'],
  ])('mcpctl %s | %s: no stack trace, no word about it, nothing left', async (words, reader) => {
    await using home = await homeWith({ fault: faultServer(...stubborn) });
    const { stderr, code } = await piped(home, words, reader);
    expect(stderr).toBe('');
    expect([0, 141]).toContain(code);
    await expectNoLeftovers(home.path, { withinMs: 100 });
  });

  // Known fault: every write error of stdout is taken for a reader that went away. Drop `fails` when that is mended.
  it('a full disk behind stdout is told, with an exit code of its own', async () => {
    await using home = await homeWith({ fault: faultServer() });
    const { stderr, code } = await piped(home, 'tools > /dev/full', 'cat');
    expect(code).toBeGreaterThan(0);
    expect(stderr).toMatch(/^error: .*(ENOSPC|no space)/m);
  });
});
