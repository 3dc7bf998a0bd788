/** F50: a bug that nobody caught. It is told without secrets, the exit code is 1, and no server is left, whichever way in was taken. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expectNoLeftovers, findProcesses } from '../support/no-leftovers.js';
import { startCli } from '../support/run-cli.js';
import type { TempHome } from '../support/temp-home.js';
import { startTerminal } from '../support/terminal.js';
import { waitFor } from '../support/wait-for.js';
import { errorOf, esc, fixture, homeWith } from './kit.js';
import { isAlive, managerIn } from './managed.js';

const secret = 'cnry-S3cr3t-of-a-bug';

/** What a plugin or a library would do wrong; the text is that of a hostile server: a secret and an escape sequence. */
const bugs = {
  uncaughtException: 'throw new Error(text)',
  unhandledRejection: 'void Promise.reject(new Error(text))',
} as const;
const kinds = Object.keys(bugs) as (keyof typeof bugs)[];

/** A home with two servers, in which SIGUSR2 makes the bug happen. Each server is a tree that outlives end-of-file and TERM. */
async function homeWithBug(kind: keyof typeof bugs) {
  const home = await homeWith({});
  const log = join(home.path, 'log');
  const stubborn = {
    command: process.execPath,
    args: [fixture('wrapper.mjs'), fixture('e2e-slow.mjs'), `log=${log}`, 'ignore-eof', 'ignore-term'],
    env: { API_TOKEN: secret, FAULT: 'ignore-term' },
  };
  await home.writeConfig({ mcpServers: { one: stubborn, two: stubborn } });
  const text = JSON.stringify(`a bug of a library, with ${secret} and ${esc}[31m`);
  const file = await home.write('bug.cjs', `process.once('SIGUSR2', () => { const text = ${text}; ${bugs[kind]}; });\n`);
  const callArrived = () => waitFor(() => existsSync(log) && /^call /m.test(readFileSync(log, 'utf8')), { timeoutMs: 10_000 });
  return { home, env: { NODE_OPTIONS: `--require=${file}` }, callArrived };
}

/** The processes of the servers: two each. */
const serversIn = (home: TempHome) => findProcesses(home.path).filter(({ command }) => command.includes('e2e-slow'));

function expectToldSafely(text: string): void {
  expect(text).toContain('error: internal error, please report it');
  expect(text).toContain('a bug of a library, with [redacted] and ');
  expect(text).not.toContain(secret);
}

describe.each(kinds)('an %s', (kind) => {
  it('during a call: told, exit code 1, and of a tree that ignores end-of-file and TERM nothing is left', async () => {
    const { home, env, callArrived } = await homeWithBug(kind);
    await using _ = home;
    await using cli = startCli(['call', 'one/hang'], { home, env });
    await callArrived();
    expect(serversIn(home)).toHaveLength(2);
    cli.kill('SIGUSR2');
    const { code, signal, stdout, stderr } = await cli.exited;
    expect({ code, signal, stdout }).toEqual({ code: 1, signal: null, stdout: '' });
    expectToldSafely(stderr);
    expect(stderr).not.toContain(esc);
    await expectNoLeftovers(home.path, { withinMs: 300 });
  });

  it('in a session: told on the terminal, exit code 1, nothing left', async () => {
    const { home, env } = await homeWithBug(kind);
    await using _ = home;
    await using terminal = startTerminal([], { home, env });
    await terminal.waitFor('one connected');
    await terminal.waitFor('two connected');
    expect(serversIn(home)).toHaveLength(4);
    process.kill(terminal.pid, 'SIGUSR2');
    expect(await terminal.exited).toEqual({ code: 1, signal: undefined });
    expectToldSafely(terminal.text);
    expect(terminal.raw).not.toContain(`${esc}[31m`);
    await expectNoLeftovers(home.path, { withinMs: 300 });
  });

  it('in a manager: its log has it, who waited gets exit code 4, nothing is left, and the next up works', {
    timeout: 30_000,
  }, async () => {
    const { home, env, callArrived } = await homeWithBug(kind);
    await using it = await managerIn(home, [], { env });
    await using waiting = startCli(['call', 'one/hang', '--json', '-q'], { home });
    await callArrived();
    process.kill(it.up.pid, 'SIGUSR2');
    const result = await waiting.exited;
    expect(result.code).toBe(4);
    expect(errorOf(result)).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('may have been carried out') });
    await waitFor(() => !isAlive(it.up.pid));
    await expectNoLeftovers(home.path, { withinMs: 300 });
    expectToldSafely(readFileSync(it.up.log, 'utf8'));
    expect((await it.run('call one/quick')).stdout).toBe('done\n');
    expect((await it.run('up')).code).toBe(0);
    expect((await it.run('down')).code).toBe(0);
  });
});
