/** One server at several addresses: real replicas that come, go, die and differ, and callers who do not notice. */
import { describe, expect, it } from 'vitest';
import { count, type Fixture, failure, never, rig, startFixture, textOf } from '../fixtures/http-rig.js';
import { loadFor } from '../support/load-config.js';
import { tempHome } from '../support/temp-home.js';
import { waitFor } from '../support/wait-for.js';

async function replicas(count: number, env: Record<string, string> = {}) {
  const servers = await Promise.all(Array.from({ length: count }, () => startFixture('http-fault', env)));
  return {
    servers,
    endpoints: servers.map(({ url }) => ({ url })),
    executions: (tool: string) => Promise.all(servers.map((server) => server.executions(tool))),
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
    },
  };
}

const sessionsOf = async (server: Fixture) => count(await server.requests(), 'initialize');

describe('a stateless server at 3 addresses', () => {
  it('gets 30 calls in equal parts, and status shows each address', async () => {
    await using group = await replicas(3);
    await using it = await rig({ endpoints: group.endpoints, stateless: true }, { longLived: true });
    await it.connect();
    for (let i = 0; i < 30; i++) expect(await it.call('echo', { message: `${i}` })).toBe(`${i}`);
    expect(await group.executions('echo')).toEqual([10, 10, 10]);
    const status = it.status();
    expect(status).toMatchObject({ status: 'connected', health: 'healthy', target: group.endpoints[0]!.url });
    expect(status.endpoints).toMatchObject(
      group.endpoints.map(({ url }) => ({
        target: url,
        weight: 1,
        status: 'connected',
        healthScore: 1,
        inFlight: 0,
        leftOut: null,
      })),
    );
    expect(status.pool).toEqual({ open: 3, idle: 3, inUse: 0, waiting: 0 });
  });

  it('gives no turn of a call to a list of its tools', async () => {
    await using group = await replicas(2);
    await using it = await rig({ endpoints: group.endpoints, stateless: true, balance: 'round-robin' }, { longLived: true });
    await it.connect();
    for (let i = 0; i < 5; i++) {
      await it.call('echo', { message: 'x' });
      await it.manager.listTools('it', never, { refresh: true });
      await it.call('echo', { message: 'x' });
      await it.manager.listTools('it', never, { refresh: true });
      await it.manager.listTools('it', never, { refresh: true });
    }
    expect(await group.executions('echo')).toEqual([5, 5]);
  });

  it.each(['round-robin', 'least-connections', 'weighted', 'health', 'response-time', 'random', 'priority'])(
    'with balance %s answers 60 calls though one address dies after the 20th',
    async (balance) => {
      await using group = await replicas(3);
      const quick = { timeouts: { connect: '1s' }, retry: { preset: 'quick' } };
      await using it = await rig({ endpoints: group.endpoints, stateless: true, balance, ...quick }, { longLived: true });
      await it.connect();
      const outcomes: string[] = [];
      for (let i = 0; i < 60; i++) {
        if (i === 20) await group.servers[0]!.stop();
        outcomes.push(await it.call('echo', { message: 'x' }).catch(({ code }: { code: string }) => code));
      }
      // A socket that died with its server may have carried a call: nobody repeats that one. All others go elsewhere.
      expect(outcomes.filter((outcome) => outcome === 'x').length).toBeGreaterThanOrEqual(58);
      expect(outcomes.filter((outcome) => outcome !== 'x' && outcome !== 'OUTCOME_UNKNOWN')).toEqual([]);
      const executions = await Promise.all(group.servers.slice(1).map((server) => server.executions('echo')));
      expect(executions[0]! + executions[1]!).toBeGreaterThanOrEqual(38);
      expect(it.status().status).toBe('connected');
    },
    20_000,
  );

  it('that all die is unavailable, and says so', async () => {
    await using group = await replicas(2);
    await using it = await rig({ endpoints: group.endpoints, stateless: true, retry: { strategy: 'none' } }, { longLived: true });
    await it.connect();
    for (const server of group.servers) await server.stop();
    // The first on each of them may meet a socket that has just died.
    for (let i = 0; i < 3; i++) await failure(it.call('echo'));
    expect(await failure(it.call('echo'))).toMatchObject({ code: 'UNAVAILABLE', delivered: 'no' });
    expect(it.status()).toMatchObject({ status: 'error', health: 'unhealthy', lastError: { code: 'UNAVAILABLE' } });
  });

  it('never runs a tool twice when an address dies under its calls', async () => {
    await using group = await replicas(2);
    await using it = await rig({ endpoints: group.endpoints, stateless: true }, { longLived: true });
    await it.connect();
    const calls = Array.from({ length: 40 }, (_, i) =>
      it.call('once', { key: `${i}` }).then(
        () => 'ok',
        ({ code }: { code: string }) => code,
      ),
    );
    await waitFor(async () => (await group.servers[1]!.executions('once')) > 0);
    await group.servers[0]!.stop();
    const outcomes = await Promise.all(calls);
    expect(new Set(outcomes.filter((outcome) => outcome !== 'ok' && outcome !== 'OUTCOME_UNKNOWN'))).toEqual(new Set());
    const ran = await group.servers[1]!.executions();
    for (let i = 0; i < 40; i++) expect(ran[`once:${i}`] ?? 0).toBeLessThanOrEqual(1);
  });

  it('opens up to 3 connections to an address for 12 calls at a time, and closes none of them between', async () => {
    await using server = await startFixture('http-fault');
    await using it = await rig({ url: server.url, stateless: true, pool: { max: 3 } }, { longLived: true });
    await it.connect();
    await Promise.all(Array.from({ length: 12 }, () => it.call('sleep', { ms: 20 })));
    expect(await sessionsOf(server)).toBe(3);
    expect(it.status().pool).toEqual({ open: 3, idle: 3, inUse: 0, waiting: 0 });
    await Promise.all(Array.from({ length: 12 }, () => it.call('sleep', { ms: 20 })));
    expect(await sessionsOf(server)).toBe(3);
  });
});

