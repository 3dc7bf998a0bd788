/** Connecting, losing, retrying, giving up and closing, with a clock that a test moves. */
import { describe, expect, it } from 'vitest';
import { McpctlError } from '../../../src/core/errors.js';
import { ServerLifecycle } from '../../../src/manager/server-lifecycle.js';
import type { ManagerEvent } from '../../../src/manager/server-status.js';
import type { Connection } from '../../../src/mcp/connection.js';
import { FakeConnection, fakeParts, serverConfig, settle } from '../../support/fake-connection.js';

const refused = () => new McpctlError('UNAVAILABLE', 'refused', { server: 'files', delivered: 'no' });
const exited = () => new McpctlError('SERVER_EXITED', 'exited with code 1', { server: 'files', delivered: 'maybe' });

function lifecycle(options: Parameters<typeof fakeParts>[0] = {}, config = serverConfig()) {
  const made = fakeParts(options);
  const lost: McpctlError[] = [];
  const life = new ServerLifecycle(config, made.parts, {
    open: (signal) => made.parts.openConnection({ signal } as never),
    onConnected: () => {},
    onLost: (reason) => lost.push(reason),
  });
  const signal = new AbortController().signal;
  return { ...made, life, lost, signal };
}

const statuses = (log: readonly ManagerEvent[]) => log.flatMap((event) => (event.type === 'server-state' ? [event.to] : []));

