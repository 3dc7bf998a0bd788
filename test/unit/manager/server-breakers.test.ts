/** The breakers of a server at work: calls, connecting, health checks, what is remembered, what is told, what is done by hand. */
import { describe, expect, it } from 'vitest';
import { defaults } from '../../../src/config/defaults.js';
import type { ServerConfig } from '../../../src/config/schema.js';
import { type ErrorCode, McpctlError } from '../../../src/core/errors.js';
import { runToolCall } from '../../../src/manager/call-pipeline.js';
import { ManagedServer } from '../../../src/manager/managed-server.js';
import { runAttempt } from '../../../src/policy/policy.js';
import type { ServerMemory } from '../../../src/state/server-memory.js';
import { echoTool, FakeConnection, fakeParts, serverConfig, settle } from '../../support/fake-connection.js';

const { signal } = new AbortController();

interface Made extends ReturnType<typeof fakeParts> {
  server: ManagedServer;
  connections: FakeConnection[];
  /** Fails every call, or every attempt to connect, until it is cleared. */
  trouble: { call?: McpctlError; connect?: McpctlError };
  call(tool?: string): Promise<string>;
}

function managed(config: Partial<ServerConfig> = {}, options: Parameters<typeof fakeParts>[0] = {}): Made {
  const made = fakeParts(options);
  const connections: FakeConnection[] = [];
  const trouble: Made['trouble'] = {};
  made.control.open = async () => {
    if (trouble.connect) throw new McpctlError(trouble.connect.code, trouble.connect.message, trouble.connect);
    const connection = new FakeConnection();
    connection.call = async () => {
      if (trouble.call) throw new McpctlError(trouble.call.code, trouble.call.message, trouble.call);
      return { content: [] };
    };
    connections.push(connection);
    return connection;
  };
  // What fails is counted once, not as often as it would be tried again.
  const retry = { ...defaults.retry, strategy: 'none' as const };
  const server = new ManagedServer(serverConfig({ retry, ...config }), made.parts);
  const call = (name = 'echo') => {
    const toolCall = { server: 'files', tool: { ...echoTool, name }, args: {}, timeouts: { callMs: 1000, callTotalMs: 5000 } };
    return runAttempt(signal, (first) => runToolCall(toolCall, first, { ...made.parts, server })).then(
      () => 'ok',
      (error: McpctlError) => error.code,
    );
  };
  return { ...made, connections, trouble, server, call };
}

const failure = (
  code: ErrorCode = 'UNAVAILABLE',
  details: Record<string, unknown> = { status: 500 },
  delivered: 'no' | 'maybe' = 'maybe',
) => new McpctlError(code, 'broken', { details, delivered, server: 'files' });
const refused = new McpctlError('UNAVAILABLE', 'refused', { details: { reason: 'refused' }, delivered: 'no' });

const changes = ({ log }: Made) =>
  log.flatMap((event) => (event.type === 'breaker-changed' ? `${event.from} > ${event.to}` : []));

/** Connected, and open since the fifth call. */
async function openedByCalls(config: Partial<ServerConfig> = {}, options: Parameters<typeof fakeParts>[0] = {}): Promise<Made> {
  const made = managed(config, options);
  made.trouble.call = failure();
  await made.server.life.connect();
  for (let i = 0; i < 5; i++) expect(await made.call()).toBe('OUTCOME_UNKNOWN');
  return made;
}

