/** Presets: defaults for a kind of use, between the built-in ones and the files. */
import { foldRetry } from './retry-values.js';
import type { FileDefaults } from './shape.js';

/** `production` is the built-in defaults themselves. */
export const presetNames = ['production', 'development', 'test'] as const;
export type PresetName = (typeof presetNames)[number];

/** What a layer of defaults may say; times in milliseconds. */
export interface DefaultValues extends FileDefaults {
  readonly reconnect?: { readonly jitter?: number };
}

export const presets: Readonly<Record<PresetName, DefaultValues>> = {
  production: {},
  /** A server that is being written changes often: it is looked after sooner, and its tools are asked for again sooner. */
  development: { health: { interval: 10_000 }, cache: { ttl: 30_000 }, retry: { preset: 'quick' } },
  /** The same in every run: nothing in the background, nothing remembered, nothing left to chance, and no long waits. */
  test: {
    health: { interval: 0 },
    cache: { enabled: false },
    timeouts: { connect: 2_000 },
    reconnect: { jitter: 0 },
    retry: { strategy: 'none' },
  },
};

/** The preset in force when none is chosen. */
export const defaultPreset: PresetName = 'production';

/** Layers of defaults as one: single values, the last layer that has one wins. */
export function mergeDefaults(layers: readonly (DefaultValues | undefined)[]): DefaultValues {
  const merged = { timeouts: {}, health: {}, cache: {}, pool: {}, reconnect: {}, circuitBreaker: {}, retry: {} };
  for (const layer of layers) {
    for (const kind of ['timeouts', 'health', 'cache', 'pool', 'reconnect', 'circuitBreaker'] as const)
      Object.assign(merged[kind], layer?.[kind]);
    merged.retry = foldRetry(merged.retry, layer?.retry);
  }
  return merged;
}
