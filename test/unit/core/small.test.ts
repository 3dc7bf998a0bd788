/** Durations, suggestions, errors and events: the small words everything else is made of. */
import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from '../../../src/core/duration.js';
import { cancelled, exitCodeFor, exitCodes, McpctlError, rootMessage, toMcpctlError } from '../../../src/core/errors.js';
import { Emitter } from '../../../src/core/events.js';
import { didYouMean, suggest } from '../../../src/core/suggest.js';

describe('durations', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5s', 1500],
    ['10m', 600_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
  ])('%s is %d ms', (text, ms) => expect(parseDuration(text)).toBe(ms));
  it.each(['30', '', 's', '-1s', '1e3s', '1 s', '1h30m', 'Infinitys', '0x10s'])('"%s" is none', (text) =>
    expect(parseDuration(text)).toBeUndefined(),
  );
  it.each([
    [12.4, '12 ms'],
    [1500, '1.5 s'],
    [90_000, '2 m'],
    [7_200_000, '2 h'],
    [172_800_000, '2 d'],
  ])('%d ms reads "%s"', (ms, text) => expect(formatDuration(ms)).toBe(text));
});

describe('suggest', () => {
  const names = ['github', 'gitlab', 'files', 'memory', 'everything'];
  it.each([
    ['githbu', 'github'],
    ['gtihub', 'github'],
    ['File', 'files'],
    ['memry', 'memory'],
    ['every', 'everything'],
  ])('"%s" means %s', (typed, meant) => expect(suggest(typed, names)[0]).toBe(meant));
  it('keeps quiet when nothing is near', () => expect(didYouMean('postgres', names)).toBeUndefined());
  it('is bounded for a name of 100,000 characters', () => expect(suggest('x'.repeat(100_000), names)).toEqual([]));
});

describe('errors', () => {
  it('gives 129, 130 and 143 for the three end signals', () => {
    expect((['SIGHUP', 'SIGINT', 'SIGTERM'] as const).map((signal) => exitCodeFor(cancelled(signal)))).toEqual([129, 130, 143]);
  });
  it('gives each code the exit code of the contract', () => {
    expect(exitCodes).toMatchObject({
      INTERNAL: 1,
      USAGE: 2,
      INVALID_INPUT: 2,
      AUTH_REQUIRED: 3,
      UNAVAILABLE: 4,
      CRASH_LOOP: 4,
      TOO_LARGE: 4,
      TOOL_ERROR: 5,
      TIMEOUT: 6,
      OVERLOADED: 7,
      OUTCOME_UNKNOWN: 8,
      CONFIG_INVALID: 9,
    });
  });
  it('takes a foreign error for a bug, and keeps its message and cause', () => {
    const foreign = new TypeError('x is undefined');
    expect(toMcpctlError(foreign)).toMatchObject({ code: 'INTERNAL', message: 'x is undefined', cause: foreign });
    expect(exitCodeFor(foreign)).toBe(1);
  });
  it('finds the innermost message through causes and aggregates', () => {
    const inner = new Error('connect ECONNREFUSED 127.0.0.1:9');
    expect(rootMessage(new Error('fetch failed', { cause: new AggregateError([inner]) }))).toBe(inner.message);
    const loop = new Error('loop');
    loop.cause = loop;
    expect(rootMessage(loop)).toBe('loop');
    expect(rootMessage(new McpctlError('USAGE', 'x'))).toBe('x');
  });
});

describe('Emitter', () => {
  it('tells the second listener although the first throws, and stops telling one that left', () => {
    const bugs: unknown[] = [];
    const events = new Emitter<{ type: 'a'; n: number } | { type: 'b' }>((error) => bugs.push(error));
    const heard: number[] = [];
    const bad = events.onAny(() => {
      throw new Error('listener bug');
    });
    const good = events.on('a', ({ n }) => heard.push(n));
    events.emit({ type: 'a', n: 1 });
    events.emit({ type: 'b' });
    bad.off();
    good[Symbol.dispose]();
    events.emit({ type: 'a', n: 2 });
    expect(heard).toEqual([1]);
    expect(bugs).toHaveLength(2);
  });
});
