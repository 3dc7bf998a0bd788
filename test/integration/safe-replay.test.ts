/** Real servers that die, break and forget in the middle of a call: no tool runs twice without being asked to. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cancelled } from '../../src/core/errors.js';
import { count, failure, rig, startFixture } from '../fixtures/http-rig.js';
import { faultServer, fixture } from '../fixtures/stdio-rig.js';
import { tempHome } from '../support/temp-home.js';
import { waitFor } from '../support/wait-for.js';

const trust = { annotations: true };

/** A stdio server that writes down each run of `run-and-die`, and says of its tools what the test wants. */
async function stdio(options: Record<string, unknown> = {}) {
  const home = await tempHome();
  const runs = join(home.path, 'runs');
  const annotations = join(home.path, 'annotations.json');
  const annotate = (hints: Record<string, boolean>) => writeFile(annotations, JSON.stringify({ 'run-and-die': hints }));
  await annotate({});
  const args = [faultServer, `annotations=${annotations}`];
  const it = await rig({ command: process.execPath, args, ...options }, { home });
  return {
    it,
    runs,
    annotate,
    executions: async () => (await readFile(runs, 'utf8').catch(() => '')).split('\n').length - 1,
    /** The tool as a list has it. */
    tool: async (name: string, signal = new AbortController().signal) =>
      (await it.manager.listTools('it', signal, { refresh: true })).tools.find((tool) => tool.name === name)!,
    async call(more: { times?: number; retryUnsafe?: boolean } = {}) {
      const { times = 1, retryUnsafe = false } = more;
      const { signal } = new AbortController();
      const tool = await this.tool('run-and-die');
      return it.manager.call({ server: 'it', tool, args: { file: runs, times }, signal, retryUnsafe });
    },
    async [Symbol.asyncDispose]() {
      await it[Symbol.asyncDispose]();
      await home[Symbol.asyncDispose]();
    },
  };
}

describe('a stdio server that is killed in the middle of a call', () => {
  it('has run it once; the error says that nobody knows, how the server ended, and the next call works', async () => {
    await using made = await stdio();
    const error = await failure(made.call());
    expect(error).toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      server: 'it',
      details: { cause: 'SERVER_EXITED', signal: 'SIGKILL', sent: 1 },
    });
    expect(await made.executions()).toBe(1);
    expect(await made.it.call('echo', { text: 'back' })).toBe('back');
  });

  it('runs it again when it is trusted and the tool is idempotent, and 2 executions are the whole of it', async () => {
    await using made = await stdio({ trust });
    await made.annotate({ idempotentHint: true });
    expect(await made.call()).toMatchObject({ content: [{ text: 'ran 2 times' }] });
    expect(await made.executions()).toBe(2);
  });

  it('does not run it again when the annotations are gone after the restart', async () => {
    await using made = await stdio({ trust });
    await made.annotate({ readOnlyHint: true });
    const tool = await made.tool('run-and-die');
    await made.annotate({});
    const { signal } = new AbortController();
    const call = made.it.manager.call({ server: 'it', tool, args: { file: made.runs }, signal });
    expect(await failure(call)).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(await made.executions()).toBe(1);
  });

  it('runs it until it answers for somebody who insists: 3 executions', async () => {
    await using made = await stdio();
    expect(await made.call({ times: 2, retryUnsafe: true })).toMatchObject({ content: [{ text: 'ran 3 times' }] });
    expect(await made.executions()).toBe(3);
  });

  it('ran at most once each time when it is killed at 16 moments from before the call to after it', async () => {
    const outcomes = new Set<string>();
    for (let step = 0; step < 16; step++) {
      await using made = await stdio();
      const tool = await made.tool('run-and-die');
      const { pid } = made.it.status();
      const { signal } = new AbortController();
      const call = made.it.manager.call({ server: 'it', tool, args: { file: made.runs, times: 0 }, signal }).then(
        () => 'answer',
        (error: { code: string }) => error.code,
      );
      for (let turns = 0; turns < step * 8; turns++) await new Promise((resolve) => setImmediate(resolve));
      process.kill(pid!, 'SIGKILL');
      outcomes.add(await call);
      expect(await made.executions()).toBeLessThanOrEqual(1);
    }
    // `UNAVAILABLE` and `SERVER_EXITED` stand for calls that provably did not arrive, and could not be delivered anew.
    for (const outcome of outcomes) expect(['answer', 'OUTCOME_UNKNOWN', 'UNAVAILABLE', 'SERVER_EXITED']).toContain(outcome);
  });
});

