/** How a server is treated: its own values before the layers of defaults, those before the built-in ones. Expands and reads nothing. */
import type { DefaultValues } from './presets.js';
import { type BreakerOptions, type CircuitBreakerOptions, defaults, type ServerConfig } from './schema.js';
import type { ServerEntry } from './shape.js';

export type ServerOptions = Pick<ServerConfig, keyof typeof defaults>;

export function serverOptions(entry: ServerEntry, layers: DefaultValues): ServerOptions {
  const timeouts = { ...layers.timeouts, ...entry.timeouts };
  const callMs = timeouts.call ?? defaults.timeouts.callMs;
  const health = { ...layers.health, ...entry.health };
  const cache = { ...layers.cache, ...entry.cache };
  return {
    protocol: entry.protocol ?? defaults.protocol,
    timeouts: {
      connectMs: timeouts.connect ?? defaults.timeouts.connectMs,
      initializeMs: timeouts.initialize ?? defaults.timeouts.initializeMs,
      listMs: timeouts.list ?? defaults.timeouts.listMs,
      callMs,
      callTotalMs: Math.max(callMs, defaults.timeouts.callTotalMs),
    },
    health: {
      intervalMs: health.interval ?? defaults.health.intervalMs,
      timeoutMs: health.timeout ?? defaults.health.timeoutMs,
    },
    cache: { enabled: cache.enabled ?? defaults.cache.enabled, ttlMs: cache.ttl ?? defaults.cache.ttlMs },
    reconnect: { jitter: layers.reconnect?.jitter ?? defaults.reconnect.jitter },
    circuitBreaker: breakerOptions(entry, layers),
    stop: { graceMs: entry.stop?.grace ?? defaults.stop.graceMs, command: entry.stop?.command ?? defaults.stop.command },
    tools: { include: entry.tools?.include ?? defaults.tools.include, exclude: entry.tools?.exclude ?? defaults.tools.exclude },
    maxMessageBytes: entry.maxMessageBytes ?? defaults.maxMessageBytes,
  };
}

type BreakerValues = NonNullable<DefaultValues['circuitBreaker']>;

/** A tool has the values of its server where it has none of its own. */
function breakerOptions(entry: ServerEntry, layers: DefaultValues): CircuitBreakerOptions {
  const { tools = {}, ...own } = entry.circuitBreaker ?? {};
  const server = { ...layers.circuitBreaker, ...own };
  const entries = Object.entries(tools).map(([name, values]) => [name, withDefaults({ ...server, ...values })] as const);
  return { ...withDefaults(server), tools: Object.fromEntries(entries) };
}

function withDefaults(values: BreakerValues): BreakerOptions {
  const byDefault = defaults.circuitBreaker;
  return {
    maxFailures: values.maxFailures ?? byDefault.maxFailures,
    timeoutMs: values.timeout ?? byDefault.timeoutMs,
    maxHalfOpenRequests: values.maxHalfOpenRequests ?? byDefault.maxHalfOpenRequests,
    successThreshold: values.successThreshold ?? byDefault.successThreshold,
    failureRateThreshold: values.failureRateThreshold ?? byDefault.failureRateThreshold,
    minSamples: values.minSamples ?? byDefault.minSamples,
  };
}
