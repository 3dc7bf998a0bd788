/** F31, F32, F33: the network between us and a server over HTTP breaks, goes silent, or closes kept connections as they are used. */
import { describe, expect, it } from 'vitest';
import { count, type Fixture, failure, logged, never, rig, startFixture } from '../fixtures/http-rig.js';
import { startToxicProxy } from '../support/toxic-proxy.js';
import { waitFor } from '../support/wait-for.js';

/** The same server behind a proxy that a test can spoil. */
async function behindProxy(server: Fixture) {
  const { port, pathname } = new URL(server.url);
  const proxy = await startToxicProxy(Number(port));
  return { proxy, url: `${proxy.url}${pathname}`, [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose]() };
}

describe('F31: a connection that is reset', () => {
  it.each([
    ['http-fault', 'http', 'sleep'],
    ['http-sse', 'sse', 'hang'],
  ] as const)(
    'before the answer of %s fails its call at once as perhaps delivered, sends it once, and the next call works',
    async (name, type, tool) => {
      await using server = await startFixture(name);
      await using way = await behindProxy(server);
      await using it = await rig({ url: way.url, type }, { longLived: true });
      await it.call('echo', { message: 'warm' });
      // Far below the 60 s after which the call would end by itself.
      const waiting = failure(it.call(tool, { ms: 30_000 }));
      await logged(server, (entry) => entry.tool === tool, 'the call');
      way.proxy.reset();
      expect(await waiting).toMatchObject({ code: 'OUTCOME_UNKNOWN', server: 'it', delivered: 'maybe' });
      expect(await it.call('echo', { message: 'next' })).toBe('next');
      expect((await server.log()).filter((entry) => entry.tool === tool)).toHaveLength(1);
    },
    10_000,
  );

  it('in the middle of an event stream with progress does the same', async () => {
    await using server = await startFixture('http-sdk', { ERA: 'modern', ANSWERS: 'sse' });
    await using way = await behindProxy(server);
    await using it = await rig({ url: way.url });
    const waiting = failure(it.call('drip', { everyMs: 20, times: 1_000 }));
    await waitFor(() => it.events.some(({ type }) => type === 'call-progress'), { what: 'the first progress' });
    way.proxy.reset();
    expect(await waiting).toMatchObject({ code: 'OUTCOME_UNKNOWN', server: 'it', delivered: 'maybe' });
    expect(await it.call('echo', { message: 'next' })).toBe('next');
    expect(await server.executions('drip')).toBe(1);
  }, 10_000);

  it('in the middle of a JSON answer that was cut after 100 bytes does the same', async () => {
    await using server = await startFixture('http-fault');
    await using way = await behindProxy(server);
    await using it = await rig({ url: way.url, type: 'http' });
    await it.call('echo', { message: 'warm' });
    way.proxy.downstream.limitBytes = 600;
    expect(await failure(it.call('big', { bytes: 100_000 }))).toMatchObject({ code: 'OUTCOME_UNKNOWN', delivered: 'maybe' });
    way.proxy.clear();
    expect(await it.call('echo', { message: 'next' })).toBe('next');
    expect(await server.executions('big')).toBe(1);
  });
});

describe('F32: a peer that vanishes without a word', () => {
  it('ends a call in flight at its deadline as TIMEOUT; the next call takes a new connection', async () => {
    await using server = await startFixture('http-fault');
    await using way = await behindProxy(server);
    await using it = await rig({ url: way.url, type: 'http' }, { longLived: true });
    await it.call('echo', { message: 'warm' });
    const waiting = failure(it.call('sleep', { ms: 50 }, { timeoutMs: 500 }));
    await logged(server, ({ tool }) => tool === 'sleep', 'the call');
    way.proxy.vanish();
    expect(await waiting).toMatchObject({ code: 'TIMEOUT', server: 'it', delivered: 'maybe' });
    expect(await it.call('echo', { message: 'next' })).toBe('next');
    expect(await server.executions('sleep')).toBe(1);
  });

  it('while 6 connections are kept costs one call its deadline, and none of the 6 is used again', async () => {
    await using server = await startFixture('http-fault');
    await using way = await behindProxy(server);
    await using it = await rig({ url: way.url, type: 'http' });
    await Promise.all(Array.from({ length: 6 }, () => it.call('sleep', { ms: 100 })));
    way.proxy.vanish();
    const before = way.proxy.connections;
    expect(await failure(it.call('echo', { message: 'lost' }, { timeoutMs: 300 }))).toMatchObject({ code: 'TIMEOUT' });
    for (let i = 0; i < 6; i++) expect(await it.call('echo', { message: `${i}` }, { timeoutMs: 5_000 })).toBe(`${i}`);
    // One for the calls, one for the word that the first was given up.
    expect(way.proxy.connections).toBeLessThanOrEqual(before + 2);
  });
});

describe('F33: a server that closes kept connections after 20 ms, at the moment they are used again', () => {
  it('costs no list and no ping of 3 000, and no call of 7 000 runs twice', async () => {
    await using server = await startFixture('http-fault', { IDLE_CLOSE_MS: '20' });
    // What is lost on the way is to be counted, not kept away.
    const circuitBreaker = { maxFailures: 1_000_000, failureRateThreshold: 100 };
    await using it = await rig({ url: server.url, type: 'http', circuitBreaker }, { longLived: true });
    await it.call('echo', { message: 'warm' });
    const answered = new Set<string>();
    const failed = new Set<string>();
    const call = async (key: string) => {
      try {
        await it.call('once', { key });
        answered.add(key);
      } catch (error) {
        expect(error).toMatchObject({ code: expect.stringMatching(/UNAVAILABLE|OUTCOME_UNKNOWN/), delivered: 'maybe' });
        failed.add(key);
      }
    };
    for (let round = 0; round < 500; round++) {
      await Promise.all([
        it.manager.listTools('it', never, { refresh: true }),
        ...Array.from({ length: 5 }, () => it.manager.ping('it', never)),
        ...Array.from({ length: 14 }, (_, i) => call(`${round}-${i}`)),
      ]);
      // Around the moment at which the server closes.
      await new Promise((resolve) => setTimeout(resolve, 17 + (round % 7)));
    }
    const runs = await server.executions();
    expect(answered.size + failed.size).toBe(7000);
    expect(Object.entries(runs).filter(([key, times]) => key.startsWith('once:') && times > 1)).toEqual([]);
    for (const key of answered) expect(runs[`once:${key}`]).toBe(1);
    // Most calls get through: only those that meet the very moment do not.
    expect(answered.size).toBeGreaterThan(3500);
    expect(count(await server.requests(), 'initialize')).toBe(1);
  }, 120_000);
});
