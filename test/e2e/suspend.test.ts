/** F51: a manager that is suspended (SIGSTOP, as a closed lid does) and goes on later: what was answered meanwhile counts, what was lost is found. */
import { describe, expect, it } from 'vitest';
import { count, startFixture } from '../fixtures/http-rig.js';
import { startCli } from '../support/run-cli.js';
import { waitFor } from '../support/wait-for.js';
import { documentOf, faultServer, homeWith } from './kit.js';
import { callArrived, managerIn } from './managed.js';

interface Statuses {
  readonly servers: readonly { name: string; status: string; pid: number | null; generation: number; health: string }[];
  readonly counts: Record<string, number>;
}

describe('a manager with 10 servers over stdio and 10 over HTTP', () => {
  it('that is stopped for 4 s, twice its limits, while 3 processes die and all sessions are lost, has all 20 again, each started once', {
    timeout: 60_000,
  }, async () => {
    // Longer than the pause between health checks, shorter than the stop: kept connections are closed while nobody looks.
    await using web = await startFixture('http-fault', { IDLE_CLOSE_MS: '2500' });
    const ten = Array.from({ length: 10 }, (_, i) => i);
    await using home = await homeWith(
      {
        ...Object.fromEntries(ten.map((i) => [`s${i}`, faultServer()])),
        ...Object.fromEntries(ten.map((i) => [`w${i}`, { url: web.url, type: 'http' }])),
      },
      { defaults: { timeouts: { call: '2s' }, health: { interval: '1s', timeout: '2s' } } },
    );
    await using it = await managerIn(home);
    const statuses = async () => documentOf(await it.run('status --json')) as Statuses;
    const before = await statuses();
    expect(before.counts).toEqual({ connected: 20 });

    await using waiting = startCli(['call', 's0/sleep', 'ms:=1000', 'said=arrived', '-q'], { home });
    await callArrived(home, 'arrived');
    process.kill(it.up.pid, 'SIGSTOP');
    for (const { name, pid } of before.servers) if (/^s[123]$/.test(name)) process.kill(pid!, 'SIGKILL');
    await web.do({ forget: true });
    // Nothing tells that this much time has passed for a process that stands still.
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    process.kill(it.up.pid, 'SIGCONT');

    // The answer came while nobody looked, and counts although the limit of 2 s has passed.
    const { code, stdout, stderr } = await waiting.exited;
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'ok\n', stderr: '' });
    const answers = await Promise.all(
      ten.flatMap((i) => [
        it.run(`call s${i}/echo text=${i} -q --timeout 20s`),
        it.run(`call w${i}/echo message=${i} -q --timeout 20s`),
      ]),
    );
    expect(answers.map(({ code, stderr }) => `${code}${stderr}`)).toEqual(answers.map(() => '0'));
    await waitFor(async () => (await statuses()).servers.every(({ health }) => health === 'healthy'), { timeoutMs: 20_000 });

    const after = await statuses();
    expect(after.counts).toEqual({ connected: 20 });
    for (const [i, { name, pid, generation }] of after.servers.entries()) {
      if (!name.startsWith('s')) continue;
      const was = before.servers[i]!;
      const isNew = /^s[123]$/.test(name);
      expect(`${name} ${generation}`).toBe(`${name} ${was.generation + (isNew ? 1 : 0)}`);
      expect(pid === was.pid).toBe(!isNew);
    }
    // One session before and one after, each.
    expect(count(await web.requests(), 'initialize')).toBe(20);
    expect((await it.run('down')).code).toBe(0);
  });
});
