/** The helpers that watch over other tests notice what they are there to notice. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { needs } from '../support/needs.js';
import { expectNoLeftovers, findProcesses } from '../support/no-leftovers.js';
import { tempHome } from '../support/temp-home.js';
import { waitFor } from '../support/wait-for.js';

const sleeper = ['-e', 'setTimeout(() => {}, 60_000)'];

describe.skipIf(process.platform !== 'linux')('leftovers', () => {
  it('finds a process by the HOME it inherited, kills it and names its pid', async () => {
    await using home = await tempHome();
    const child = spawn(process.execPath, sleeper, { env: { HOME: home.home }, stdio: 'ignore', detached: true });
    await waitFor(() => findProcesses(home.path).some(({ pid }) => pid === child.pid));
    await expect(expectNoLeftovers(home.path, { withinMs: 50 })).rejects.toThrow(
      new RegExp(`Processes left 50 ms after their test: 1\\n  ${child.pid} `),
    );
    await expectNoLeftovers(home.path);
    expect(child.signalCode ?? (await new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal))))).toBe(
      'SIGKILL',
    );
  });

  it('finds a process by its working directory when its environment is empty', async () => {
    await using home = await tempHome();
    const child = spawn(process.execPath, sleeper, { env: {}, cwd: home.projectDir, stdio: 'ignore' });
    await waitFor(() => findProcesses(home.path).some(({ pid }) => pid === child.pid));
    child.kill('SIGKILL');
  });

  it('waits for a process that takes 200 ms to end', async () => {
    await using home = await tempHome();
    spawn(process.execPath, ['-e', 'setTimeout(() => {}, 200)'], { env: { HOME: home.home }, stdio: 'ignore' });
    await expectNoLeftovers(home.path, { withinMs: 5_000 });
  });

  it('fails the end of a temp home that still has a process, and removes the folder all the same', async () => {
    const home = await tempHome();
    spawn(process.execPath, sleeper, { env: { HOME: home.home }, stdio: 'ignore' });
    await waitFor(() => findProcesses(home.path).length === 1);
    await expect(home[Symbol.asyncDispose]()).rejects.toThrow('Processes left 1000 ms after their test: 1');
    expect(existsSync(home.path)).toBe(false);
  });
});

describe('tempHome', () => {
  it("carries none of the developer's variables and keeps socket paths under 108 bytes", async () => {
    await using home = await tempHome({ EXTRA: '1' });
    expect(Object.keys(home.env)).not.toContain('NODE_EXTRA_CA_CERTS');
    expect(home.env.HOME).toBe(home.home);
    expect(home.env.EXTRA).toBe('1');
    // A socket path ends at 107 bytes: this leaves 60 for the names mcpctl appends.
    expect(home.runtimeDir.length).toBeLessThan(47);
    await home.writeConfig({ mcpServers: {} });
    expect(existsSync(`${home.configDir}/config.json`)).toBe(true);
  });
});

describe('waitFor', () => {
  it('returns the first value and, after 30 ms in vain, throws with the last error as cause', async () => {
    let looks = 0;
    expect(await waitFor(() => (++looks === 3 ? 'seen' : undefined), { intervalMs: 1 })).toBe('seen');
    const failure = await waitFor(
      () => {
        throw new Error('not yet');
      },
      { timeoutMs: 30, what: 'godot' },
    ).catch((error: unknown) => error);
    expect(failure).toMatchObject({ message: 'Waited 30 ms in vain for godot', cause: { message: 'not yet' } });
  });
});

describe('needs', () => {
  it('runs what has its components and skips, with the name, what has not', () => {
    const path = process.env.PATH;
    expect(needs()).toEqual({ skip: false, meta: { missing: [] } });
    process.env.PATH = '/nonexistent';
    try {
      expect(needs('openssl')).toEqual({ skip: true, meta: { missing: ['openssl'] } });
    } finally {
      process.env.PATH = path;
    }
  });
});
