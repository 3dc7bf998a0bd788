/** What is sent again and what never, and what is told of a call of which nobody knows whether it ran. */
import { describe, expect, it } from 'vitest';
import { defaults } from '../../../src/config/defaults.js';
import { McpctlError, type McpctlErrorOptions } from '../../../src/core/errors.js';
import { runToolCall, type ToolCall } from '../../../src/manager/call-pipeline.js';
import { ManagedServer } from '../../../src/manager/managed-server.js';
import { isRepeatable } from '../../../src/manager/safe-replay.js';
import type { CallOptions, CallToolResult, Tool } from '../../../src/mcp/connection.js';
import { runAttempt } from '../../../src/policy/policy.js';
import { echoTool, FakeConnection, fakeParts, serverConfig, settle } from '../../support/fake-connection.js';

const annotated = (annotations: Tool['annotations']): Tool => ({ ...echoTool, annotations });
const readOnly = annotated({ readOnlyHint: true });
const answer = { content: [] };
const lost = (options: McpctlErrorOptions = {}) =>
  new McpctlError('SERVER_EXITED', 'Server "files" was ended by SIGKILL', { delivered: 'maybe', ...options });
const refused = () => new McpctlError('UNAVAILABLE', 'refused', { delivered: 'no', details: { reason: 'refused' } });

type Step = (connection: FakeConnection, options: CallOptions) => Promise<CallToolResult>;
/** The server dies with the call. */
const dies: Step = (connection) => {
  connection.lose(lost());
  return Promise.reject(lost());
};
/** The call fails with `error`, and the server lives. */
const fails =
  (error: McpctlError): Step =>
  async () =>
    Promise.reject(error);
const answers: Step = async () => answer;
const hangs: Step = (_, { signal }) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

interface RigOptions {
  readonly trusted?: boolean;
  /** What becomes of each call that reaches a server. */
  readonly steps: readonly Step[];
  /** The tool as each new connection lists it. */
  readonly listed?: readonly Tool[];
  /** How attempts to connect after the first one end. */
  readonly reconnects?: readonly (McpctlError | 'ok')[];
  /** In a row, until the breaker opens. */
  readonly maxFailures?: number;
}

function rig({ trusted = false, steps, listed = [readOnly], reconnects = [], maxFailures = 100 }: RigOptions) {
  const made = fakeParts({ longLived: false });
  const circuitBreaker = { ...defaults.circuitBreaker, maxFailures, minSamples: 1000 };
  const config = serverConfig({ trust: { annotations: trusted }, circuitBreaker });
  const left = [...steps];
  const connections: FakeConnection[] = [];
  let calls = 0;
  made.control.open = async () => {
    const failing = made.control.attempts > 1 ? reconnects[made.control.attempts - 2] : undefined;
    if (failing instanceof McpctlError) throw failing;
    const connection = new FakeConnection();
    connection.tools = [listed[Math.min(connections.length, listed.length - 1)]!];
    connection.call = (options) => {
      calls++;
      return left.shift()!(connection, options);
    };
    connections.push(connection);
    return connection;
  };
  const server = new ManagedServer(config, made.parts);
  const timeouts = { callMs: 60_000, callTotalMs: 60_000 };
  const call = async (more: Partial<ToolCall> = {}) => {
    const running = runAttempt(new AbortController().signal, (first) =>
      runToolCall({ server: 'files', tool: readOnly, args: {}, timeouts, ...more }, first, { ...made.parts, server }),
    ).then(
      (value) => ({ value, error: undefined }),
      (error: McpctlError) => ({ value: undefined, error }),
    );
    // At chance 0 the waits are of no time.
    for (let i = 0; i < 12; i++) {
      await settle();
      await made.clock.advance(1);
    }
    return { ...(await running), calls };
  };
  return { ...made, server, connections, call, calls: () => calls };
}

