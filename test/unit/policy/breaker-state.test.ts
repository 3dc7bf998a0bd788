/** The circuit breaker as a state machine: every way from state to state, and a comparison with a naive model. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaults } from '../../../src/config/defaults.js';
import {
  admits,
  type BreakerInput,
  type BreakerKind,
  type BreakerState,
  failureRate,
  newBreaker,
  openMs,
  transition,
} from '../../../src/policy/breaker-state.js';

const options = defaults.circuitBreaker;
const start = 1_000_000_000;

/** A breaker, its clock, and what happens to it. */
class Bench {
  state: BreakerState = newBreaker;
  at = start;

  constructor(readonly of = options) {}

  do(type: BreakerInput['type'], kind: BreakerKind = 'request', changes = this.state.changes): this {
    this.state = transition(this.state, { type, kind, changes, at: this.at } as BreakerInput, this.of);
    return this;
  }

  times(count: number, type: BreakerInput['type'], kind: BreakerKind = 'request'): this {
    for (let i = 0; i < count; i++) this.do(type, kind);
    return this;
  }

  wait(ms: number): this {
    this.at += ms;
    return this.do('tick');
  }
}

/** Open since `start`, for 30 s. */
const opened = (kind: BreakerKind = 'request') => new Bench().times(5, 'failure', kind);

describe('a closed breaker', () => {
  it('opens for 30 s at the fifth failure in a row, not at the fourth', () => {
    const bench = new Bench().times(4, 'failure');
    expect(bench.state).toMatchObject({ state: 'closed', failures: 4 });
    expect(bench.do('failure').state).toMatchObject({ state: 'open', until: start + 30_000, cause: 'request', since: start });
  });

  it('counts failures in a row: a call that succeeds ends the row, a connection that works does not', () => {
    expect(new Bench().times(4, 'failure').do('success').times(4, 'failure').state).toMatchObject({
      state: 'closed',
      failures: 4,
    });
    expect(new Bench().times(4, 'failure').do('success', 'reach').do('failure').state.state).toBe('open');
  });

  it('opens when 6 of 11 calls within a minute have failed, and not when 5 of 10 or 4 of 7 have', () => {
    const alternating = (pairs: number) => {
      const bench = new Bench();
      for (let i = 0; i < pairs; i++) bench.do('failure').do('success');
      return bench;
    };
    expect(failureRate(alternating(5).state.window, start)).toEqual({ samples: 10, percent: 50 });
    expect(alternating(5).state.state).toBe('closed');
    expect(alternating(3).do('failure').state.state).toBe('closed');
    expect(alternating(5).do('failure').state).toMatchObject({ state: 'open', failures: 1 });
  });

  it('forgets for its share what is over a minute old', () => {
    const bench = new Bench();
    for (let i = 0; i < 5; i++) bench.do('failure').do('success');
    expect(bench.wait(60_000).do('failure').state.state).toBe('closed');
    expect(failureRate(bench.state.window, bench.at)).toEqual({ samples: 1, percent: 100 });
  });

  it('is the very same object after what means nothing', () => {
    const { state } = new Bench().do('failure');
    for (const type of ['tick', 'admit', 'neither'] as const)
      expect(transition(state, { type, at: start, kind: 'request', changes: state.changes } as BreakerInput, options)).toBe(
        state,
      );
  });
});

