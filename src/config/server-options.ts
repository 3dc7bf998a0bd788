/** How a server is treated: its own values before the layers of defaults, those before the built-in ones. Expands and reads nothing. */
import type { DefaultValues } from './presets.js';
import { defaults, type ServerConfig } from './schema.js';
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
    stop: { graceMs: entry.stop?.grace ?? defaults.stop.graceMs, command: entry.stop?.command ?? defaults.stop.command },
    tools: { include: entry.tools?.include ?? defaults.tools.include, exclude: entry.tools?.exclude ?? defaults.tools.exclude },
    maxMessageBytes: entry.maxMessageBytes ?? defaults.maxMessageBytes,
  };
}
