/** A hundred servers at once: all of them work and end, broken ones delay nobody, and no more start at a time than configured. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expectNoLeftovers, findProcesses } from '../support/no-leftovers.js';
import { runCli, startCli } from '../support/run-cli.js';
import { documentOf, faultServer, fixture, homeWith } from './kit.js';

const minutes = 60_000;

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
const all = <T>(list: readonly string[], server: T) => Object.fromEntries(list.map((name) => [name, server]));

interface Statuses {
  readonly servers: { name: string; status: string; since: string }[];
  readonly counts: Record<string, number>;
}

/** Milliseconds from the start of the program to the last connected of the `count` servers whose names begin with `ok`. */
async function lastConnectedMs(servers: Record<string, unknown>, count: number, timeout: string): Promise<number> {
  await using home = await homeWith(servers, { startConcurrency: 4 });
  const startedAt = Date.now();
  const result = await runCli(['status', '--json', '--timeout', timeout], { home, timeoutMs: 1 * minutes });
  const { servers: found } = documentOf(result) as Statuses;
  const connected = found.filter(({ name, status }) => name.startsWith('ok') && status === 'connected');
  expect(connected).toHaveLength(count);
  for (const { name, status } of found) if (!name.startsWith('ok')) expect(['error', 'connecting']).toContain(status);
  return Math.max(...connected.map(({ since }) => Date.parse(since))) - startedAt;
}

describe('many servers', () => {
  it('100 stdio servers start, answer one call each from a process of their own, and stop; none is left', {
    timeout: 3 * minutes,
  }, async () => {
    const servers = names('s', 100);
    await using home = await homeWith(all(servers, faultServer()));
    // Quiet: on a busy machine the wait is long enough for a line about it.
    await using cli = startCli(['--quiet'], { home });
    cli.write('status --timeout 2m\n');
    await cli.waitForOutput(/^100 connected$/m, { timeoutMs: 2 * minutes });
    expect(findProcesses(home.path).filter(({ command }) => command.includes('fault-stdio')).length).toBe(100);
    const before = cli.stdout.length;
    cli.end(servers.map((name) => `call ${name}/pid\n`).join(''));
    const { stdout, stderr, code } = await cli.exited;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const pids = stdout.slice(before).trim().split('\n');
    expect(pids).toHaveLength(100);
    expect(new Set(pids).size).toBe(100);
    await expectNoLeftovers(home.path, { withinMs: 100 });
  });

  it('with room for 64 open files, some of 20 servers work and the others are refused with the numbers; none is left', async () => {
    await using home = await homeWith(all(names('s', 20), faultServer()));
    const result = await runCli(['status', '--json'], { home, openFiles: 64 });
    const { servers } = documentOf(result) as {
      servers: { status: string; lastError: { message: string; hint: string } | null }[];
    };
    const refused = servers.filter(({ status }) => status === 'error');
    expect(servers.filter(({ status }) => status === 'connected').length).toBeGreaterThan(2);
    expect(refused.length).toBeGreaterThan(2);
    for (const { lastError } of refused) {
      expect(lastError?.message).toMatch(/was not started: \d+ of 64 files are open already, with \d+ servers running$/);
      expect(lastError?.hint).toBe('raise the limit (ulimit -n 256), or disable some servers');
    }
    await expectNoLeftovers(home.path, { withinMs: 100 });
  });

  it('10 broken servers among 30 delay none of the others: the last is connected as soon as without them', {
    timeout: 2 * minutes,
  }, async () => {
    const healthy = all(names('ok', 30), faultServer());
    const broken = {
      ...all(names('missing', 4), { command: 'no-such-program' }),
      ...all(names('refused', 3), { url: 'http://127.0.0.1:9/mcp' }),
      ...all(names('exits', 3), faultServer('exit-at-start')),
    };
    const without = await lastConnectedMs(healthy, 30, '60s');
    const among = await lastConnectedMs({ ...broken, ...healthy }, 30, '60s');
    // Three more programs have to be started, twice each; the rest is for the noise of a busy machine.
    expect(among / without).toBeLessThan(2);
  });

  it('4 silent servers, as many as may start at a time, do not keep 8 others waiting for their time limit', {
    timeout: 1 * minutes,
  }, async () => {
    const silent = all(names('silent', 4), { ...faultServer('silent'), timeouts: { connect: '5m', initialize: '5m' } });
    expect(await lastConnectedMs({ ...silent, ...all(names('ok', 8), faultServer()) }, 8, '8s')).toBeLessThan(8_000);
  });

  it.each([1, 3])(
    'with "startConcurrency": %i at most so many are starting at a time, and so many do',
    { timeout: 1 * minutes },
    async (limit) => {
      await using home = await homeWith({});
      const log = join(home.path, 'log');
      const server = { command: process.execPath, args: [fixture('e2e-slow.mjs'), `log=${log}`, 'delay=150'] };
      await home.writeConfig({ mcpServers: all(names('s', 9), server), startConcurrency: limit });
      const { stdout, code } = await runCli(['status', '--timeout', '50s'], { home, timeoutMs: 1 * minutes });
      expect(code).toBe(0);
      expect(stdout).toMatch(/^9 connected$/m);
      let starting = 0;
      let most = 0;
      // Each line was appended whole and in order of time.
      for (const line of readFileSync(log, 'utf8').trim().split('\n')) {
        if (line.startsWith('start ')) most = Math.max(most, ++starting);
        else if (line.startsWith('ready ')) starting--;
      }
      expect(most).toBe(limit);
    },
  );
});