describe('an open breaker', () => {
  it('lets nothing through for 30 s, then becomes half-open as of that moment, however late somebody looks', () => {
    const bench = opened().wait(29_999);
    expect(bench.state.state).toBe('open');
    expect(admits(bench.state, options)).toBe(false);
    expect(bench.wait(5_000).state).toMatchObject({ state: 'half-open', since: start + 30_000, inFlight: 0 });
  });

  it('ends when the clock is set back before it began', () => {
    const bench = opened();
    bench.at = start - 3_600_000;
    expect(bench.do('tick').state).toMatchObject({ state: 'half-open', since: start - 3_600_000 });
  });

  it('ignores results of calls that began before it opened', () => {
    const bench = new Bench().times(4, 'failure');
    const { changes } = bench.state;
    bench.do('failure');
    const { state } = bench;
    expect(bench.do('success', 'request', changes).state).toBe(state);
    expect(bench.do('failure', 'request', changes).state).toBe(state);
  });

  it('becomes half-open when somebody insisted and reached the server, and stays as it is when not', () => {
    const { state } = opened('reach');
    expect(transition(state, { type: 'failure', kind: 'reach', changes: state.changes, at: start + 1 }, options)).toBe(state);
    expect(opened('reach').do('success', 'reach').state).toMatchObject({ state: 'half-open', successes: 1 });
    expect(opened('request').do('success', 'reach').state).toMatchObject({ state: 'half-open', successes: 0 });
  });

  it('lasts 30, 60, 90 … s when it opens again and again, 300 s at most, and a longer "timeout" as it is', () => {
    const bench = opened();
    const lasted: number[] = [];
    for (let n = 0; n < 12; n++) {
      const { state, at } = bench;
      const ms = state.state === 'open' ? state.until! - at : 0;
      lasted.push(ms / 1000);
      bench.wait(ms).do('admit').do('failure');
    }
    expect(lasted).toEqual([30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300]);
    expect([1, 2].map((n) => openMs(n, { ...options, timeoutMs: 600_000 }))).toEqual([600_000, 600_000]);
  });

  it('lasts 30 s again after 5 minutes closed, and longer before that', () => {
    const again = (closedMs: number) => {
      const bench = opened().wait(30_000).times(2, 'success').wait(closedMs).times(5, 'failure');
      return bench.state.state === 'open' && bench.state.until! - bench.at;
    };
    expect(again(299_999)).toBe(60_000);
    expect(again(300_000)).toBe(30_000);
  });
});

describe('a half-open breaker', () => {
  const halfOpen = (kind: BreakerKind = 'request') => opened(kind).wait(30_000);

  it('admits 3 at the same time, and one more when one of them ended without a verdict', () => {
    const bench = halfOpen();
    for (let i = 0; i < 3; i++) {
      expect(admits(bench.state, options)).toBe(true);
      bench.do('admit');
    }
    expect(admits(bench.state, options)).toBe(false);
    expect(admits(bench.do('neither').state, options)).toBe(true);
  });

  it('closes after 2 successes, and opens at the first failure', () => {
    expect(halfOpen().times(2, 'admit').do('success').state).toMatchObject({ state: 'half-open', successes: 1, inFlight: 1 });
    expect(halfOpen().times(2, 'admit').times(2, 'success').state).toMatchObject({ state: 'closed', failures: 0, window: [] });
    expect(halfOpen().do('admit').do('success').do('failure').state).toMatchObject({ state: 'open', openings: 2, failures: 1 });
  });

  it('counts a connection as a success only where connecting was what had failed', () => {
    expect(halfOpen('reach').times(2, 'success', 'reach').state.state).toBe('closed');
    expect(halfOpen('request').times(9, 'success', 'reach').state).toMatchObject({ state: 'half-open', successes: 0 });
  });
});

describe('by hand', () => {
  it('is opened until it is closed, whatever time passes and whoever reaches the server', () => {
    const bench = new Bench().do('force-open').wait(1e9).do('success', 'reach');
    expect(bench.state).toMatchObject({ state: 'open', until: null });
    expect(bench.do('force-close').state).toMatchObject({ state: 'closed', failures: 0, openings: 0 });
  });

  it('is reset from every state to one without a past', () => {
    for (const bench of [new Bench().do('failure'), opened(), opened().wait(30_000), new Bench().do('force-open')])
      expect(bench.do('reset').state).toMatchObject({ state: 'closed', failures: 0, openings: 0, window: [] });
  });
});

/** The same rules, written without any cleverness: it keeps every result of the present period and counts anew each time. */
class Model {
  state: BreakerState['state'] = 'closed';
  until = 0;
  results: { slice: number; ok: boolean }[] = [];
  row = 0;
  openings = 0;
  closedAt = Number.NEGATIVE_INFINITY;
  running = 0;
  successes = 0;

