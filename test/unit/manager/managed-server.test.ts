/** Tools, memory, health and the snapshot of one server. */
import { describe, expect, it } from 'vitest';
import { McpctlError } from '../../../src/core/errors.js';
import { runToolCall, type ToolCall } from '../../../src/manager/call-pipeline.js';
import { ManagedServer } from '../../../src/manager/managed-server.js';
import type { OpenOptions } from '../../../src/mcp/connection.js';
import { runAttempt } from '../../../src/policy/policy.js';
import { echoTool, FakeConnection, fakeParts, serverConfig, settle } from '../../support/fake-connection.js';

const { signal } = new AbortController();

function managed(options: Parameters<typeof fakeParts>[0] = {}, config = serverConfig()) {
  const made = fakeParts(options);
  const connections: FakeConnection[] = [];
  made.control.open = async () => connections[connections.push(new FakeConnection()) - 1]!;
  return { ...made, connections, server: new ManagedServer(config, made.parts) };
}

/** What the manager does around a call. */
const run = (toolCall: ToolCall, made: Pick<ReturnType<typeof managed>, 'parts' | 'server'>) =>
  runAttempt(signal, (current) => runToolCall(toolCall, current, { ...made.parts, server: made.server }));

/** A promise that ends with its signal, and only then. */
const never = (ends: AbortSignal) => new Promise<never>((_, reject) => ends.addEventListener('abort', () => reject(ends.reason)));

const list = (at: number) => ({ list: [echoTool as never], at, ttlMs: 300_000 });
const epoch = new Date('2026-01-01T00:00:00Z').getTime();

describe('tools', () => {
  it('come from memory for 5 minutes without connecting, and are asked for after that', async () => {
    const { server, control, clock } = managed({ memory: { tools: list(epoch) } });
    expect((await server.listTools(signal)).tools).toHaveLength(1);
    expect(control.attempts).toBe(0);
    await clock.advance(300_000);
    await server.listTools(signal);
    expect(control.attempts).toBe(1);
  });

  it('are asked for once by 20 callers at the same time', async () => {
    const { server, connections } = managed();
    await Promise.all(Array.from({ length: 20 }, () => server.listTools(signal)));
    expect(connections[0]!.lists).toBe(1);
  });

  it('shows and finds only what include and exclude let through', async () => {
    const { server, connections, control } = managed({}, serverConfig({ tools: { include: ['e*'], exclude: ['*secret*'] } }));
    control.open = async () => {
      const connection = new FakeConnection();
      connection.tools = ['echo', 'erase_secret', 'other'].map((name) => ({ ...echoTool, name }));
      connections.push(connection);
      return connection;
    };
    expect((await server.listTools(signal)).tools.map(({ name }) => name)).toEqual(['echo']);
  });

  it('are remembered with their age', async () => {
    const { server, written, clock } = managed();
    await server.listTools(signal);
    expect(written.at(-1)?.tools).toMatchObject({ at: epoch, ttlMs: 300_000 });
    await clock.advance(7000);
    expect(server.snapshot()).toMatchObject({ tools: 1, toolsAgeMs: 7000 });
  });
});