describe('ServerLifecycle', () => {
  it('makes 1 attempt for 50 callers at the same time', async () => {
    const { life, control, signal } = lifecycle();
    const all = await Promise.all(Array.from({ length: 50 }, () => life.connection(signal)));
    expect(control.attempts).toBe(1);
    expect(new Set(all).size).toBe(1);
  });

  it('waits 1, 2, 4, 8, 16, 32, 60, 60 s between failing attempts of an HTTP server', async () => {
    const config = serverConfig({ definition: { type: 'http', url: 'http://127.0.0.1:1/', headers: {} } });
    const { life, clock, control } = lifecycle({}, config);
    control.open = async () => Promise.reject(refused());
    await life.connect().catch(() => {});
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      const before = clock.now();
      while (control.attempts < i + 2) await clock.advanceToNext();
      await settle();
      waits.push(clock.now() - before);
    }
    expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
    expect(life.state).toMatchObject({ status: 'error', attempt: 9 });
  });

  it('gives up after 5 exits within 60 s: CRASH_LOOP, retryAt null, no further attempt, until reconnect', async () => {
    const { life, clock, control, signal } = lifecycle();
    control.open = async () => Promise.reject(exited());
    await life.connect().catch(() => {});
    await clock.advance(59_000);
    await settle();
    expect(control.attempts).toBe(5);
    expect(life.state).toMatchObject({ status: 'error', retryAt: null, error: { code: 'CRASH_LOOP' } });
    await clock.advance(600_000);
    expect(control.attempts).toBe(5);
    expect(() => life.connection(signal)).toThrow(
      expect.objectContaining({ code: 'CRASH_LOOP', hint: expect.stringContaining('mcpctl reconnect files') }),
    );
    control.open = async () => new FakeConnection();
    await life.reconnect(signal);
    expect(life.state.status).toBe('connected');
  });

  it('counts a spawn that took two processes as two exits', async () => {
    const { life, clock, control } = lifecycle();
    control.open = async () => Promise.reject(new McpctlError('SERVER_EXITED', 'x', { details: { starts: 2 } }));
    await life.connect().catch(() => {});
    await clock.advance(59_000);
    expect(control.attempts).toBe(3);
    expect(life.state).toMatchObject({ error: { code: 'CRASH_LOOP' } });
  });

  it('does not retry in a one-shot: retryAt is null at once', async () => {
    const { life, clock, control } = lifecycle({ longLived: false });
    control.open = async () => Promise.reject(refused());
    await life.connect().catch(() => {});
    expect(life.state).toMatchObject({ status: 'error', retryAt: null });
    expect(clock.pending()).toEqual([]);
  });

  it('waits for a login after AUTH_REQUIRED instead of trying again', async () => {
    const { life, clock, control } = lifecycle();
    control.open = async () => Promise.reject(new McpctlError('AUTH_REQUIRED', 'login', { delivered: 'no' }));
    await life.connect().catch(() => {});
    expect(life.state.status).toBe('needs-auth');
    await clock.advance(3_600_000);
    expect(control.attempts).toBe(1);
  });

  it('never connects a server whose configuration has a problem, and says which', async () => {
    const problem = new McpctlError('CONFIG_INVALID', 'TOKEN is not set', { server: 'files' });
    const { life, control } = lifecycle({}, serverConfig({ problem }));
    await expect(life.connect()).rejects.toBe(problem);
    expect(control.attempts).toBe(0);
    expect(life.state).toMatchObject({ status: 'error', retryAt: null, error: { code: 'CONFIG_INVALID' } });
  });

  it('reconnects by itself when the connection is lost, with the shortest wait after 30 stable seconds', async () => {
    const { life, clock, control, log } = lifecycle();
    const connections: FakeConnection[] = [];
    control.open = async () => connections[connections.push(new FakeConnection()) - 1]!;
    await life.connect();
    await clock.advance(31_000);
    connections[0]!.lose(refused());
    await settle();
    expect(life.state).toMatchObject({ status: 'error', attempt: 1 });
    await clock.advance(1000);
    await settle();
    expect(statuses(log)).toEqual(['connecting', 'connected', 'error', 'connecting', 'connected']);
    expect(connections[0]!.disposals).toBe(1);
  });

  it('begins a new session at once when the server forgot the old one, without a failure on its record', async () => {
    const { life, control, log } = lifecycle();
    const first = new FakeConnection();
    control.open = async () => (control.attempts === 1 ? first : new FakeConnection());
    await life.connect();
    first.lose(new McpctlError('UNAVAILABLE', 'forgotten', { details: { reason: 'session-lost' }, delivered: 'no' }));
    await settle();
    expect(life.failures).toBe(0);
    expect(statuses(log)).toEqual(['connecting', 'connected', 'disconnected', 'connecting', 'connected']);
  });

  it('disposes of a connection that arrives after disable, and stays disabled', async () => {
    const { life, control } = lifecycle();
    let arrive!: (connection: Connection) => void;
    control.open = () => new Promise((resolve) => (arrive = resolve));
    const attempt = life.connect();
    attempt.catch(() => {});
    await settle();
    const late = new FakeConnection();
    const disabled = life.disable();
    arrive(late);
    await disabled;
    await expect(attempt).rejects.toThrow();
    expect(life.state.status).toBe('disabled');
    expect(late.disposals).toBeGreaterThan(0);
  });

  it('lets the next one start after 2 s of a silent server, and counts 60 s from the own start of each', async () => {
    const { parts, clock, control } = fakeParts({ limit: 1, longLived: false });
    const make = (name: string) =>
      new ServerLifecycle(serverConfig({ name }), parts, {
        open: (signal) => parts.openConnection({ signal } as never),
        onConnected: () => {},
        onLost: () => {},
      });
    control.open = ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    const [first, second] = [make('first'), make('second')];
    first.connect().catch(() => {});
    second.connect().catch(() => {});
    await clock.advance(1999);
    await settle();
    expect(control.attempts).toBe(1);
    await clock.advance(1);
    await settle();
    expect(control.attempts).toBe(2);
    await clock.advance(58_000);
    await settle();
    expect(first.state).toMatchObject({ status: 'error', error: { code: 'TIMEOUT' } });
    expect(second.state.status).toBe('connecting');
    await clock.advance(1999);
    expect(second.state.status).toBe('connecting');
    await clock.advance(1);
    await settle();
    expect(second.state).toMatchObject({ status: 'error', error: { code: 'TIMEOUT' } });
  });

  it('starts no new process before the old one is gone', async () => {
    const { life, control, signal } = lifecycle();
    const order: string[] = [];
    const slow = new FakeConnection();
    slow[Symbol.asyncDispose] = async () => {
      await settle();
      order.push('old one gone');
    };
    control.open = async () => {
      order.push('open');
      return control.attempts === 1 ? slow : new FakeConnection();
    };
    await life.connect();
    await life.reconnect(signal);
    expect(order).toEqual(['open', 'old one gone', 'open']);
  });

  it('goes on after 45 s when the end of an earlier attempt never comes', async () => {
    const { life, clock, control, signal } = lifecycle();
    control.open = () => new Promise(() => {});
    const first = life.connect().catch((error: McpctlError) => error.code);
    await clock.advance(60_000);
    expect(await first).toBe('TIMEOUT');
    control.open = async () => new FakeConnection();
    const second = life.reconnect(signal);
    await clock.advance(44_000);
    expect(control.attempts).toBe(1);
    await clock.advance(2_000);
    await second;
    expect(control.attempts).toBe(2);
    expect(life.state.status).toBe('connected');
  });

  it('refuses everything after it is disposed of, twice harmlessly', async () => {
    const { life, signal, control } = lifecycle();
    await life.connect();
    await life[Symbol.asyncDispose]();
    await life[Symbol.asyncDispose]();
    await expect(async () => life.connection(signal)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(control.attempts).toBe(1);
  });

  it('lets one caller leave without ending the attempt for the others', async () => {
    const { life, control, signal } = lifecycle();
    let arrive!: (connection: Connection) => void;
    control.open = () => new Promise((resolve) => (arrive = resolve));
    const leaving = new AbortController();
    const left = Promise.resolve(life.connection(leaving.signal));
    const staying = life.connection(signal);
    await settle();
    leaving.abort(new McpctlError('CANCELLED', 'Cancelled'));
    await expect(left).rejects.toMatchObject({ code: 'CANCELLED' });
    arrive(new FakeConnection());
    await expect(staying).resolves.toBeInstanceOf(FakeConnection);
  });
});
