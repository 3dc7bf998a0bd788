/** How a server is treated: its own values before the layers of defaults, those before the built-in ones. Expands and reads nothing. */

import { defaults, statelessPool } from './defaults.js';
import type { DefaultValues } from './presets.js';
import { foldRetry, retryOptions } from './retry-values.js';
import type {
  BreakerOptions,
  CircuitBreakerOptions,
  OAuthOptions,
  PoolLimits,
  RetryOptions,
  ServerConfig,
  ServerRetry,
} from './schema.js';
import type { ServerEntry } from './shape.js';

export type ServerOptions = Pick<ServerConfig, keyof typeof defaults>;

export function serverOptions(entry: ServerEntry, layers: DefaultValues): ServerOptions {
  const timeouts = { ...layers.timeouts, ...entry.timeouts };
  const callMs = timeouts.call ?? defaults.timeouts.callMs;
  const health = { ...layers.health, ...entry.health };
  const cache = { ...layers.cache, ...entry.cache };
  const cacheTtlMs = cache.ttl ?? defaults.cache.ttlMs;
  const results = entry.cache?.results;
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
    cache: {
      enabled: cache.enabled ?? defaults.cache.enabled,
      ttlMs: cacheTtlMs,
      maxSize: cache.maxSize ?? defaults.cache.maxSize,
      policy: cache.policy ?? defaults.cache.policy,
      results: results ? { tools: results.tools, ttlMs: results.ttl ?? cacheTtlMs } : defaults.cache.results,
    },
    reconnect: { jitter: layers.reconnect?.jitter ?? defaults.reconnect.jitter },
    retry: serverRetry(entry, layers),
    concurrency: {
      inFlight: entry.concurrency?.inFlight ?? defaults.concurrency.inFlight,
      queue: entry.concurrency?.queue ?? defaults.concurrency.queue,
    },
    trust: { annotations: entry.trust?.annotations ?? defaults.trust.annotations },
    circuitBreaker: breakerOptions(entry, layers),
    stop: { graceMs: entry.stop?.grace ?? defaults.stop.graceMs, command: entry.stop?.command ?? defaults.stop.command },
    tools: { include: entry.tools?.include ?? defaults.tools.include, exclude: entry.tools?.exclude ?? defaults.tools.exclude },
    balance: entry.balance ?? defaults.balance,
    stateless: entry.stateless ?? defaults.stateless,
    pool: poolLimits(entry, layers),
    oauth: entry.oauth ? oauthOptions(entry.oauth) : defaults.oauth,
    maxMessageBytes: entry.maxMessageBytes ?? defaults.maxMessageBytes,
  };
}

/** Tool names come from a file and may be any word, `constructor` included: the table has no prototype. */
function serverRetry({ retry: { tools = {}, ...own } = {} }: ServerEntry, layers: DefaultValues): ServerRetry {
  const values = foldRetry(layers.retry ?? {}, own);
  const byTool: Record<string, RetryOptions> = Object.create(null);
  for (const [tool, other] of Object.entries(tools)) byTool[tool] = retryOptions(foldRetry(values, other));
  return { ...retryOptions(values), tools: byTool };
}

type BreakerValues = NonNullable<DefaultValues['circuitBreaker']>;

/** A tool has the values of its server where it has none of its own. */
function breakerOptions(entry: ServerEntry, layers: DefaultValues): CircuitBreakerOptions {
  const { tools = {}, ...own } = entry.circuitBreaker ?? {};
  const server = { ...layers.circuitBreaker, ...own };
  const byTool: Record<string, BreakerOptions> = Object.create(null);
  for (const [tool, values] of Object.entries(tools)) byTool[tool] = withDefaults({ ...server, ...values });
  return { ...withDefaults(server), tools: byTool };
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

/** A server that keeps state between calls has one connection, whatever the defaults for all servers allow. */
function poolLimits(entry: ServerEntry, layers: DefaultValues): PoolLimits {
  const wanted = { ...layers.pool, ...entry.pool };
  const { pool } = defaults;
  const most = entry.stateless ? (wanted.max ?? statelessPool.max) : pool.max;
  return {
    min: Math.min(wanted.min ?? pool.min, most),
    max: most,
    maxIdle: Math.min(Math.max(wanted.maxIdle ?? statelessPool.maxIdle, wanted.min ?? pool.min), most),
    maxIdleMs: wanted.maxIdleTime ?? pool.maxIdleMs,
    maxLifetimeMs: wanted.maxLifetime ?? pool.maxLifetimeMs,
    waitMs: wanted.waitTimeout ?? pool.waitMs,
  };
}

/** `autoDiscover` is what other programs write for what always happens here. */
function oauthOptions({ autoDiscover: _, ...written }: NonNullable<ServerEntry['oauth']>): OAuthOptions {
  return { ...defaults.oauth, ...(written as Partial<OAuthOptions>) };
}
