/** Many calls at once on real servers: one that is slow fills its own queue, and the others do not notice. */
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { cancelled } from '../../src/core/errors.js';
import { ProcessGroups } from '../../src/io/process-group.js';
import { Manager } from '../../src/manager/manager.js';
import { ServerMemories } from '../../src/state/server-memory.js';
import { failure, rig, startFixture, textOf } from '../fixtures/http-rig.js';
import { faultServer } from '../fixtures/stdio-rig.js';
import { loadFor } from '../support/load-config.js';
import { tempHome } from '../support/temp-home.js';

const { signal } = new AbortController();
const tool = (name: string) => ({ name, inputSchema: { type: 'object' as const } });

describe('1000 calls in parallel over 5 servers, one of which takes 300 ms for each', () => {
  it('are all answered; the 800 of the quick ones before the slow one has answered half of its own', async () => {
    await using home = await tempHome();
    const server = { command: process.execPath, args: [faultServer] };
    const names = ['a', 'b', 'c', 'd', 'slow'];
    await home.writeConfig({ mcpServers: Object.fromEntries(names.map((name) => [name, server])) });
    const config = await loadFor(home);
    await using groups = new ProcessGroups({ clock: systemClock, runtimeDir: home.runtimeDir, onWarning: () => {} });
    await using manager = new Manager(config, {
      clock: systemClock,
      random: () => 0,
      groups,
      memories: new ServerMemories(config.places.stateDir),
      env: home.env,
      pid: process.pid,
      stop: { stdinMs: 50, termMs: 200 },
      longLived: false,
      clientVersion: '0.0.0-test',
    });
    await manager.connectAll(names, signal);
    let slowAnswers = 0;
    const call = async (name: string, index: number) => {
      if (name === 'slow') {
        await manager.call({ server: name, tool: tool('sleep'), args: { ms: 300 }, signal });
        slowAnswers++;
        return undefined;
      }
      const answer = await manager.call({ server: name, tool: tool('echo'), args: { text: `${name}${index}` }, signal });
      return textOf(answer) === `${name}${index}`;
    };
    const calls = names.map((name) => Array.from({ length: 200 }, (_, index) => call(name, index)));
    const quick = await Promise.all(calls.slice(0, 4).flat());
    expect(quick).toHaveLength(800);
    expect(quick.every(Boolean)).toBe(true);
    expect(slowAnswers).toBeLessThan(100);
    await Promise.all(calls[4]!);
    expect(slowAnswers).toBe(200);
  });
});

describe('a server with 2 places and a queue of 3', () => {
  const limits = { concurrency: { inFlight: 2, queue: 3 } };

  it('has 2 of 10 calls at a time, answers 5 and refuses 5 at once with the time to wait', async () => {
    await using server = await startFixture('http-fault');
    await using it = await rig({ url: server.url, type: 'http', ...limits });
    await it.connect();
    const calls = Array.from({ length: 10 }, () =>
      it.call('sleep', { ms: 50 }).catch((error: { code: string; details: Record<string, unknown> }) => error),
    );
    const outcomes = await Promise.all(calls);
    expect(outcomes.slice(0, 5)).toEqual(Array.from({ length: 5 }, () => 'slept'));
    for (const outcome of outcomes.slice(5))
      expect(outcome).toMatchObject({ code: 'OVERLOADED', delivered: 'no', details: { retryAfterMs: expect.any(Number) } });
    expect(await server.executions('sleep')).toBe(5);
    const spans = (await server.log())
      .filter(({ rpc }) => rpc === 'tools/call')
      .map(({ at, closedAt }) => [at, closedAt!] as const);
    const most = Math.max(...spans.map(([at]) => spans.filter(([from, to]) => from <= at && at < to).length));
    expect(most).toBeLessThanOrEqual(2);
  });

  it('lets a queued call that is cancelled go at once: it never reaches the server, and another one takes its room', async () => {
    await using server = await startFixture('http-fault');
    await using it = await rig({ url: server.url, type: 'http', ...limits });
    await it.connect();
    const stop = new AbortController();
    const first = [1, 2].map(() => it.call('sleep', { ms: 100 }));
    const queued = [1, 2, 3].map(() => failure(it.call('echo', { message: 'never' }, { signal: stop.signal })));
    await new Promise((resolve) => setImmediate(resolve));
    stop.abort(cancelled());
    for (const error of await Promise.all(queued)) expect(error).toMatchObject({ code: 'CANCELLED' });
    expect(await it.call('echo', { message: 'instead' })).toBe('instead');
    expect(await Promise.all(first)).toEqual(['slept', 'slept']);
    expect(await server.executions('echo')).toBe(1);
  });
});