describe('a tool that may run twice, of a server that is trusted', () => {
  it('answers each of 16 calls though an address dies under them', async () => {
    await using group = await replicas(2);
    const annotations = { readOnlyHint: true };
    for (const server of group.servers) await server.do({ annotations: { sleep: annotations } });
    const options = { stateless: true, trust: { annotations: true }, retry: { preset: 'quick' } };
    await using it = await rig({ endpoints: group.endpoints, ...options }, { longLived: true });
    await it.connect();
    const tool = { name: 'sleep', inputSchema: { type: 'object' as const }, annotations };
    // Fewer than the budget of repeats.
    const calls = Array.from({ length: 16 }, () => it.manager.call({ server: 'it', tool, args: { ms: 30 }, signal: never }));
    await waitFor(async () => (await group.servers[1]!.executions('sleep')) > 0);
    await group.servers[0]!.stop();
    expect((await Promise.all(calls)).map(textOf)).toEqual(Array.from({ length: 16 }, () => 'slept'));
  });
});

describe('an address whose tools differ', () => {
  it('is told of once, gets no calls, and shows why', async () => {
    await using same = await replicas(2);
    await using other = await startFixture('http-sdk');
    const endpoints = [...same.endpoints, { url: other.url }];
    await using it = await rig({ endpoints, stateless: true }, { longLived: true });
    await it.connect();
    await waitFor(() => it.status().endpoints[2]!.leftOut);
    for (let i = 0; i < 12; i++) await it.call('echo', { message: 'x' });
    const [first, second] = await same.executions('echo');
    expect(first! + second!).toBe(12);
    expect(it.status()).toMatchObject({
      health: 'degraded',
      endpoints: [{ leftOut: null }, { leftOut: null }, { leftOut: /tool/ }],
    });
    const told = it.events.filter((event) => event.type === 'warning');
    expect(told).toMatchObject([{ server: 'it', message: expect.stringContaining(`${other.url} of "it" gets no calls: `) }]);
  });
});

