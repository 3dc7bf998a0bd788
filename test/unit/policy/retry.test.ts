/** Retry, its waits, its classes and its budget, in fake time and with seeded chance. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { retryPresets } from '../../../src/config/retry-values.js';
import type { RetryOptions } from '../../../src/config/schema.js';
import { McpctlError, type McpctlErrorOptions } from '../../../src/core/errors.js';
import { deadline } from '../../../src/policy/deadline.js';
import { failureClass } from '../../../src/policy/failure-class.js';
import { compose, type Operation, runAttempt } from '../../../src/policy/policy.js';
import { type RetryParts, retry } from '../../../src/policy/retry.js';
import { RetryBudget } from '../../../src/policy/retry-budget.js';
import { maxTries, retryWaitMs, SuccessRate } from '../../../src/policy/retry-pace.js';
import { FakeClock } from '../../support/fake-clock.js';

const refused = (options: McpctlErrorOptions = {}) => new McpctlError('UNAVAILABLE', 'refused', { delivered: 'no', ...options });
const throttled = (retryAfterMs?: number) =>
  refused({ details: { status: 429, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) } });
const plain: RetryOptions = { strategy: 'exponential', baseDelayMs: 1000, maxDelayMs: 30_000, maxAttempts: 5, jitter: 0 };

/** A policy on a fake clock, and an operation that fails with `errors` in turn before it succeeds. */
function rig(options: Partial<RetryOptions> = {}, more: Partial<RetryParts> = {}) {
  const clock = new FakeClock();
  const triedAt: number[] = [];
  const policy = retry(
    {
      options: { ...plain, ...options },
      budget: new RetryBudget(clock),
      successes: new SuccessRate(),
      mayRepeat: () => true,
      ...more,
    },
    { clock, random: () => 0.5 },
  );
  const run = (errors: readonly unknown[], signal = new AbortController().signal) => {
    const left = [...errors];
    const operation: Operation<string> = async ({ attempt }) => {
      triedAt.push(clock.now());
      const error = left.shift();
      if (error !== undefined) throw error;
      return `try ${attempt}`;
    };
    const result = runAttempt(signal, (first) => policy(operation, first));
    result.catch(() => {});
    return result;
  };
  return { clock, run, triedAt };
}