describe('a call whose answer was lost', () => {
  it('ends as OUTCOME_UNKNOWN after 1 execution, with the cause, and with what to do', async () => {
    const { call } = rig({ steps: [dies] });
    const { error, calls } = await call();
    expect(error).toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      delivered: 'maybe',
      server: 'files',
      details: { cause: 'SERVER_EXITED', sent: 1 },
    });
    expect(error?.message).toBe('files/echo may or may not have run: Server "files" was ended by SIGKILL');
    expect(error?.hint).toContain('--retry-unsafe');
    expect(calls).toBe(1);
  });

  it('is sent again for a trusted server whose tool says so before and after, on the new connection: 2 executions', async () => {
    const { call, connections } = rig({ trusted: true, steps: [dies, answers] });
    expect(await call()).toMatchObject({ value: answer, calls: 2 });
    expect(connections.map(({ calls, lists }) => [calls, lists])).toEqual([
      [1, 0],
      [1, 1],
    ]);
  });

  it.each([
    ['the user does not trust its annotations', false, readOnly, readOnly],
    ['it says nothing of the tool', true, echoTool, readOnly],
    ['it says after the reconnect that the tool writes', true, readOnly, annotated({ readOnlyHint: false })],
    [
      'it says both that the tool reads and that it destroys',
      true,
      readOnly,
      annotated({ readOnlyHint: true, destructiveHint: true }),
    ],
    ['it has no such tool after the reconnect', true, readOnly, { ...readOnly, name: 'other' }],
  ])('is not sent again when %s', async (_, trusted, before, after) => {
    const { call } = rig({ trusted, steps: [dies, answers], listed: [before, after] });
    const { error, calls } = await call({ tool: before });
    expect(error).toMatchObject({ code: 'OUTCOME_UNKNOWN', details: { cause: 'SERVER_EXITED' } });
    expect(calls).toBe(1);
  });

  it('is sent again for anybody who insists, without a look at annotations', async () => {
    const { call, connections } = rig({ steps: [dies, dies, answers], listed: [echoTool] });
    expect(await call({ tool: echoTool, retryUnsafe: true })).toMatchObject({ value: answer, calls: 3 });
    expect(connections.map(({ lists }) => lists)).toEqual([0, 0, 0]);
  });

  it('ends as OUTCOME_UNKNOWN also when the way back fails: connecting anew, all 4 times', async () => {
    const { call, control } = rig({ trusted: true, steps: [dies], reconnects: [refused(), refused(), refused(), refused()] });
    const { error, calls } = await call();
    expect(error).toMatchObject({ code: 'OUTCOME_UNKNOWN', details: { cause: 'SERVER_EXITED', last: 'UNAVAILABLE' } });
    expect(error?.message).toContain('was ended by SIGKILL; then: refused');
    expect([calls, control.attempts]).toEqual([1, 5]);
  });

  it.each(['AUTH_REQUIRED', 'SERVER_DISABLED', 'CONFIG_INVALID', 'PROTOCOL'] as const)(
    'ends as OUTCOME_UNKNOWN when the way back fails with %s, which no repeat would change',
    async (code) => {
      const { call, control } = rig({ trusted: true, steps: [dies], reconnects: [new McpctlError(code, 'no way back')] });
      const { error } = await call();
      expect(error).toMatchObject({ code: 'OUTCOME_UNKNOWN', details: { cause: 'SERVER_EXITED', last: code } });
      expect(control.attempts).toBe(2);
    },
  );

  it('and the answer of a later try counts, also one that says no', async () => {
    const no = new McpctlError('REQUEST_REFUSED', 'no such thing', { delivered: 'maybe' });
    const { call } = rig({ trusted: true, steps: [dies, fails(no)] });
    expect((await call()).error).toBe(no);
  });

  it('a gateway that is broken (503) proves nothing, with Retry-After or without', async () => {
    const busy = new McpctlError('UNAVAILABLE', 'HTTP 503', { delivered: 'maybe', details: { status: 503, retryAfterMs: 1000 } });
    const { call } = rig({ steps: [fails(busy), answers] });
    const { error, calls } = await call();
    expect(error).toMatchObject({ code: 'OUTCOME_UNKNOWN', details: { status: 503, retryAfterMs: 1000 } });
    expect(calls).toBe(1);
  });
});