describe('a server that keeps state at 2 addresses', () => {
  it('has its session at the first, and moves to the second when that is gone', async () => {
    await using group = await replicas(2);
    await using it = await rig({ endpoints: group.endpoints, retry: { preset: 'quick' } }, { longLived: true });
    for (let i = 0; i < 6; i++) await it.call('echo', { message: 'x' });
    expect(await group.executions('echo')).toEqual([6, 0]);
    await group.servers[0]!.stop();
    // The first may be on a socket that has just died: nobody repeats that one.
    const first = await it.call('echo', { message: 'x' }).catch(({ code }: { code: string }) => code);
    expect(['x', 'OUTCOME_UNKNOWN']).toContain(first);
    for (let i = 0; i < 6; i++) expect(await it.call('echo', { message: 'x' })).toBe('x');
    expect(await group.servers[1]!.executions('echo')).toBeGreaterThanOrEqual(6);
  });
});

describe('while it runs', () => {
  it('an address that is added to the file gets calls, one that is taken out gets no more, and the others keep their connections', async () => {
    await using group = await replicas(3);
    await using home = await tempHome();
    const { endpoints } = group;
    const define = (some: object[]) => ({ mcpServers: { it: { endpoints: some, stateless: true } } });
    await using it = await rig({ endpoints: endpoints.slice(0, 2), stateless: true }, { longLived: true, home });
    await it.connect();
    for (let i = 0; i < 4; i++) await it.call('echo');
    await home.writeConfig(define(endpoints));
    expect(await it.manager.reconfigure(await loadFor(home))).toMatchObject({ changed: ['it'] });
    await waitFor(() => it.status().endpoints[2]?.status === 'connected');
    for (let i = 0; i < 6; i++) await it.call('echo');
    expect(await group.executions('echo')).toEqual([4, 4, 2]);
    await home.writeConfig(define([endpoints[0]!, endpoints[2]!]));
    await it.manager.reconfigure(await loadFor(home));
    for (let i = 0; i < 6; i++) await it.call('echo');
    expect(await group.executions('echo')).toEqual([7, 4, 5]);
    expect(await Promise.all(group.servers.map(sessionsOf))).toEqual([1, 1, 1]);
    expect(it.status().endpoints.map(({ target }) => target)).toEqual([endpoints[0]!.url, endpoints[2]!.url]);
  });
});

describe('a server with one address that gets a second one while it runs', () => {
  it('is made anew, and spread over both', async () => {
    await using group = await replicas(2);
    await using home = await tempHome();
    const [first, second] = group.endpoints;
    await using it = await rig({ ...first, stateless: true }, { longLived: true, home });
    await it.connect();
    await home.writeConfig({ mcpServers: { it: { endpoints: [first, second], stateless: true } } });
    await it.manager.reconfigure(await loadFor(home));
    await it.manager.connectAll(['it'], never);
    await waitFor(
      () => it.status().endpoints.length === 2 && it.status().endpoints.every(({ status }) => status === 'connected'),
    );
    for (let i = 0; i < 4; i++) await it.call('echo');
    expect(await group.executions('echo')).toEqual([2, 2]);
  });
});

describe('2 addresses that differ in a secret only', () => {
  it('are 2 endpoints, and the secret is shown of neither', async () => {
    await using server = await startFixture('http-fault');
    const endpoints = ['one-secret', 'other-secret'].map((secret) => ({ url: `${server.url}?api_key=${secret}` }));
    await using it = await rig({ endpoints, stateless: true }, { longLived: true });
    await it.connect();
    for (let i = 0; i < 4; i++) await it.call('echo');
    expect(await sessionsOf(server)).toBe(2);
    expect(JSON.stringify(it.status())).not.toMatch(/(one|other)-secret/);
  });
});

describe('a single command', () => {
  it('connects to one address only, and to the next where that is down', async () => {
    await using group = await replicas(2);
    await using one = await rig({ endpoints: group.endpoints, stateless: true });
    expect(await one.call('echo', { message: 'x' })).toBe('x');
    expect(await Promise.all(group.servers.map(sessionsOf))).toEqual([1, 0]);
    await group.servers[0]!.stop();
    await using two = await rig({ endpoints: group.endpoints, stateless: true });
    expect(await two.call('echo', { message: 'x' })).toBe('x');
    expect(await sessionsOf(group.servers[1]!)).toBe(1);
  });
});