describe('calls', () => {
  it('are refused after 5 failures, without reaching the server, which stays connected and is unhealthy', async () => {
    const made = await openedByCalls();
    for (let i = 0; i < 3; i++) expect(await made.call()).toBe('CIRCUIT_OPEN');
    expect(made.connections[0]!.calls).toBe(5);
    expect(made.server.snapshot()).toMatchObject({
      status: 'connected',
      health: 'unhealthy',
      breaker: {
        state: 'open',
        openUntil: '2026-01-01T00:00:30.000Z',
        consecutiveFailures: 5,
        failureRate: 100,
        rejected: 3,
        lastFailureAt: '2026-01-01T00:00:00.000Z',
        lastSuccessAt: null,
      },
    });
  });

  it('are told when to come back, and what to type', async () => {
    const { server, clock } = await openedByCalls();
    await clock.advance(10_000);
    expect(server.endpoints.first.breakers.refusal()).toMatchObject({
      code: 'CIRCUIT_OPEN',
      message: 'Server "files" failed 5 times in a row and gets no calls for another 20 s. Last: broken',
      hint: 'to try it at once: mcpctl reconnect files',
      delivered: 'no',
      server: 'files',
      details: { retryAfterMs: 20_000, state: 'open', consecutiveFailures: 5 },
    });
  });

  it.each([
    ['failed in 55 % of 11 calls', { maxFailures: 20 }, 'sfsfsfsfsff'],
    ['failed again when it was tried out', { maxFailures: 2, timeoutMs: 1 }, 'ff sf'],
    ['failed 3 times in a row', { maxFailures: 2, timeoutMs: 1 }, 'ff f'],
    ['failed', { maxFailures: 1 }, 'f'],
  ])('are told why: it %s', async (why, some, calls) => {
    const made = managed({ circuitBreaker: { ...defaults.circuitBreaker, ...some } });
    for (const one of calls) {
      made.trouble.call = one === 'f' ? failure() : (undefined as never);
      if (one === ' ') await made.clock.advance(10);
      else await made.call();
    }
    expect(made.server.endpoints.first.breakers.refusal()?.message).toContain(
      `Server "files" ${why} and gets no calls for another `,
    );
  });

  it('find the server degraded after 30 s, and healthy after 2 of them', async () => {
    const made = await openedByCalls();
    made.trouble.call = undefined as never;
    await made.clock.advance(30_000);
    expect(made.server.snapshot()).toMatchObject({ health: 'degraded', breaker: { state: 'half-open', openUntil: null } });
    expect([await made.call(), await made.call()]).toEqual(['ok', 'ok']);
    expect(made.server.snapshot()).toMatchObject({ health: 'healthy', breaker: { state: 'closed', consecutiveFailures: 0 } });
    expect(changes(made)).toEqual(['closed > open', 'open > half-open', 'half-open > closed']);
  });

  it.each([
    failure('REQUEST_REFUSED', { rpcCode: -32602 }),
    failure('AUTH_REQUIRED', {}),
    failure('UNAVAILABLE', { status: 429 }, 'no'),
    failure('TOO_LARGE', {}),
  ])('that end with $code $details do not open it, however many', async (error) => {
    const made = managed();
    made.trouble.call = error;
    for (let i = 0; i < 20; i++) expect(await made.call()).toBe(error.code);
    expect(made.server.snapshot().breaker).toMatchObject({ state: 'closed', consecutiveFailures: 0 });
  });

  it('that a tool answers with an error count as successes', async () => {
    const made = managed();
    await made.server.life.connect();
    made.connections[0]!.call = async () => ({ content: [], isError: true });
    for (let i = 0; i < 12; i++) await made.call();
    expect(made.server.snapshot().breaker).toMatchObject({ state: 'closed', failureRate: 0 });
  });

  it('that wait for one attempt to connect, 20 of them, count it as one failure', async () => {
    const made = managed({}, { longLived: false });
    made.trouble.connect = refused;
    expect(new Set(await Promise.all(Array.from({ length: 20 }, () => made.call())))).toEqual(new Set(['UNAVAILABLE']));
    expect(made.control.attempts).toBe(1);
    expect(made.server.snapshot().breaker.consecutiveFailures).toBe(1);
  });
});

describe('lists', () => {
  it('are refused as well, and count', async () => {
    const made = await openedByCalls();
    await expect(made.server.listTools(signal, true)).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
    expect(made.connections[0]!.lists).toBe(0);
  });
});