describe('a call that provably did not arrive', () => {
  it('is delivered anew, at once and once, when the connection was dead; after that by the strategy', async () => {
    const { call, log } = rig({ steps: [fails(refused()), fails(refused()), answers], listed: [echoTool] });
    expect(await call({ tool: echoTool })).toMatchObject({ value: answer, calls: 3 });
    expect(log.filter(({ type }) => type === 'call-retry')).toMatchObject([{ attempt: 2, maxAttempts: 5, code: 'UNAVAILABLE' }]);
    const told = log.flatMap((event) => ('callId' in event ? [event.callId] : []));
    expect(told).toEqual(Array(3).fill(told[0]));
    expect(log.filter(({ type }) => type === 'call-finished')).toMatchObject([{ attempts: 2 }]);
  });

  it('tells its own failure when it is given up, as not delivered', async () => {
    const { call } = rig({ steps: Array.from({ length: 9 }, () => fails(refused())), listed: [echoTool] });
    const { error, calls } = await call({ tool: echoTool });
    expect(error).toMatchObject({ code: 'UNAVAILABLE', delivered: 'no' });
    // 5 tries, the first of which was delivered anew.
    expect(calls).toBe(6);
  });

  it('tells its own failure also when the breaker opens under it, at the fifth', async () => {
    const { call } = rig({ steps: Array.from({ length: 9 }, () => fails(refused())), listed: [echoTool], maxFailures: 5 });
    const { error, calls } = await call({ tool: echoTool });
    expect(error).toMatchObject({ code: 'UNAVAILABLE', delivered: 'no' });
    expect(calls).toBe(5);
    const next = await call({ tool: echoTool });
    expect(next).toMatchObject({ error: { code: 'CIRCUIT_OPEN' }, calls: 5 });
  });

  it('because its server could not be connected to, is not tried again by the call: that is a failure to connect', async () => {
    const made = rig({ steps: [] });
    made.control.open = async () => Promise.reject(lost());
    const { error } = await made.call();
    expect(error).toMatchObject({ code: 'SERVER_EXITED', delivered: 'no' });
    expect(made.control.attempts).toBe(1);
  });

  it('to a session adopted from memory that turns out to be gone, is not tried again either', async () => {
    const made = rig({ steps: [fails(refused()), fails(refused()), answers] });
    const { open } = made.control;
    made.control.open = async (options) => Object.assign(await open(options), { verified: false });
    expect(await made.call()).toMatchObject({ error: { code: 'UNAVAILABLE' }, calls: 2 });
  });
});

describe('a deadline that passes', () => {
  it('while the server has the call is TIMEOUT, and says that the outcome is unknown', async () => {
    const made = rig({ steps: [hangs] });
    const result = made.call();
    await made.clock.advance(60_000);
    const { error } = await result;
    expect(error).toMatchObject({ code: 'TIMEOUT', delivered: 'maybe', details: { outcome: 'unknown' } });
    expect(error?.hint).toMatch(/^it may have run/);
  });

  it('while the call waits for its place is TIMEOUT, and says that it did not run', async () => {
    const made = rig({ steps: [hangs] });
    made.server.adopt(serverConfig({ concurrency: { inFlight: 1, queue: 1 } }));
    const first = made.call();
    await settle();
    const second = made.call({ timeouts: { callMs: 50, callTotalMs: 50 } });
    await settle();
    const third = await made.call();
    expect(third.error).toMatchObject({ code: 'OVERLOADED', delivered: 'no', details: { waiting: 1 } });
    expect(made.log.filter(({ type }) => type === 'call-finished')).toMatchObject([{ outcome: 'OVERLOADED' }]);
    await made.clock.advance(50);
    expect((await second).error).toMatchObject({ code: 'TIMEOUT', delivered: 'no', details: { outcome: 'not-run' } });
    await made.clock.advance(60_000);
    expect((await first).error).toMatchObject({ code: 'TIMEOUT', delivered: 'maybe' });
    expect(made.calls()).toBe(1);
  });
});

it.each([
  [{ idempotentHint: true }, true],
  [{ idempotentHint: true, destructiveHint: true }, true],
  [{ readOnlyHint: true }, true],
  [{ readOnlyHint: true, destructiveHint: true }, false],
  [{ destructiveHint: false }, false],
  [{ title: 'x' }, false],
  [undefined, false],
])('a tool annotated %j may run twice: %j', (annotations, expected) => {
  expect(isRepeatable(annotated(annotations))).toBe(expected);
});