it.each(['legacy', 'modern'])('a call over stdio that is cancelled: the %s server is told, once, and works on', async (era) => {
  await using home = await tempHome();
  await home.write('era', era);
  await using it = await rig({ command: process.execPath, args: [fixture('stdio-era.mjs'), home.path] }, { home });
  await it.connect();
  const methods = async () =>
    (await readFile(join(home.path, 'log'), 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' ')[1]!);
  const stop = new AbortController();
  const hanging = failure(it.call('hang', {}, { signal: stop.signal }));
  await it.call('echo', { message: 'behind it' });
  stop.abort(cancelled());
  expect(await hanging).toMatchObject({ code: 'CANCELLED' });
  await waitFor(async () => (await methods()).includes('notifications/cancelled'), { what: 'the notice of the cancellation' });
  expect(await it.call('echo', { message: 'after' })).toBe('after');
  expect(count(await methods(), 'notifications/cancelled')).toBe(1);
});

describe('an HTTP server', () => {
  it.each(['reset-stream', 'cut-json', 'end-stream'])('that breaks the answer off (%s) has run the call once', async (tool) => {
    await using server = await startFixture('http-fault');
    await using it = await rig({ url: server.url, type: 'http' });
    expect(await failure(it.call(tool))).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(await server.executions(tool)).toBe(1);
  });

  it('that resets the connection runs a trusted, read-only call again, and an untrusted one not', async () => {
    for (const trusted of [true, false]) {
      await using server = await startFixture('http-fault');
      await server.do({ annotations: { flaky: { readOnlyHint: true } } });
      await using it = await rig({ url: server.url, type: 'http', trust: { annotations: trusted } });
      const { signal } = new AbortController();
      const tool = (await it.manager.listTools('it', signal)).tools.find(({ name }) => name === 'flaky')!;
      const call = it.manager.call({ server: 'it', tool, args: { fails: 2 }, signal });
      if (trusted) expect(await call).toMatchObject({ content: [{ text: 'ran 3 times' }] });
      else expect(await failure(call)).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
      expect(await server.executions('flaky')).toBe(trusted ? 3 : 1);
    }
  });

  it('that has forgotten the session when a trusted call is to be repeated: a new session, a new list, then the call', async () => {
    await using server = await startFixture('http-fault');
    await server.do({ annotations: { flaky: { readOnlyHint: true } } });
    await using it = await rig({ url: server.url, type: 'http', trust });
    const { signal } = new AbortController();
    const tool = (await it.manager.listTools('it', signal)).tools.find(({ name }) => name === 'flaky')!;
    it.manager.events.on('call-retry', () => void server.do({ forget: true }));
    expect(await it.manager.call({ server: 'it', tool, args: { fails: 1 }, signal })).toMatchObject({
      content: [{ text: 'ran 2 times' }],
    });
    expect(await server.executions('flaky')).toBe(2);
    expect(count(await server.requests(), 'initialize')).toBeGreaterThanOrEqual(1);
  });

  it('that forgets the session before the call runs it once, in a new session, at once', async () => {
    await using server = await startFixture('http-fault');
    await using it = await rig({ url: server.url, type: 'http', retry: { strategy: 'none' } });
    await it.call('echo', { message: 'warm' });
    await server.do({ forget: true });
    expect(await it.call('echo', { message: 'hi' })).toBe('hi');
    expect(await server.executions('echo')).toBe(2);
    expect(count(await server.requests(), 'initialize')).toBe(2);
  });

  it('that is gone while a call waits for its next try is found again when it is back: 1 execution', async () => {
    await using first = await startFixture('http-fault');
    const { port } = new URL(first.url);
    const retry = { baseDelay: '200ms', maxDelay: '200ms', maxAttempts: 100, jitter: 0 };
    await using it = await rig({ url: first.url, type: 'http', retry });
    await it.call('echo', { message: 'warm' });
    await first.do({ gate: { status: 429, headers: {}, times: 1 } });
    const waits = new Promise<void>((resolve) => it.manager.events.on('call-retry', () => resolve()));
    const call = it.call('echo', { message: 'hi' });
    await waits;
    await first.stop();
    await using second = await startFixture('http-fault', { PORT: port });
    expect(await call).toBe('hi');
    expect(await second.executions('echo')).toBe(1);
  });
});

