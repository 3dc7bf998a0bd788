/** The circuit breaker between real servers and real files: what reaches the server, what several processes write down. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ServerMemories, type ServerMemory } from '../../src/state/server-memory.js';
import { tellOnce } from '../../src/state/write-failures.js';
import { count, failure, never, rig, startFixture } from '../fixtures/http-rig.js';
import { FakeClock } from '../support/fake-clock.js';
import { noLeftovers } from '../support/no-leftovers.js';
import { tempHome } from '../support/temp-home.js';
import { waitFor } from '../support/wait-for.js';

/** Each call is one try. */
const once = { type: 'http', retry: { strategy: 'none' } };

noLeftovers();

describe('a server over HTTP', () => {
  it.each([
    ['HTTP 500', 'status', { code: 500 }, 'OUTCOME_UNKNOWN'],
    ['HTTP 502 with HTML', 'status', { code: 502, text: '<html>', type: 'text/html' }, 'OUTCOME_UNKNOWN'],
    ['HTTP 504', 'status', { code: 504 }, 'OUTCOME_UNKNOWN'],
    ['a page of HTML', 'html', {}, 'PROTOCOL'],
    ['an empty answer', 'empty', {}, 'PROTOCOL'],
  ])('that answers calls with %s gets 5 of 20 calls, and the others end as CIRCUIT_OPEN', async (_, tool, args, code) => {
    await using server = await startFixture('http-fault');
    await using it = await rig({ url: server.url, ...once });
    const codes: string[] = [];
    for (let i = 0; i < 20; i++) codes.push((await failure(it.call(tool, args))).code);
    expect(codes).toEqual([...Array(5).fill(code), ...Array(15).fill('CIRCUIT_OPEN')]);
    expect(count(await server.requests(), 'tools/call')).toBe(5);
    expect(it.status()).toMatchObject({ status: 'connected', health: 'unhealthy', breaker: { state: 'open', rejected: 15 } });
  });

  it('that refuses 20 calls, or whose tool answers 429, gets them all', async () => {
    await using server = await startFixture('http-fault');
    await using it = await rig({ url: server.url, ...once });
    for (let i = 0; i < 20; i++) expect((await failure(it.call('refuse'))).code).toBe('REQUEST_REFUSED');
    for (let i = 0; i < 6; i++) expect((await failure(it.call('status', { code: 429 }))).code).toBe('UNAVAILABLE');
    expect(count(await server.requests(), 'tools/call')).toBe(26);
    expect(it.status().breaker.state).toBe('closed');
  });

  it('gets exactly 3 of 20 calls that come together when it is half-open, and all of them after 2 that worked', async () => {
    await using server = await startFixture('http-fault');
    await using it = await rig({ url: server.url, ...once, circuitBreaker: { timeout: '50ms' } }, { longLived: true });
    await it.connect();
    for (let i = 0; i < 5; i++) await failure(it.call('status', { code: 500 }));
    // Its end is told, though nobody calls.
    await waitFor(() => it.events.some((event) => event.type === 'breaker-changed' && event.to === 'half-open'));
    const before = count(await server.requests(), 'tools/call');
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => it.call('sleep', { ms: 300 })));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    expect(count(await server.requests(), 'tools/call') - before).toBe(3);
    expect(it.status().breaker.state).toBe('closed');
    await Promise.all(Array.from({ length: 20 }, () => it.call('echo')));
    expect(count(await server.requests(), 'tools/call') - before).toBe(23);
  });

  it('that died gets no connection while the breaker is open, one for a person who insists, and works when it is back', async () => {
    const server = await startFixture('http-fault');
    const { port } = new URL(server.url);
    await using it = await rig({ url: server.url, ...once });
    await server.stop();
    for (let i = 0; i < 5; i++) expect((await failure(it.call('echo'))).code).toBe('UNAVAILABLE');
    await using again = await startFixture('http-fault', { PORT: port });
    for (let i = 0; i < 5; i++) expect((await failure(it.call('echo'))).code).toBe('CIRCUIT_OPEN');
    expect(await again.requests()).toEqual([]);
    await it.manager.reconnect('it', never);
    expect(await it.call('echo', { message: 'back' })).toBe('back');
    expect(it.status()).toMatchObject({ health: 'healthy', breaker: { state: 'closed' } });
  });
});

