/** How failed calls are repeated: the presets by name, and how the layers of a configuration become one set of values. */
import type { RetryOptions } from './schema.js';

export type RetryPreset = 'quick' | 'standard' | 'network' | 'throttle';

/** As a layer writes it; times in milliseconds. */
export interface RetryValues {
  readonly strategy?: RetryOptions['strategy'] | undefined;
  readonly preset?: RetryPreset | undefined;
  readonly baseDelay?: number | undefined;
  readonly maxDelay?: number | undefined;
  readonly maxAttempts?: number | undefined;
  readonly jitter?: number | undefined;
}

/** `jitter: 1` is full jitter: a wait is anything between nothing and the whole (AWS Architecture Blog, 2015). */
export const retryPresets: Readonly<Record<RetryPreset, RetryOptions>> = {
  quick: { strategy: 'exponential', baseDelayMs: 100, maxDelayMs: 5_000, maxAttempts: 3, jitter: 1 },
  standard: { strategy: 'exponential', baseDelayMs: 1_000, maxDelayMs: 30_000, maxAttempts: 5, jitter: 1 },
  network: { strategy: 'exponential', baseDelayMs: 500, maxDelayMs: 10_000, maxAttempts: 4, jitter: 1 },
  throttle: { strategy: 'linear', baseDelayMs: 2_000, maxDelayMs: 30_000, maxAttempts: 3, jitter: 1 },
};

/** The upper layer wins value by value; a preset in it starts anew, whatever the lower ones say. */
export function foldRetry(lower: RetryValues, upper: RetryValues | undefined): RetryValues {
  return upper?.preset === undefined ? { ...lower, ...upper } : upper;
}

export function retryOptions(values: RetryValues): RetryOptions {
  const preset = retryPresets[values.preset ?? 'standard'];
  const baseDelayMs = values.baseDelay ?? preset.baseDelayMs;
  return {
    strategy: values.strategy ?? preset.strategy,
    baseDelayMs,
    // A long first wait that somebody asks for is not cut by a bound that nobody did.
    maxDelayMs: values.maxDelay ?? Math.max(preset.maxDelayMs, baseDelayMs),
    maxAttempts: values.maxAttempts ?? preset.maxAttempts,
    jitter: values.jitter ?? preset.jitter,
  };
}
