/** How a server is treated: its own values before the layers of defaults, those before the built-in ones. Expands and reads nothing. */
import type { DefaultValues } from './presets.js';
import { defaults, type OAuthOptions, type ServerConfig } from './schema.js';
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
    oauth: entry.oauth ? oauthOptions(entry.oauth) : defaults.oauth,
    maxMessageBytes: entry.maxMessageBytes ?? defaults.maxMessageBytes,
  };
}

/** `autoDiscover` is what other programs write for what always happens here. */
function oauthOptions({ autoDiscover: _, ...written }: NonNullable<ServerEntry['oauth']>): OAuthOptions {
  return { ...defaults.oauth, ...(written as Partial<OAuthOptions>) };
}
