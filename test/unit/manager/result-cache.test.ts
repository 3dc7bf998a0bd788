/** Results that stand for later calls: of which tools, for whom, until when, and what makes them worthless. */
import { describe, expect, it } from 'vitest';
import type { AccountRecord } from '../../../src/config/accounts.js';
import type { CacheOptions, Config, ServerConfig } from '../../../src/config/schema.js';
import { McpctlError } from '../../../src/core/errors.js';
import { Manager, type Tool } from '../../../src/manager/manager.js';
import { ResultCache } from '../../../src/manager/result-cache.js';
import type { ToolList } from '../../../src/manager/tool-cache.js';
import type { CallToolResult } from '../../../src/mcp/connection.js';
import { Cache } from '../../../src/policy/cache.js';
import { FakeClock } from '../../support/fake-clock.js';
import { FakeConnection, fakeParts, serverConfig, settle } from '../../support/fake-connection.js';

const { signal } = new AbortController();

const tool = (name: string, annotations?: Tool['annotations']): Tool => ({
  name,
  inputSchema: { type: 'object' },
  ...(annotations && { annotations }),
});
const look = tool('look_up', { readOnlyHint: true });
const put = tool('look_put', { idempotentHint: true });
const write = tool('write');

async function rig(cache: Partial<CacheOptions> = {}, config: Partial<ServerConfig> = {}, logins?: unknown) {
  const made = fakeParts();
  const connections: FakeConnection[] = [];
  let calls = 0;
  let answer = async (n: number): Promise<CallToolResult> => ({ content: [{ type: 'text', text: `answer ${n}` }] });
  made.control.open = async (options) => {
    await options.credentials?.token(options.signal);
    const connection = new FakeConnection();
    connection.call = () => answer(++calls);
    connections.push(connection);
    return connection;
  };
  const server = serverConfig({
    cache: { enabled: true, ttlMs: 300_000, maxSize: 100, policy: 'lru', results: { tools: ['look*'], ttlMs: 10_000 }, ...cache },
    ...config,
  });
  const { events: _, connects: __, ...parts } = made.parts;
  const manager = new Manager({ servers: new Map([['files', server]]), startConcurrency: 4, problems: [] } as unknown as Config, {
    ...parts,
    pid: 1,
    ...(logins ? { logins: logins as never } : {}),
  });
  const call = async (which: Tool, args: Record<string, unknown> = {}, more: { timeoutMs?: number; isAnew?: boolean } = {}) => {
    const { content } = await manager.call({ server: 'files', tool: which, args, signal, ...more });
    const [first] = content as { text: string }[];
    return first?.text;
  };
  return {
    ...made,
    manager,
    connections,
    call,
    calls: () => calls,
    answerWith: (next: typeof answer) => {
      answer = next;
    },
  };
}

describe('a result', () => {
  it('stands for equal calls during its 10 s, whatever the order of the arguments', async () => {
    const { call, clock } = await rig();
    expect(await call(look, { a: 1, b: [2] })).toBe('answer 1');
    expect(await call(look, { b: [2], a: 1 })).toBe('answer 1');
    expect(await call(look, { a: 1, b: [3] })).toBe('answer 2');
    await clock.advance(10_000);
    expect(await call(look, { a: 1, b: [2] })).toBe('answer 3');
  });

  it('is the very CallToolResult, and nobody who changes theirs changes that of the next', async () => {
    const { manager, answerWith } = await rig();
    const result = { content: [], structuredContent: { n: 1 }, _meta: { 'x/y': 1 } };
    answerWith(async () => structuredClone(result));
    const request = { server: 'files', tool: look, args: {}, signal };
    for (let n = 0; n < 3; n++) {
      const given = await manager.call(request);
      expect(given).toEqual(result);
      (given.content as unknown[]).push('changed');
    }
  });

  it.each<[string, Tool]>([
    ['that is not named in the configuration', tool('other', { readOnlyHint: true })],
    ['without annotations', tool('look_bare')],
    ['that only says it destroys nothing', tool('look_soft', { destructiveHint: false })],
  ])('of a tool %s is not kept: 2 calls are 2 requests', async (_, which) => {
    const { call, calls } = await rig();
    await call(which);
    await call(which);
    expect(calls()).toBe(2);
  });

  it.each<[string, object]>([
    ['an error', { isError: true }],
    ['a question', { resultType: 'input_required' }],
    ['5 MiB', { structuredContent: { text: 'x'.repeat(5 * 1024 ** 2) } }],
  ])('that is %s is not kept', async (_, more) => {
    const { call, calls, answerWith } = await rig();
    answerWith(async () => ({ content: [], ...more }) as CallToolResult);
    await call(look);
    await call(look);
    expect(calls()).toBe(2);
  });

  it('is not kept with cache.enabled false', async () => {
    const { call, calls } = await rig({ enabled: false });
    await call(look);
    await call(look);
    expect(calls()).toBe(2);
  });

  it('is shared by 20 equal calls at the same time: 1 request', async () => {
    const { call, calls } = await rig();
    const all = await Promise.all(Array.from({ length: 20 }, () => call(look)));
    expect(new Set(all)).toEqual(new Set(['answer 1']));
    expect(calls()).toBe(1);
  });

  it('of a call with a time limit of its own is shared with no call under way, and kept', async () => {
    const { call, calls } = await rig();
    await Promise.all([call(look), call(look, {}, { timeoutMs: 50 })]);
    expect(calls()).toBe(2);
    expect(await call(look, {}, { timeoutMs: 50 })).toBe('answer 2');
    expect(calls()).toBe(2);
  });

  it('is asked for anew with isAnew, and the newer one kept', async () => {
    const { call } = await rig();
    await call(look);
    expect(await call(look, {}, { isAnew: true })).toBe('answer 2');
    expect(await call(look)).toBe('answer 2');
  });

  it('that failed is not kept, and its error reaches everybody who waited', async () => {
    const { call, answerWith } = await rig();
    answerWith(async () => {
      throw new McpctlError('REQUEST_REFUSED', 'no');
    });
    const both = await Promise.allSettled([call(look), call(look)]);
    expect(both.map((one) => one.status)).toEqual(['rejected', 'rejected']);
    answerWith(async () => ({ content: [{ type: 'text', text: 'yes' }] }));
    expect(await call(look)).toBe('yes');
  });
});

