/** The helpers that start the program: input, output, exit, signals, the terminal; seen on a small program in its place. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { tempHome } from '../support/temp-home.js';

const program = `
const [command, value] = process.argv.slice(2);
if (command === 'cat') process.stdin.pipe(process.stdout);
else if (command === 'env') console.log(JSON.stringify({ ...process.env, cwd: process.cwd() }));
else if (command === 'exit') { console.error('bye'); process.exitCode = Number(value); }
else if (command === 'tty') { console.log(process.stdout.isTTY, process.stdout.columns); process.stdin.on('data', (d) => console.log('got', String(d).trim())); }
else { process.on('SIGINT', () => console.log('interrupted')); console.log('ready'); setInterval(() => {}, 1000); }
`;

let folder: string;
let cli: typeof import('../support/run-cli.js');
let terminal: typeof import('../support/terminal.js');

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mcpctl-'));
  await writeFile(join(folder, 'program.mjs'), program);
  vi.stubEnv('MCPCTL_TEST_BIN', join(folder, 'program.mjs'));
  vi.stubEnv('MCPCTL_TEST_BUILD_ERROR', undefined);
  vi.resetModules();
  cli = await import('../support/run-cli.js');
  terminal = await import('../support/terminal.js');
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

describe('runCli', () => {
  it('hands over the input and returns stdout, stderr and exit code 3', async () => {
    await using home = await tempHome();
    expect(await cli.runCli(['cat'], { home, input: 'grüße\n' })).toMatchObject({ stdout: 'grüße\n', code: 0, signal: null });
    expect(await cli.runCli(['exit', '3'], { home })).toMatchObject({ stdout: '', stderr: 'bye\n', code: 3 });
  });

  it('runs in the empty project folder with the environment of the home, changed as asked', async () => {
    await using home = await tempHome();
    const { stdout } = await cli.runCli(['env'], { home, env: { EXTRA: '1', BROWSER: undefined } });
    const { BROWSER: _, ...env } = home.env;
    expect(JSON.parse(stdout)).toEqual({ ...env, EXTRA: '1', cwd: home.projectDir });
  });

  it('kills what runs over 300 ms and shows what it had printed', async () => {
    await using home = await tempHome();
    await expect(cli.runCli(['run'], { home, timeoutMs: 300 })).rejects.toThrow(
      /mcpctl run did not end within 300 ms\nstdout: (ready)?/,
    );
  });

  it('refuses to test an old dist/ when the build failed', async () => {
    await using home = await tempHome();
    vi.stubEnv('MCPCTL_TEST_BUILD_ERROR', 'src/x.ts:1:1: no');
    try {
      await expect(cli.runCli(['cat'], { home })).rejects.toThrow('src/x.ts:1:1: no');
    } finally {
      vi.stubEnv('MCPCTL_TEST_BUILD_ERROR', undefined);
    }
  });
});

describe('startCli', () => {
  it('waits for output, sends SIGINT, and ends the program when disposed of', async () => {
    await using home = await tempHome();
    const running = cli.startCli(['run'], { home });
    await running.waitForOutput('ready');
    running.kill('SIGINT');
    expect(await running.waitForOutput(/interrupted$/m)).toBe('ready\ninterrupted\n');
    await running[Symbol.asyncDispose]();
    await running[Symbol.asyncDispose]();
    expect(await running.exited).toMatchObject({ code: null, signal: 'SIGTERM' });
  });

  it('fails at once, not after 10 s, when the program ends without the expected output', async () => {
    await using home = await tempHome();
    await using running = cli.startCli(['exit', '1'], { home });
    await expect(running.waitForOutput('never')).rejects.toThrow(/ended without never on stdout[\s\S]*stderr: bye/);
  });
});

describe('startTerminal', () => {
  it('is a terminal of 100 columns that one can type into, and Ctrl-D ends it', async () => {
    await using home = await tempHome();
    await using tty = terminal.startTerminal(['tty'], { home });
    await tty.waitFor('true 100');
    tty.type(`hello${terminal.keys.enter}`);
    await tty.waitFor('got hello');
    tty.type(terminal.keys.ctrlD);
    expect(await tty.exited).toEqual({ code: 0, signal: undefined });
  });

  it('ends with its terminal when disposed of', async () => {
    await using home = await tempHome();
    const tty = terminal.startTerminal(['run'], { home });
    await tty.waitFor('ready');
    await tty[Symbol.asyncDispose]();
    expect(await tty.exited).toMatchObject({ signal: 1 });
  });
});
