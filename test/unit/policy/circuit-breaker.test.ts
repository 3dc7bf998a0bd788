/** The policy around the breaker: what it lets through, what it counts, what it writes down and takes up again. */
import { describe, expect, it } from 'vitest';
import { defaults } from '../../../src/config/defaults.js';
import type { BreakerOptions } from '../../../src/config/schema.js';
import { cancelled, type ErrorCode, McpctlError } from '../../../src/core/errors.js';
import { CircuitBreaker, circuit, type Verdict, verdictOf } from '../../../src/policy/circuit-breaker.js';
import { type Operation, runAttempt } from '../../../src/policy/policy.js';
import { FakeClock } from '../../support/fake-clock.js';

function made(clock = new FakeClock(), some: Partial<BreakerOptions> = {}) {
  const changes: string[] = [];
  const breaker = new CircuitBreaker({
    options: () => ({ ...defaults.circuitBreaker, ...some }),
    clock,
    onChange: (from, to) => changes.push(`${from.state} > ${to.state}`),
  });
  const refused = new McpctlError('CIRCUIT_OPEN', 'refused');
  const policy = circuit(breaker, () => refused, verdictOf);
  let runs = 0;
  const run = <T>(operation: Operation<T>, signal = new AbortController().signal) =>
    runAttempt(signal, (first) =>
      policy((attempt) => {
        runs++;
        return operation(attempt);
      }, first),
    );
  return { clock, breaker, changes, run, runs: () => runs };
}

const down = () => Promise.reject(new McpctlError('UNAVAILABLE', 'refused', { details: { reason: 'refused' }, delivered: 'no' }));
const fine = async () => 'fine';
const code = (promise: Promise<unknown>) =>
  promise.then(
    () => 'ok',
    (error: McpctlError) => error.code,
  );

describe('circuit', () => {
  it('runs 5 operations that fail and none of the next 100; after 30 s 2 that succeed close it', async () => {
    const { run, runs, clock, changes, breaker } = made();
    for (let i = 0; i < 5; i++) expect(await code(run(down))).toBe('UNAVAILABLE');
    for (let i = 0; i < 100; i++) expect(await code(run(down))).toBe('CIRCUIT_OPEN');
    expect(runs()).toBe(5);
    expect(breaker.status()).toMatchObject({ state: 'open', consecutiveFailures: 5, failureRate: 100, rejected: 100 });
    await clock.advance(30_000);
    for (let i = 0; i < 2; i++) expect(await code(run(fine))).toBe('ok');
    expect(changes).toEqual(['closed > open', 'open > half-open', 'half-open > closed']);
  });

  it('runs 3 of 10 operations that come together when it is half-open', async () => {
    const { run, runs, clock } = made();
    for (let i = 0; i < 5; i++) await code(run(down));
    await clock.advance(30_000);
    let finish = () => {};
    const end = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const all = Array.from({ length: 10 }, () => code(run(() => end)));
    finish();
    expect((await Promise.all(all)).sort()).toEqual([...Array(7).fill('CIRCUIT_OPEN'), 'ok', 'ok', 'ok']);
    expect(runs()).toBe(8);
  });

  it('does not hold against the server what the caller ended, and gives its place back', async () => {
    const { run, clock, breaker } = made(undefined, { maxFailures: 1, maxHalfOpenRequests: 1 });
    await code(run(down));
    await clock.advance(30_000);
    for (const reason of [
      cancelled(),
      new McpctlError('TIMEOUT', 'the whole command'),
      new McpctlError('UNAVAILABLE', 'removed'),
    ]) {
      const caller = new AbortController();
      const running = run(({ signal }) => {
        caller.abort(reason);
        return Promise.reject(signal.reason);
      }, caller.signal);
      expect(await code(running)).toBe(reason.code);
      expect(breaker.status()).toMatchObject({ state: 'half-open', consecutiveFailures: 1 });
    }
    expect(await code(run(fine))).toBe('ok');
  });

  it('counts the deadline of a request, which ends it in the same way', async () => {
    const { run, breaker } = made();
    const late = new McpctlError('TIMEOUT', 'silent', { server: 'x', delivered: 'maybe' });
    const expired = run(({ abort, signal }) => {
      abort(late);
      return Promise.reject(signal.reason);
    });
    expect(await code(expired)).toBe('TIMEOUT');
    expect(breaker.status().consecutiveFailures).toBe(1);
  });

  it('counts the end of a process once for the 20 calls it took along, and again for the next process', async () => {
    const { run, breaker } = made();
    const exited = () => Promise.reject(new McpctlError('SERVER_EXITED', 'gone', { delivered: 'maybe' }));
    await Promise.all(Array.from({ length: 20 }, () => code(run(exited))));
    expect(breaker.status()).toMatchObject({ state: 'closed', consecutiveFailures: 1 });
    await code(run(exited));
    expect(breaker.status().consecutiveFailures).toBe(2);
  });
});