it('a result is for one definition, one login, one tool: none of them may differ', async () => {
  const { signal } = new AbortController();
  const cache = new Cache<ToolList | string>({ maxSize: 100, policy: 'lru' }, new FakeClock());
  const options = { ...serverConfig().cache, results: { tools: ['*'], ttlMs: 1000 } };
  let sent = 0;
  const send = async (): Promise<CallToolResult> => ({ content: [], structuredContent: ++sent });
  const ask = (hash: string, login: string | undefined, name: string) =>
    new ResultCache(cache, { hash, cache: options }, () => login).call({ tool: { ...look, name }, args: {}, signal }, send);
  const whoAndWhat: [string, string | undefined, string][] = [
    ['h', undefined, 'a'],
    ['h', 'ann', 'a'],
    ['h', 'bob', 'a'],
    ['i', 'ann', 'a'],
    ['h', 'ann', 'b'],
  ];
  for (let round = 0; round < 2; round++) {
    for (const [index, one] of whoAndWhat.entries()) expect((await ask(...one)).structuredContent).toBe(index + 1);
  }
});

describe('results are worthless', () => {
  it('after a call of a tool that may write, also when that failed', async () => {
    const { call, answerWith } = await rig();
    expect(await call(look)).toBe('answer 1');
    await call(write);
    expect(await call(look)).toBe('answer 3');
    answerWith(async (n) => {
      if (n === 4) throw new McpctlError('TIMEOUT', 'late');
      return { content: [{ type: 'text', text: `answer ${n}` }] };
    });
    await expect(call(write)).rejects.toThrow('late');
    expect(await call(look)).toBe('answer 5');
  });

  it.each<[string, Tool, object]>([
    ['', look, {}],
    ['with a time limit of its own, ', look, { timeoutMs: 1000 }],
    ['of an idempotent tool, ', put, { timeoutMs: 1000 }],
  ])('when they come of a call that %sbegan before the writing had ended', async (_, which, more) => {
    const { call, answerWith } = await rig();
    let finish = () => {};
    answerWith((n) => new Promise((resolve) => (finish = () => resolve({ content: [{ type: 'text', text: `answer ${n}` }] }))));
    const reading = call(which, {}, more);
    await settle();
    const finishReading = finish;
    const writing = call(write);
    await settle();
    finish();
    await writing;
    finishReading();
    expect(await reading).toBe('answer 1');
    answerWith(async (n) => ({ content: [{ type: 'text', text: `answer ${n}` }] }));
    expect(await call(which)).toBe('answer 3');
  });

  it('after an idempotent tool has run, but for its own; setting 1, then 2, then 1 runs it 3 times', async () => {
    const { call, calls } = await rig();
    await call(look);
    expect(await call(put, { to: 1 })).toBe('answer 2');
    expect(await call(put, { to: 1 })).toBe('answer 2');
    expect(await call(look)).toBe('answer 3');
    await call(put, { to: 2 });
    await call(put, { to: 1 });
    expect(calls()).toBe(5);
  });

  it('when the connection is lost, when the server announces other tools, and when they are cleared', async () => {
    const { call, connections, control, manager, calls } = await rig();
    let changed = () => {};
    const open = control.open;
    control.open = (options) => {
      changed = options.onToolsChanged ?? changed;
      return open(options);
    };
    await call(look);
    changed();
    expect(await call(look)).toBe('answer 2');
    await manager.clearCaches(['files']);
    expect(await call(look)).toBe('answer 3');
    await manager.listTools('files', signal);
    const { lists } = connections[0]!;
    await manager.listTools('files', signal);
    expect(connections[0]!.lists).toBe(lists);
    connections[0]!.lose(new McpctlError('UNAVAILABLE', 'gone', { details: { reason: 'session-lost' } }));
    await settle();
    expect(await call(look)).toBe('answer 4');
    expect(calls()).toBe(4);
    // An announcement may have been missed.
    await manager.listTools('files', signal);
    expect(connections[1]!.lists).toBe(1);
  });
});