describe('a server that sends calls away', () => {
  const ofHeader = (value: string) => ({ 'retry-after': value });
  const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1000).toUTCString();

  it.each([
    ['1 s', ofHeader('1'), 1000, 1500],
    ['a date 2 s ahead', ofHeader(inSeconds(2)), 0, 2500],
    ['a date that has passed', ofHeader(inSeconds(-100)), 0, 300],
    ['a negative number', ofHeader('-7'), 0, 300],
    ['garbage', ofHeader('when I am ready'), 0, 300],
    ['no header', {}, 0, 300],
  ])('429 with Retry-After of %s: the call waits as long as that and runs once', async (_, headers, atLeastMs, atMostMs) => {
    await using server = await startFixture('http-fault');
    await using it = await rig({ url: server.url, type: 'http' });
    await it.call('echo', { message: 'warm' });
    await server.do({ gate: { status: 429, headers, times: 1 } });
    expect(await it.call('echo', { message: 'hi' })).toBe('hi');
    expect(await server.executions('echo')).toBe(2);
    const [away, taken] = (await server.log()).filter(({ rpc }) => rpc === 'tools/call').slice(-2);
    expect(taken!.at - away!.at).toBeGreaterThanOrEqual(atLeastMs);
    expect(taken!.at - away!.at).toBeLessThan(atMostMs + 1000);
  });

  it.each([
    ['61 s', '61', 61_000, undefined],
    ['a year and more', '99999999999', 365 * 24 * 3_600_000, undefined],
    ['3 s, with 2 s left of the deadline', '3', 3000, 2000],
  ])('429 with Retry-After of %s fails at once, with the time, and not delivered', async (_, value, retryAfterMs, timeoutMs) => {
    await using server = await startFixture('http-fault', {});
    await using it = await rig({ url: server.url, type: 'http' });
    await it.call('echo', { message: 'warm' });
    await server.do({ gate: { status: 429, headers: ofHeader(value), times: 9 } });
    const error = await failure(it.call('echo', { message: 'hi' }, timeoutMs === undefined ? {} : { timeoutMs }));
    expect(error).toMatchObject({ code: 'UNAVAILABLE', delivered: 'no', details: { status: 429, retryAfterMs } });
    expect(error.hint).toMatch(/asks not to be asked again within/);
    expect(count(await server.requests(), 'tools/call')).toBe(2);
    expect(await server.executions('echo')).toBe(1);
  });

  it('503 with Retry-After 1: a call of which nothing is known is not repeated, an idempotent one of a trusted server is', async () => {
    for (const trusted of [false, true]) {
      await using server = await startFixture('http-fault');
      await server.do({ annotations: { echo: { idempotentHint: true } } });
      await using it = await rig({ url: server.url, type: 'http', trust: { annotations: trusted } });
      const { signal } = new AbortController();
      const tool = (await it.manager.listTools('it', signal)).tools.find(({ name }) => name === 'echo')!;
      await server.do({ gate: { status: 503, headers: ofHeader('1'), times: 1 } });
      const call = it.manager.call({ server: 'it', tool, args: { message: 'hi' }, signal });
      if (trusted) expect(await call).toMatchObject({ content: [{ text: 'hi' }] });
      else expect(await failure(call)).toMatchObject({ code: 'OUTCOME_UNKNOWN', details: { status: 503, retryAfterMs: 1000 } });
      expect(await server.executions('echo')).toBe(trusted ? 1 : 0);
    }
  });

  it('always: 5 tries of a call, and the values of a tool of its own win: 2', async () => {
    await using server = await startFixture('http-fault');
    await using it = await rig({ url: server.url, type: 'http', retry: { tools: { sleep: { maxAttempts: 2 } } } });
    await server.do({ gate: { status: 429, headers: {}, times: 100 } });
    await failure(it.call('echo'));
    expect(count(await server.requests(), 'tools/call')).toBe(5);
    await failure(it.call('sleep', { ms: 1 }));
    expect(count(await server.requests(), 'tools/call')).toBe(7);
  });

  it('all of 100 calls away: the budget allows 10 repeats and 20 %, not 400', async () => {
    await using server = await startFixture('http-fault');
    await using it = await rig({ url: server.url, type: 'http', concurrency: { inFlight: 100 } });
    await it.connect();
    await server.do({ gate: { status: 429, headers: {}, times: 1e6 } });
    const errors = await Promise.all(Array.from({ length: 100 }, () => failure(it.call('echo'))));
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['UNAVAILABLE']));
    expect(count(await server.requests(), 'tools/call')).toBeLessThanOrEqual(100 + 10 + 20);
  });
});
