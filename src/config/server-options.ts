/** How a server is treated: its own values before the layers of defaults, those before the built-in ones. Expands and reads nothing. */
import type { DefaultValues } from './presets.js';
import { defaults, type PoolLimits, type ServerConfig, statelessPool } from './schema.js';
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
    stop: { graceMs: entry.stop?.grace ?? defaults.stop.graceMs, command: entry.stop?.command ?? defaults.stop.command },
    tools: { include: entry.tools?.include ?? defaults.tools.include, exclude: entry.tools?.exclude ?? defaults.tools.exclude },
    balance: entry.balance ?? defaults.balance,
    stateless: entry.stateless ?? defaults.stateless,
    pool: poolLimits(entry, layers),
    oauth: defaults.oauth,
    maxMessageBytes: entry.maxMessageBytes ?? defaults.maxMessageBytes,
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