describe('what one login was told', () => {
  const web = { definition: { type: 'http', url: 'http://127.0.0.1:9/mcp', headers: {} } } as Partial<ServerConfig>;

  function loginsOf() {
    const state = { account: 'ann' as string | undefined };
    const record = (savedAt: string): AccountRecord & { account: string } => ({
      account: 'default',
      issuer: null,
      client: null,
      store: 'memory',
      savedAt,
      expiresAt: null,
      scopes: [],
      issuedAt: null,
      renewable: false,
    });
    const logins = {
      refresh: async () => {},
      retryNow: async () => {},
      credentialsFor: () => ({ token: async () => state.account, refused: async () => undefined }),
      known: () => (state.account === undefined ? undefined : record(state.account)),
    };
    return { state, logins };
  }

  it('is not shown to another, nor to nobody; what the server calls public is', async () => {
    for (const isPublic of [false, true]) {
      const { state, logins } = loginsOf();
      const { manager, control, written } = await rig({}, web, logins);
      const open = control.open;
      control.open = async (options) => {
        const connection = (await open(options)) as FakeConnection;
        connection.listTools = async () => ({ tools: [look], ttlMs: null, ...(isPublic && { isPublic: true }) });
        return connection;
      };
      await manager.listTools('files', signal);
      const { tools } = written.at(-1)!;
      expect(tools?.login === undefined).toBe(isPublic);

      // The next run, with what this one has written down.
      for (const account of ['bob', undefined, 'ann']) {
        state.account = account;
        const next = fakeParts({ memory: { tools: tools! }, longLived: false });
        const { events: _, connects: __, ...parts } = next.parts;
        const config = { servers: new Map([['files', serverConfig(web)]]), startConcurrency: 4, problems: [] };
        const later = new Manager(config as unknown as Config, { ...parts, pid: 1, logins: logins as never });
        await later.remembered();
        const isShown = isPublic || account === 'ann';
        expect(later.knownTools('files')?.length).toBe(isShown ? 1 : undefined);
        expect(later.snapshot()[0]?.tools).toBe(isShown ? 1 : null);
        await later.listTools('files', signal);
        expect(next.control.attempts).toBe(isShown ? 0 : 1);
      }
    }
  });

  it('is a result for that login only', async () => {
    const { state, logins } = loginsOf();
    const { manager, call } = await rig({}, web, logins);
    expect(await call(look)).toBe('answer 1');
    expect(await call(look)).toBe('answer 1');
    state.account = 'bob';
    await manager.reconnect('files', signal);
    expect(await call(look)).toBe('answer 2');
  });
});

describe('the state of a cache', () => {
  it('has kinds, ages, time left, hits and sizes, and counts since the start', async () => {
    const { manager, call, clock } = await rig();
    await manager.listTools('files', signal);
    await clock.advance(1000);
    await call(look);
    await clock.advance(2000);
    await call(look);
    const [state] = manager.caches();
    expect(state).toMatchObject({ server: 'files', enabled: true, policy: 'lru', maxSize: 100, size: 2, hits: 1, misses: 2 });
    expect(state!.entries).toMatchObject([
      { kind: 'tools', tool: null, tools: 1, ageMs: 3000, ttlLeftMs: 297_000, hits: 0 },
      { kind: 'result', tool: 'look_up', tools: null, at: '2026-01-01T00:00:01.000Z', ageMs: 2000, ttlLeftMs: 8000, hits: 1 },
    ]);
    expect(state!.bytes).toBe(state!.entries[0]!.bytes + state!.entries[1]!.bytes);
    await clock.advance(300_000);
    // The list is stale, the result gone.
    expect(manager.caches()[0]).toMatchObject({ size: 1, expirations: 2, entries: [{ kind: 'tools', ttlLeftMs: 0 }] });
    expect(await manager.clearCaches(['files'])).toEqual({ cleared: [{ server: 'files', entries: 1 }], failures: [] });
    expect(manager.caches()[0]?.entries).toEqual([]);
    expect(manager.knownTools('files')).toBeUndefined();
    // Names are completed from the list, so it does not stay away for long.
    await clock.advance(300);
    expect(manager.knownTools('files')).toHaveLength(1);
  });

  it('is cleared in memory although the disk cannot be written, and that is an error', async () => {
    const { manager, parts } = await rig();
    await manager.listTools('files', signal);
    Object.assign(parts.memories, { write: async () => false, dir: '/state' });
    const { cleared, failures } = await manager.clearCaches(['files']);
    expect(cleared).toEqual([]);
    expect(failures).toMatchObject([{ code: 'CONFIG_INVALID', server: 'files', message: expect.stringContaining('/state') }]);
    expect(manager.caches()[0]?.size).toBe(0);
  });

  it('clears nothing at all when one of the names is unknown', async () => {
    const { manager } = await rig();
    await manager.listTools('files', signal);
    await expect(manager.clearCaches(['files', 'nope'])).rejects.toMatchObject({ code: 'UNKNOWN_SERVER' });
    expect(manager.caches()[0]?.size).toBe(1);
  });
});