describe('retry', () => {
  it('tries at 0, 1, 3, 7 and 15 s with the standard values and no jitter, then throws the fifth error', async () => {
    const { clock, run, triedAt } = rig();
    const errors = Array.from({ length: 5 }, () => refused());
    const result = run(errors);
    await clock.advance(60_000);
    await expect(result).rejects.toBe(errors[4]);
    expect(triedAt).toEqual([0, 1000, 3000, 7000, 15_000]);
    expect(clock.pending()).toEqual([]);
  });

  it('ends with the first success, and tells the operation which try it is', async () => {
    const { clock, run, triedAt } = rig();
    const result = run([refused(), refused()]);
    await clock.advance(3000);
    await expect(result).resolves.toBe('try 3');
    expect(triedAt).toHaveLength(3);
  });

  it.each([
    ['none', [0]],
    ['linear', [0, 1000, 3000, 6000, 10_000]],
  ] as const)('tries at %j s with the strategy %s', async (strategy, expected) => {
    const { clock, run, triedAt } = rig({ strategy });
    run(Array.from({ length: 9 }, () => refused()));
    await clock.advance(60_000);
    expect(triedAt).toEqual(expected);
  });

  it.each([
    ['what a repeat does not change', [new McpctlError('REQUEST_REFUSED', 'no')]],
    ['a bug', [new TypeError('x')]],
  ])('does not repeat %s', async (_, [error]) => {
    const { run, triedAt } = rig();
    await expect(run([error])).rejects.toBe(error);
    expect(triedAt).toEqual([0]);
  });

  it('asks whether it may repeat, with the error, and does not when it may not', async () => {
    const asked: unknown[] = [];
    const { run } = rig({}, { mayRepeat: (error) => asked.push(error) < 0 });
    const error = refused();
    await expect(run([error])).rejects.toBe(error);
    expect(asked).toEqual([error]);
  });

  it('waits the 7 s that a server asks for, plus up to 10 % by chance, in the place of its own wait', async () => {
    const { clock, run, triedAt } = rig({ jitter: 1 });
    run([throttled(7000), throttled(0)]);
    await clock.advance(20_000);
    expect(triedAt).toEqual([0, 7350, 7350]);
  });

  it('waits 60 s when asked to, and not 60.001 s', async () => {
    const patient = rig();
    patient.run([throttled(60_000)]);
    await patient.clock.advance(60_000);
    expect(patient.triedAt).toEqual([0, 60_000]);
    const hurried = rig();
    const error = throttled(60_001);
    await expect(hurried.run([error])).rejects.toBe(error);
    expect(hurried.clock.pending()).toEqual([]);
  });

  it('begins no wait that would not end before the deadline of 5 s, which spans all tries', async () => {
    const clock = new FakeClock();
    const bound = deadline({ idleMs: 5000, totalMs: 5000, what: 'call x/y', server: 'x' }, clock);
    const made = retry(
      { options: plain, budget: new RetryBudget(clock), successes: new SuccessRate(), mayRepeat: () => true },
      { clock, random: () => 0 },
    );
    const tries: number[] = [];
    const error = refused();
    const result = runAttempt(new AbortController().signal, (first) =>
      compose(bound, made)(async () => {
        tries.push(clock.now());
        throw error;
      }, first),
    );
    result.catch(() => {});
    await clock.advance(4999);
    await expect(result).rejects.toBe(error);
    expect(tries).toEqual([0, 1000, 3000]);
  });

  it('a wait of 30 s is no silence of the server: an idle limit of 2 s begins after it', async () => {
    const clock = new FakeClock();
    const bound = deadline({ idleMs: 2000, totalMs: 600_000, what: 'call x/y', server: 'x' }, clock);
    const made = retry(
      { options: plain, budget: new RetryBudget(clock), successes: new SuccessRate(), mayRepeat: () => true },
      { clock, random: () => 0 },
    );
    let tries = 0;
    let endedAt = 0;
    runAttempt(new AbortController().signal, (first) =>
      compose(bound, made)(({ signal }) => {
        if (tries++ === 0) return Promise.reject(throttled(30_000));
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      }, first),
    ).catch(() => {
      endedAt = clock.now();
    });
    await clock.advance(40_000);
    expect([tries, endedAt]).toEqual([2, 32_000]);
  });

  it('ends at once, in the middle of a wait, with the reason of the caller, and leaves no timer', async () => {
    const { clock, run } = rig();
    const caller = new AbortController();
    const result = run([refused()], caller.signal);
    await clock.advance(500);
    const reason = new McpctlError('CANCELLED', 'Cancelled');
    caller.abort(reason);
    await expect(result).rejects.toBe(reason);
    expect(clock.pending()).toEqual([]);
  });
});