describe('connecting', () => {
  it('in the background is tried after 1, 2, 4 and 8 s, then 30, 60 and 90 s later, when the breaker half-opens', async () => {
    const made = managed();
    made.trouble.connect = refused;
    await made.server.life.connect().catch(() => {});
    const waits: number[] = [];
    for (let n = 0; n < 7; n++) {
      const { retryAt } = made.server.snapshot();
      const waitMs = Date.parse(retryAt!) - made.clock.date().getTime();
      waits.push(waitMs / 1000);
      await made.clock.advance(waitMs);
      await settle();
    }
    expect(waits).toEqual([1, 2, 4, 8, 30, 60, 90]);
    expect(made.control.attempts).toBe(8);
    expect(made.server.snapshot()).toMatchObject({ status: 'error', lastError: { code: 'UNAVAILABLE' }, attempt: 8 });
  });

  it('is not tried for 50 calls while it is open, which leave the state alone', async () => {
    const made = managed();
    made.trouble.connect = refused;
    for (let i = 0; i < 5; i++) expect(await made.call()).toBe('UNAVAILABLE');
    const before = made.server.snapshot();
    for (let i = 0; i < 50; i++) expect(await made.call()).toBe('CIRCUIT_OPEN');
    expect(made.control.attempts).toBe(5);
    expect(made.server.snapshot()).toMatchObject({ since: before.since, retryAt: before.retryAt, attempt: 5 });
    expect(made.server.snapshot().breaker.rejected).toBe(50);
  });

  it('that works closes what connecting opened, together with the list of tools behind it', async () => {
    const made = managed();
    made.trouble.connect = refused;
    for (let i = 0; i < 5; i++) await made.call();
    made.trouble.connect = undefined as never;
    await made.clock.advance(30_000);
    await settle();
    expect(made.server.snapshot()).toMatchObject({ status: 'connected', breaker: { state: 'half-open' } });
    await made.server.listTools(signal);
    expect(made.server.snapshot().breaker.state).toBe('closed');
  });

  it('by a person is tried at once: half-open when the server is there, and as it was when not', async () => {
    const made = managed();
    made.trouble.connect = refused;
    for (let i = 0; i < 5; i++) await made.call();
    const { openUntil } = made.server.snapshot().breaker;
    await expect(made.server.life.reconnect(signal)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(made.server.ping(signal)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(made.control.attempts).toBe(7);
    expect(made.server.snapshot()).toMatchObject({ breaker: { state: 'open', openUntil } });
    made.trouble.connect = undefined as never;
    await made.server.life.reconnect(signal);
    expect(made.server.snapshot().breaker.state).toBe('half-open');
    expect(await made.call()).toBe('ok');
    expect(made.server.snapshot().breaker.state).toBe('closed');
  });

  it('is not held against a server whose program is not installed', async () => {
    const made = managed({}, { longLived: false });
    made.trouble.connect = failure('UNAVAILABLE', { reason: 'spawn-failed' });
    await made.call();
    expect(made.server.snapshot().breaker.consecutiveFailures).toBe(1);
    made.trouble.connect = failure('UNAVAILABLE', { reason: 'command-not-found' });
    await made.call();
    expect(made.server.snapshot().breaker.consecutiveFailures).toBe(1);
  });
});

describe('health checks', () => {
  it('rest while it is open, and go on when it is half-open', async () => {
    const { connections, clock } = await openedByCalls({
      circuitBreaker: { ...defaults.circuitBreaker, timeoutMs: 300_000 },
    });
    const before = connections[0]!.pings;
    await clock.advance(299_000);
    expect(connections[0]!.pings).toBe(before);
    await clock.advance(30_000);
    expect(connections[0]!.pings).toBe(before + 1);
  });
});

describe('memory', () => {
  it('gets an opening at once, counts at the end, and nothing about a server that is well', async () => {
    const made = await openedByCalls();
    expect(made.written.at(-1)?.breakers).toMatchObject({ '': { state: 'open', failures: 5 } });
    const counted = managed();
    counted.trouble.call = failure();
    await counted.call();
    expect(counted.written.some(({ breakers }) => breakers)).toBe(false);
    await counted.server[Symbol.asyncDispose]();
    expect(counted.written.at(-1)?.breakers).toMatchObject({ '': { state: 'closed', failures: 1 } });
    const well = managed();
    await well.call();
    await well.server[Symbol.asyncDispose]();
    expect(well.written.some(({ breakers }) => breakers)).toBe(false);
  });

  it('keeps a single command from connecting, also one that prepares its server before the memory is read', async () => {
    const { written } = await openedByCalls();
    const made = managed({}, { longLived: false, memory: written.at(-1) as ServerMemory });
    void made.server.life.connect().catch(() => {});
    expect(await made.call()).toBe('CIRCUIT_OPEN');
    expect(made.control.attempts).toBe(0);
    expect(made.server.snapshot()).toMatchObject({ status: 'error', lastError: { code: 'CIRCUIT_OPEN' }, attempt: 0 });
  });

  it('lets a manager that starts wait until it half-opens, and then try', async () => {
    const { written } = await openedByCalls();
    const made = managed({}, { memory: written.at(-1) as ServerMemory });
    await made.server.life.connect().catch(() => {});
    expect(made.server.snapshot()).toMatchObject({ status: 'error', retryAt: '2026-01-01T00:00:30.000Z' });
    await made.clock.advance(30_000);
    await settle();
    expect(made.server.snapshot().status).toBe('connected');
  });
});

describe('a tool with a breaker of its own', () => {
  const circuitBreaker = {
    ...defaults.circuitBreaker,
    tools: { search: { ...defaults.circuitBreaker, maxFailures: 2 } },
  };

  it('opens after 2 failures without its server, and is refused together with it', async () => {
    const made = managed({ circuitBreaker });
    made.trouble.call = failure();
    for (const expected of ['OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN', 'CIRCUIT_OPEN'])
      expect(await made.call('search')).toBe(expected);
    expect(made.server.endpoints.first.breakers.status()).toMatchObject({
      breaker: { state: 'closed', consecutiveFailures: 0 },
      tools: [{ tool: 'search', state: 'open', rejected: 1 }],
    });
    expect(changes(made)).toEqual(['closed > open']);
    made.server.endpoints.first.breakers.steer('close');
    for (let i = 0; i < 5; i++) await made.call('echo');
    expect(await made.call('search')).toBe('CIRCUIT_OPEN');
    expect(made.server.endpoints.first.breakers.status().tools[0]!.state).toBe('closed');
  });

  it('is remembered, and forgotten when the configuration has it no more', async () => {
    const made = managed({ circuitBreaker });
    made.trouble.call = failure();
    for (let i = 0; i < 2; i++) await made.call('search');
    const later = managed({ circuitBreaker }, { longLived: false, memory: made.written.at(-1) as ServerMemory });
    expect(await later.call('search')).toBe('CIRCUIT_OPEN');
    later.server.adopt(serverConfig());
    expect(await later.call('search')).toBe('ok');
    expect(later.server.endpoints.first.breakers.status().tools).toEqual([]);
  });

  it('has no breaker because its name is that of a property of every object', async () => {
    const made = managed({ circuitBreaker });
    expect(await made.call('constructor')).toBe('ok');
  });
});

describe('by hand', () => {
  it('open refuses calls until close, reset forgets', async () => {
    const made = managed();
    expect(await made.call()).toBe('ok');
    made.server.endpoints.first.breakers.steer('open');
    expect(await made.call()).toBe('CIRCUIT_OPEN');
    expect(made.server.endpoints.first.breakers.refusal()).toMatchObject({
      message: 'Server "files" gets no calls: its circuit breaker was opened by hand',
      hint: 'mcpctl breaker files close',
      details: { retryAfterMs: null },
    });
    expect(made.server.snapshot()).toMatchObject({ status: 'connected', breaker: { state: 'open', openUntil: null } });
    await made.server.life.reconnect(signal);
    expect(await made.call()).toBe('CIRCUIT_OPEN');
    made.server.endpoints.first.breakers.steer('close');
    expect(await made.call()).toBe('ok');
    expect(made.server.snapshot().breaker.rejected).toBe(3);
    made.server.endpoints.first.breakers.steer('reset');
    expect(made.server.snapshot().breaker).toMatchObject({ state: 'closed', rejected: 0, lastSuccessAt: null });
    expect(made.written.at(-1)?.breakers).toMatchObject({ '': { state: 'closed', rejected: 0 } });
  });
});