describe('processes one after the other', () => {
  it('see the same breaker: 5 that fail once each, and the sixth makes no connection', async () => {
    await using home = await tempHome();
    await using server = await startFixture('http-fault', { STATUS: '503' });
    const codes: string[] = [];
    for (let i = 0; i < 8; i++) {
      await using it = await rig({ url: server.url, ...once }, { home });
      codes.push((await failure(it.call('echo'))).code);
    }
    expect(codes).toEqual([...Array(5).fill('UNAVAILABLE'), ...Array(3).fill('CIRCUIT_OPEN')]);
    const requests = (await server.requests()).length;
    await using last = await rig({ url: server.url, ...once }, { home });
    await failure(last.call('echo'));
    expect(await server.requests()).toHaveLength(requests);
  });
});

describe('the memory of a server in its file', () => {
  const breaker = (some: object) => ({
    state: 'closed' as const,
    since: 0,
    at: 0,
    until: null,
    cause: 'request' as const,
    failures: 0,
    openings: 0,
    successes: 0,
    window: [],
    rejected: 0,
    lastFailureAt: null,
    lastSuccessAt: null,
    ...some,
  });
  const clock = new FakeClock();
  const now = clock.date().getTime();
  const opening = breaker({ state: 'open', since: now - 5, at: now - 5, until: now + 30_000, failures: 5 });
  const tools = { list: [{ name: 'echo', inputSchema: {} }], at: now, ttlMs: 1 };
  // The lock waits in real time.
  const memories = (dir: string, warnings: string[] = []) =>
    new ServerMemories(
      dir,
      tellOnce(dir, (message) => warnings.push(message)),
    );

  it('keeps an opening that 1 of 20 processes saw, whatever the others write at the same time', async () => {
    await using home = await tempHome();
    const all = Array.from({ length: 20 }, () => memories(home.stateDir));
    for (const [index, one] of all.entries())
      one.write(
        'h',
        index === 7 ? { breakers: { '': opening } } : { tools, breakers: { '': breaker({ at: now, failures: 1 }) } },
      );
    await Promise.all(all.map((one) => one.flush()));
    expect((await memories(home.stateDir).read('h')).breakers).toEqual({ '': opening });
    expect(await readdir(join(home.stateDir, 'servers'))).toEqual(['h.json']);
  });

  it('tells at a glance whether a breaker is open, also of a file that is missing, broken or no file', async () => {
    await using home = await tempHome();
    const one = memories(home.stateDir);
    const isOpenWith = async (memory: ServerMemory) => {
      one.write('h', memory);
      await one.flush();
      return one.hasOpenBreaker('h');
    };
    expect(one.hasOpenBreaker('h')).toBe(false);
    expect(await isOpenWith({ tools })).toBe(false);
    expect(await isOpenWith({ tools, breakers: { '': breaker({ failures: 4 }) } })).toBe(false);
    expect(await isOpenWith({ tools, breakers: { '': breaker({}), search: opening } })).toBe(true);
    expect(await isOpenWith({ tools, breakers: { '': breaker({}), search: breaker({ since: now }) } })).toBe(false);
    const file = join(home.stateDir, 'servers', 'h.json');
    await writeFile(file, '{"version');
    expect(one.hasOpenBreaker('h')).toBe(false);
    expect(one.hasOpenBreaker('../servers')).toBe(false);
  });

  it('is not believed when a breaker in it makes no sense, and is made anew', async () => {
    await using home = await tempHome();
    const one = memories(home.stateDir);
    one.write('h', { tools, breakers: { '': opening } });
    await one.flush();
    const file = join(home.stateDir, 'servers', 'h.json');
    await writeFile(file, (await readFile(file, 'utf8')).replace('"until":', '"until":"soon","x":'));
    expect(await one.read('h')).toEqual({});
    one.write('h', { tools });
    await one.flush();
    expect(await one.read('h')).toEqual({ tools });
  });
});