describe('waits', () => {
  const anyOptions = fc.record({
    strategy: fc.constantFrom('exponential', 'linear', 'adaptive', 'none') as fc.Arbitrary<RetryOptions['strategy']>,
    baseDelayMs: fc.integer({ min: 1, max: 604_800_000 }),
    maxDelayMs: fc.integer({ min: 1, max: 604_800_000 }),
    maxAttempts: fc.integer({ min: 1, max: 100 }),
    jitter: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  const chance = fc.double({ min: 0, max: 0.999, noNaN: true });

  it('are never negative, never above the longest, and whole, for any values and any number of failures', () => {
    fc.assert(
      fc.property(anyOptions, fc.integer({ min: 1, max: 10_000 }), chance, chance, (options, failures, rate, random) => {
        const ms = retryWaitMs(failures, options, rate, () => random);
        return Number.isInteger(ms) && ms >= 0 && ms <= options.maxDelayMs;
      }),
    );
  });

  it('cover the whole range from 0 to the ceiling with full jitter: quick, third failure, 0 to 400 ms', () => {
    expect(retryWaitMs(3, retryPresets.quick, 1, () => 0)).toBe(0);
    expect(retryWaitMs(3, retryPresets.quick, 1, () => 0.999)).toBe(400);
    expect(retryWaitMs(9, retryPresets.quick, 1, () => 0.999)).toBe(4995);
  });

  it('of the adaptive strategy grow from 1 to 4 times the exponential as successes become fewer, and come back with them', () => {
    const adaptive: RetryOptions = { ...plain, strategy: 'adaptive' };
    const rate = new SuccessRate();
    expect(retryWaitMs(1, adaptive, rate.value, () => 0)).toBe(1000);
    let last = 1000;
    for (let i = 0; i < 60; i++) {
      rate.failed();
      const ms = retryWaitMs(1, adaptive, rate.value, () => 0);
      expect(ms).toBeGreaterThanOrEqual(last);
      last = ms;
    }
    expect(last).toBeGreaterThan(3950);
    expect(last).toBeLessThanOrEqual(4000);
    expect(maxTries(adaptive, rate.value)).toBe(2);
    for (let i = 0; i < 60; i++) rate.succeeded();
    expect(retryWaitMs(1, adaptive, rate.value, () => 0)).toBeLessThan(1010);
    expect(maxTries(adaptive, rate.value)).toBe(5);
  });
});

describe('failureClass', () => {
  const unavailable = (details: Record<string, unknown>) => new McpctlError('UNAVAILABLE', 'x', { details });
  it.each([
    ['network', unavailable({ reason: 'refused', code: 'ECONNREFUSED' })],
    ['network', unavailable({ reason: 'dns', code: 'EAI_AGAIN' })],
    ['network', unavailable({ reason: 'stream-broken' })],
    ['network', new McpctlError('SERVER_EXITED', 'x')],
    ['timeout', new McpctlError('TIMEOUT', 'x', { delivered: 'no' })],
    ['throttled', unavailable({ status: 429 })],
    ['throttled', unavailable({ status: 503, retryAfterMs: 0 })],
    ['retryable', unavailable({ status: 503 })],
    ['retryable', unavailable({ status: 500 })],
    ['retryable', unavailable({ status: 529 })],
    ['non-retryable', unavailable({ status: 501 })],
    ['non-retryable', unavailable({ status: 404, reason: 'not-found' })],
    ['non-retryable', unavailable({ reason: 'session-lost' })],
    ['non-retryable', unavailable({ reason: 'tls' })],
    ['non-retryable', unavailable({ reason: 'dns', code: 'ENOTFOUND' })],
    ['non-retryable', unavailable({ reason: 'command-not-found' })],
    ['non-retryable', new McpctlError('OVERLOADED', 'x')],
    ['non-retryable', new McpctlError('AUTH_REQUIRED', 'x')],
    ['non-retryable', new McpctlError('CRASH_LOOP', 'x')],
    ['non-retryable', new McpctlError('PROTOCOL', 'connect ECONNREFUSED')],
    ['non-retryable', new Error('connect ECONNREFUSED')],
  ] as const)('%s: %o', (expected, error) => {
    expect(failureClass(error)).toBe(expected);
  });
});

describe('RetryBudget', () => {
  it('gives 10 repeats without a call, and again when the window of 10 s has passed', async () => {
    const clock = new FakeClock();
    const budget = new RetryBudget(clock);
    const take = () => Array.from({ length: 20 }, () => budget.take()).filter(Boolean).length;
    expect(take()).toBe(10);
    await clock.advance(9000);
    expect(take()).toBe(0);
    await clock.advance(1000);
    expect(take()).toBe(10);
  });

  it('gives 10 and 20 % of the calls: 210 repeats for 1000 calls to a server that is down', async () => {
    const clock = new FakeClock();
    const budget = new RetryBudget(clock);
    let tries = 0;
    const policy = retry(
      { options: plain, budget, successes: new SuccessRate(), mayRepeat: () => true },
      { clock, random: () => 0 },
    );
    const calls = Array.from({ length: 1000 }, () =>
      runAttempt(new AbortController().signal, (first) =>
        policy(async () => {
          tries++;
          throw refused();
        }, first),
      ).catch(() => {}),
    );
    await clock.advance(9000);
    expect(tries).toBe(1210);
    await clock.advance(60_000);
    await Promise.all(calls);
  });

  it('never gives more than its share of any 10 s, whatever the order of calls, repeats and waits', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom('call', 'take', 'wait'), { maxLength: 300 }), async (steps) => {
        const clock = new FakeClock();
        const budget = new RetryBudget(clock);
        const [calls, taken]: number[][] = [[], []];
        for (const step of steps) {
          const now = clock.now();
          const recent = (times: number[]) => times.filter((at) => at > now - 10_000).length;
          if (step === 'call') {
            budget.called();
            calls!.push(now);
          } else if (step === 'wait') await clock.advance(700);
          else if (budget.take()) {
            taken!.push(now);
            // The oldest step of the window may be cut off at most: what is given is never more.
            expect(taken!.filter((at) => at > now - 9_000).length).toBeLessThanOrEqual(10 + 0.2 * recent(calls!));
          }
        }
      }),
      { numRuns: 50 },
    );
  });
});