  constructor(readonly of: typeof options) {}

  tick(at: number) {
    if (this.state !== 'open' || at < this.until) return;
    this.state = 'half-open';
    this.running = 0;
    this.successes = 0;
  }

  result(ok: boolean, at: number) {
    const last = this.results.at(-1)?.slice;
    const slice = last !== undefined && at - last < 10_000 ? last : at;
    if (this.state === 'closed') {
      this.results = [...this.results.filter((one) => at - one.slice < 60_000), { slice, ok }];
      this.row = ok ? 0 : this.row + 1;
      const bad = this.results.filter((one) => !one.ok).length;
      const isTooMany =
        this.results.length >= this.of.minSamples && (100 * bad) / this.results.length > this.of.failureRateThreshold;
      if (!ok && (this.row >= this.of.maxFailures || isTooMany))
        this.open(at, at - this.closedAt < 300_000 ? this.openings + 1 : 1);
    } else if (this.state === 'half-open') {
      this.running--;
      if (!ok) this.open(at, this.openings + 1);
      else if (++this.successes >= this.of.successThreshold) {
        this.state = 'closed';
        this.closedAt = at;
        this.results = [];
        this.row = 0;
      }
    }
  }

  open(at: number, openings: number) {
    this.state = 'open';
    this.openings = openings;
    this.until = at + Math.min(Math.max(300_000, this.of.timeoutMs), this.of.timeoutMs * openings);
  }
}

it('behaves as a naive model does over 60 random calls with random pauses, lengths and settings', () => {
  const settings = fc.record({
    maxFailures: fc.integer({ min: 1, max: 6 }),
    timeoutMs: fc.constantFrom(1, 1000, 30_000, 400_000),
    maxHalfOpenRequests: fc.integer({ min: 1, max: 4 }),
    successThreshold: fc.integer({ min: 1, max: 4 }),
    failureRateThreshold: fc.constantFrom(1, 30, 50, 99, 100),
    minSamples: fc.integer({ min: 1, max: 12 }),
  });
  /** A pause, then either a new call or the end of one of those that run. */
  const step = fc.record({
    waitMs: fc.constantFrom(0, 1, 900, 9_999, 10_000, 30_000, 61_000, 300_000),
    what: fc.constantFrom('call', 'ok', 'failed', 'aborted'),
    which: fc.nat(),
  });
  fc.assert(
    fc.property(settings, fc.array(step, { minLength: 60, maxLength: 60 }), (some, steps) => {
      const of = { ...some, tools: {} } as unknown as typeof options;
      const bench = new Bench(of);
      const model = new Model(of);
      /** What runs, with the state it was admitted in. */
      const running: number[] = [];
      for (const { waitMs, what, which } of steps) {
        bench.wait(waitMs);
        model.tick(bench.at);
        if (what === 'call') {
          const isAdmitted = model.state === 'closed' || (model.state === 'half-open' && model.running < of.maxHalfOpenRequests);
          expect(admits(bench.state, of)).toBe(isAdmitted);
          if (!isAdmitted) continue;
          if (model.state === 'half-open') model.running++;
          bench.do('admit');
          running.push(bench.state.changes);
        } else if (running.length > 0) {
          const [changes] = running.splice(which % running.length, 1);
          const isOfNow = changes === bench.state.changes;
          bench.do(what === 'ok' ? 'success' : what === 'failed' ? 'failure' : 'neither', 'request', changes);
          if (isOfNow && what === 'aborted' && model.state === 'half-open') model.running--;
          else if (isOfNow && what !== 'aborted') model.result(what === 'ok', bench.at);
        }
        expect(bench.state.state).toBe(model.state);
        if (bench.state.state === 'open') expect(bench.state.until).toBe(model.until);
        if (bench.state.state === 'half-open')
          expect(bench.state).toMatchObject({ inFlight: model.running, successes: model.successes });
        expect(bench.state.window.length).toBeLessThanOrEqual(7);
      }
    }),
  );
});