describe('a call', () => {
  const call = { server: 'files', tool: echoTool, args: {}, timeouts: { callMs: 1000, callTotalMs: 5000 } };

  it('is delivered again when it provably was not delivered, and only once more', async () => {
    const { server, parts, connections, control } = managed();
    control.open = async () => {
      const connection = new FakeConnection();
      connection.call = async () => {
        const lost = new McpctlError('UNAVAILABLE', 'forgotten', { delivered: 'no', details: { reason: 'session-lost' } });
        connection.lose(lost);
        throw lost;
      };
      connections.push(connection);
      return connection;
    };
    await expect(run(call, { parts, server })).rejects.toMatchObject({ message: 'forgotten' });
    expect(connections.map(({ calls }) => calls).filter((calls) => calls > 0)).toEqual([1, 1]);
  });

  it('that the server put off (429) is not sent again at once, but by the strategy: 5 tries', async () => {
    const { server, parts, connections, clock } = managed();
    await server.life.connect();
    connections[0]!.call = async () =>
      Promise.reject(new McpctlError('UNAVAILABLE', 'busy', { delivered: 'no', details: { status: 429 } }));
    const running = run({ ...call, timeouts: { callMs: 60_000, callTotalMs: 60_000 } }, { parts, server });
    running.catch(() => {});
    await settle();
    expect(connections[0]!.calls).toBe(1);
    await clock.advance(60_000);
    await expect(running).rejects.toMatchObject({ message: 'busy', delivered: 'no' });
    expect(connections[0]!.calls).toBe(5);
  });

  it.each([
    ['UNAVAILABLE', 'OUTCOME_UNKNOWN'],
    ['SERVER_EXITED', 'OUTCOME_UNKNOWN'],
    ['TIMEOUT', 'TIMEOUT'],
    ['PROTOCOL', 'PROTOCOL'],
  ] as const)('that failed with %s and may have run is sent exactly once, and ends as %s', async (code, told) => {
    const { server, parts, connections } = managed();
    await server.life.connect();
    connections[0]!.call = async () => Promise.reject(new McpctlError(code, 'lost', { delivered: 'maybe' }));
    await expect(run(call, { parts, server })).rejects.toMatchObject({ code: told, delivered: 'maybe' });
    expect(connections[0]!.calls).toBe(1);
  });

  it('ends after 1 s of silence; progress extends that, up to 5 s in all', async () => {
    const { server, parts, clock, connections } = managed();
    await server.life.connect();
    const connection = connections[0]!;
    connection.call = ({ signal: ends }) => never(ends);
    const silent = run(call, { parts, server });
    silent.catch(() => {});
    await clock.advance(1000);
    await expect(silent).rejects.toMatchObject({ code: 'TIMEOUT', delivered: 'maybe' });

    connection.call = ({ onProgress, signal: ends }) => {
      const tick = () => {
        onProgress({ progress: 1 });
        clock.after(500, tick);
      };
      tick();
      return never(ends);
    };
    const startedAt = clock.now();
    const chatty = run(call, { parts, server });
    let endedAt = 0;
    chatty.catch(() => (endedAt = clock.now()));
    for (let i = 0; i < 60; i++) await clock.advance(100);
    expect(endedAt - startedAt).toBe(5000);
  });

  it('tells its start, its progress and its end in one event each', async () => {
    const { server, parts, log, connections } = managed();
    await server.life.connect();
    connections[0]!.call = async ({ onProgress }) => {
      onProgress({ progress: 1, total: 2, message: 'half' });
      return { content: [], isError: true };
    };
    let callId = '';
    await run({ ...call, onCallId: (id) => (callId = id) }, { parts, server });
    expect(callId).toMatch(/^[a-z2-7]{12}$/);
    expect(log.filter(({ type }) => type.startsWith('call-'))).toMatchObject([
      { type: 'call-started', tool: 'echo', callId },
      { type: 'call-progress', progress: 1, total: 2, message: 'half', callId },
      { type: 'call-finished', outcome: 'tool-error', callId, attempts: 1 },
    ]);
  });
});

describe('health', () => {
  it('is degraded after 1 failed check, and the server is given up and reconnected after 3', async () => {
    const { server, clock, connections } = managed();
    await server.life.connect();
    connections[0]!.answerPing = async () => Promise.reject(new McpctlError('TIMEOUT', 'late'));
    await clock.advance(31_000);
    expect(server.snapshot()).toMatchObject({ status: 'connected', health: 'degraded' });
    // Three checks, 27 s apart at random = 0, then 1 s of waiting.
    await clock.advance(50_500);
    await settle();
    expect(server.snapshot()).toMatchObject({ status: 'error', health: 'unhealthy' });
    await clock.advance(1000);
    await settle();
    expect(server.snapshot()).toMatchObject({ status: 'connected', health: 'healthy' });
    expect(connections).toHaveLength(2);
  });

  it('does not take a server away from a call that is running on it', async () => {
    const { server, parts, clock, connections } = managed();
    await server.life.connect();
    connections[0]!.answerPing = async () => Promise.reject(new McpctlError('TIMEOUT', 'late'));
    let finish!: () => void;
    connections[0]!.call = () => new Promise((resolve) => (finish = () => resolve({ content: [] })));
    const running = run(
      { server: 'files', tool: echoTool, args: {}, timeouts: { callMs: 600_000, callTotalMs: 600_000 } },
      { parts, server },
    );
    await clock.advance(200_000);
    expect(server.snapshot()).toMatchObject({ status: 'connected', health: 'degraded' });
    finish();
    await expect(running).resolves.toEqual({ content: [] });
  });

  it('ends a check after its 5 s, whatever the server does', async () => {
    const { server, clock, connections, log } = managed();
    await server.life.connect();
    connections[0]!.answerPing = (checkSignal) =>
      new Promise((_, reject) => checkSignal.addEventListener('abort', () => reject(checkSignal.reason)));
    await clock.advance(30_000 + 5000);
    await settle();
    expect(log.filter(({ type }) => type === 'health-checked')).toMatchObject([{ ok: false, latencyMs: null }]);
  });

  it('is not checked in a one-shot', async () => {
    const { server, clock, connections } = managed({ longLived: false });
    await server.life.connect();
    await clock.advance(120_000);
    expect(connections[0]!.pings).toBe(0);
  });
});

