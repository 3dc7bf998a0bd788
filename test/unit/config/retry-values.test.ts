/** How the layers of a configuration become one set of retry values. */
import { describe, expect, it } from 'vitest';
import { mergeDefaults, presets } from '../../../src/config/presets.js';
import { foldRetry, retryOptions, retryPresets } from '../../../src/config/retry-values.js';
import { serverOptions } from '../../../src/config/server-options.js';

describe('retry values', () => {
  it.each([
    ['quick', { baseDelayMs: 100, maxDelayMs: 5000, maxAttempts: 3, strategy: 'exponential' }],
    ['standard', { baseDelayMs: 1000, maxDelayMs: 30_000, maxAttempts: 5, strategy: 'exponential' }],
    ['network', { baseDelayMs: 500, maxDelayMs: 10_000, maxAttempts: 4, strategy: 'exponential' }],
    ['throttle', { baseDelayMs: 2000, maxAttempts: 3, strategy: 'linear' }],
  ] as const)('the preset %s is %o, with full jitter', (preset, expected) => {
    expect(retryPresets[preset]).toMatchObject({ ...expected, jitter: 1 });
    expect(retryOptions({ preset })).toEqual(retryPresets[preset]);
  });

  it.each([
    ['production', retryPresets.standard],
    ['development', retryPresets.quick],
    ['test', { ...retryPresets.standard, strategy: 'none' }],
  ] as const)('--preset %s means %o', (preset, expected) => {
    expect(serverOptions({}, mergeDefaults([presets[preset]])).retry).toMatchObject(expected);
  });

  it('a layer wins value by value, and one with a preset sets aside what the lower ones say', () => {
    expect(foldRetry({ strategy: 'none', jitter: 0 }, { maxAttempts: 2 })).toEqual({
      strategy: 'none',
      jitter: 0,
      maxAttempts: 2,
    });
    expect(foldRetry({ strategy: 'none', jitter: 0 }, { preset: 'quick', jitter: 0.5 })).toEqual({
      preset: 'quick',
      jitter: 0.5,
    });
    expect(foldRetry({ jitter: 0 }, undefined)).toEqual({ jitter: 0 });
  });

  it('a first wait of 1 m is not cut by the 5 s of a preset, only by a longest wait that somebody wrote', () => {
    expect(retryOptions({ preset: 'quick', baseDelay: 60_000 }).maxDelayMs).toBe(60_000);
    expect(retryOptions({ baseDelay: 60_000, maxDelay: 2000 }).maxDelayMs).toBe(2000);
  });

  it('a tool has the values of its server but for its own, also one that is called "constructor"', () => {
    const entry = { retry: { maxAttempts: 2, tools: { constructor: { jitter: 0 }, slow: { preset: 'throttle' as const } } } };
    const { retry } = serverOptions(entry, {});
    expect(retry.tools.constructor).toEqual({ ...retryPresets.standard, maxAttempts: 2, jitter: 0 });
    expect(retry.tools.slow).toEqual(retryPresets.throttle);
    expect(retry.tools.toString).toBeUndefined();
  });
});