describe('verdictOf', () => {
  const of = (name: ErrorCode, details?: Record<string, unknown>, server?: string) =>
    verdictOf(new McpctlError(name, 'x', { details, server }));
  const cases: [Verdict, string, Verdict][] = [
    ['failure', 'a refused connection', of('UNAVAILABLE', { reason: 'refused' })],
    ['failure', 'a connection that broke', of('UNAVAILABLE', { reason: 'stream-broken' })],
    ['failure', 'HTTP 500', of('UNAVAILABLE', { status: 500 })],
    ['failure', 'HTTP 503', of('UNAVAILABLE', { status: 503 })],
    ['failure', 'the end of its process', of('SERVER_EXITED', { exitCode: 1 })],
    ['failure', 'a deadline of a request', of('TIMEOUT', {}, 'x')],
    ['failure', 'a page of HTML', of('PROTOCOL')],
    ['success', 'an error of JSON-RPC', of('REQUEST_REFUSED', { rpcCode: -32602 })],
    ['neither', 'HTTP 403', of('REQUEST_REFUSED', { status: 403 })],
    ['neither', 'HTTP 404', of('UNAVAILABLE', { status: 404, reason: 'not-found' })],
    ['neither', 'HTTP 429', of('UNAVAILABLE', { status: 429 })],
    ['neither', 'a redirect', of('PROTOCOL', { status: 302 })],
    ['neither', 'a result that breaks its own schema', of('PROTOCOL', { result: {} })],
    ['neither', 'a forgotten session', of('UNAVAILABLE', { reason: 'session-lost' })],
    ['neither', 'our own close', of('UNAVAILABLE', { reason: 'closed' })],
    ['neither', 'a program that is not installed', of('UNAVAILABLE', { reason: 'command-not-found' })],
    ['neither', 'the limit of a whole command', of('TIMEOUT')],
    ['neither', 'what is no error of ours', verdictOf(new Error('x'))],
    ...(
      ['AUTH_REQUIRED', 'UNTRUSTED', 'SERVER_DISABLED', 'CANCELLED', 'CIRCUIT_OPEN', 'OVERLOADED', 'INVALID_INPUT'] as const
    ).map((name): [Verdict, string, Verdict] => ['neither', name, of(name)]),
  ];

  it.each(cases)('is %s for %s', (expected, _, verdict) => {
    expect(verdict).toBe(expected);
  });
});

describe('what is written down', () => {
  it('is nothing new for a server that is well, and something for one that failed within the last minute', async () => {
    const { run, breaker, clock } = made();
    await code(run(fine));
    expect(breaker.isDirty).toBe(false);
    await code(run(down));
    expect(breaker.isDirty).toBe(true);
    breaker.record();
    await code(run(fine));
    expect(breaker.isDirty).toBe(true);
    breaker.record();
    await clock.advance(60_000);
    await code(run(fine));
    breaker.record();
    await code(run(fine));
    expect(breaker.isDirty).toBe(false);
  });

  it('carries failures, an opening and its length from one process to the next', async () => {
    const clock = new FakeClock();
    const first = made(clock);
    for (let i = 0; i < 4; i++) await code(first.run(down));
    const second = made(clock);
    second.breaker.restore(JSON.parse(JSON.stringify(first.breaker.record())));
    expect(await code(second.run(down))).toBe('UNAVAILABLE');
    const third = made(clock);
    third.breaker.restore(second.breaker.record());
    expect(await code(third.run(down))).toBe('CIRCUIT_OPEN');
    await clock.advance(30_000);
    expect(await code(third.run(down))).toBe('UNAVAILABLE');
    expect(third.breaker.retryAfterMs).toBe(60_000);
  });

  it('keeps it open by hand, and never for more than 5 minutes otherwise, whatever a file says', () => {
    const clock = new FakeClock();
    const record = { ...made(clock).breaker.record(), state: 'open' as const, since: 8e15, until: 8.6e15, openings: 2 ** 52 };
    const { breaker } = made(clock);
    breaker.restore(record);
    expect(breaker.retryAfterMs).toBe(300_000);
    breaker.restore({ ...record, until: null });
    expect(breaker.retryAfterMs).toBeNull();
    expect(breaker.status()).toMatchObject({ state: 'open', openUntil: null });
  });
});