describe('memory', () => {
  it('keeps the era of a server, and forgets it when the server speaks another one', async () => {
    const { server, written, connections } = managed();
    await server.life.connect();
    expect(written.at(-1)?.era).toMatchObject({ kind: 'legacy', transport: 'stdio' });
    connections[0]!.lose(new McpctlError('UNAVAILABLE', 'era', { details: { reason: 'era-changed' }, delivered: 'no' }));
    await settle();
    expect(written.some(({ era }) => era === undefined)).toBe(true);
  });

  it('asks a session that was adopted from memory for a sign of life before it is called connected', async () => {
    const { server, connections, control } = managed();
    control.open = async () => {
      const connection = new FakeConnection();
      connection.verified = false;
      connections.push(connection);
      return connection;
    };
    await server.verify(signal);
    expect(connections[0]!.pings).toBe(1);
  });
});

it('asks again once for a burst of 1000 announced changes, and at most once a second for a stream of them', async () => {
  const { server, parts, clock, connections } = managed();
  let announce!: () => void;
  const withAnnouncements = new ManagedServer(serverConfig(), {
    ...parts,
    openConnection: (options) => {
      announce = options.onToolsChanged!;
      return parts.openConnection(options);
    },
  });
  void server;
  await withAnnouncements.life.connect();
  for (let i = 0; i < 1000; i++) announce();
  await clock.advance(300);
  await settle();
  expect(connections[0]!.lists).toBe(1);
  for (let i = 0; i < 40; i++) {
    announce();
    await clock.advance(250);
    await settle();
  }
  expect(connections[0]!.lists).toBeLessThanOrEqual(11);
});

describe('the end of a server', () => {
  /** What a connection of this server was opened with. */
  async function opened(options: Parameters<typeof fakeParts>[0], config = serverConfig()) {
    const made = managed(options, config);
    let given!: OpenOptions;
    made.control.open = async (open) => {
      given = open;
      return new FakeConnection();
    };
    await made.server.life.connection(signal);
    return { ...made, given: () => given };
  }

  it('in a single command waits 50 ms for it to leave by itself, and 5 ms once it was seen that it does not', async () => {
    const { given, written } = await opened({ longLived: false });
    expect(given().stop).toMatchObject({ stdinMs: 50, termMs: 50 });
    given().onStopped?.('SIGTERM');
    expect(written.at(-1)).toMatchObject({ lingers: epoch });
    expect(given().stop.stdinMs).toBe(5);
  });

  it('gets its 50 ms again after half a day, and keeps them when it leaves by itself then', async () => {
    const { given, written, clock } = await opened({ longLived: false, memory: { lingers: epoch } });
    expect(given().stop.stdinMs).toBe(5);
    given().onStopped?.('SIGTERM');
    await clock.advance(12 * 3_600_000);
    expect(given().stop.stdinMs).toBe(50);
    given().onStopped?.('input');
    expect(written.at(-1)).not.toHaveProperty('lingers');
  });

  it('is patient as ever in a manager that stays, and where "stop.grace" says how long', async () => {
    expect((await opened({ memory: { lingers: epoch } })).given().stop.stdinMs).toBe(50);
    const config = serverConfig({ stop: { graceMs: 3000, command: null } });
    const { given, written } = await opened({ longLived: false, memory: { lingers: epoch } }, config);
    expect(given().stop.stdinMs).toBe(3000);
    const before = written.length;
    given().onStopped?.('SIGKILL');
    expect(written).toHaveLength(before);
  });
});
