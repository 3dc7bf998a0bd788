/** Sections such as `[connection_pool]` with snake_case keys, put where mcpctl has the same thing: into `defaults`, or into servers. */
import type { Draft } from './dialect-draft.js';
import type { JsonValue } from './document.js';
import type { KeyPath } from './position.js';
import { isObject } from './shape.js';

/** `time`: a bare number counts as seconds, and is refused beyond `maxSeconds`, where it was hardly meant as seconds. */
type Meaning =
  | { readonly to: KeyPath; readonly kind?: 'plain' | 'word' | 'jitter' | 'retries' }
  | { readonly to: KeyPath; readonly kind: 'time'; readonly maxSeconds: number };

const hour = 3600;
const day = 24 * hour;
const time = (maxSeconds: number, ...to: string[]): Meaning => ({ to: ['defaults', ...to], kind: 'time', maxSeconds });
const plain = (...to: string[]): Meaning => ({ to: ['defaults', ...to] });
const word = (...to: string[]): Meaning => ({ to: ['defaults', ...to], kind: 'word' });

const connect = time(hour, 'timeouts', 'connect');
const checkInterval = time(day, 'health', 'interval');
const checkTimeout = time(hour, 'health', 'timeout');
const idleTime = time(day, 'pool', 'maxIdleTime');
const lifetime = time(7 * day, 'pool', 'maxLifetime');
const poolWait = time(hour, 'pool', 'waitTimeout');
const baseDelay = time(300, 'retry', 'baseDelay');
const maxDelay = time(hour, 'retry', 'maxDelay');

/** Section → key → meaning. Keys with a unit in their name (`_ms`, `_secs`, `_seconds`) are found without it. */
export const sections: Readonly<Record<string, Readonly<Record<string, Meaning>>>> = {
  connection_pool: {
    min_connections: plain('pool', 'min'),
    max_connections: plain('pool', 'max'),
    max_idle_connections: plain('pool', 'maxIdle'),
    max_idle_time: idleTime,
    idle_timeout: idleTime,
    max_connection_age: lifetime,
    max_lifetime: lifetime,
    acquire_timeout: poolWait,
    wait_timeout: poolWait,
    connection_timeout: connect,
    connect_timeout: connect,
    health_check_interval: checkInterval,
    health_check_timeout: checkTimeout,
    reconnect_backoff: baseDelay,
    max_reconnect_backoff: maxDelay,
  },
  retry_policy: {
    strategy: word('retry', 'strategy'),
    max_attempts: plain('retry', 'maxAttempts'),
    max_retries: { to: ['defaults', 'retry', 'maxAttempts'], kind: 'retries' },
    base_delay: baseDelay,
    initial_delay: baseDelay,
    max_delay: maxDelay,
    jitter: { to: ['defaults', 'retry', 'jitter'], kind: 'jitter' },
  },
  circuit_breaker: {
    max_failures: plain('circuitBreaker', 'maxFailures'),
    failure_threshold: plain('circuitBreaker', 'maxFailures'),
    timeout: time(hour, 'circuitBreaker', 'timeout'),
    reset_timeout: time(hour, 'circuitBreaker', 'timeout'),
    max_half_open_requests: plain('circuitBreaker', 'maxHalfOpenRequests'),
    success_threshold: plain('circuitBreaker', 'successThreshold'),
    failure_rate_threshold: plain('circuitBreaker', 'failureRateThreshold'),
    min_samples: plain('circuitBreaker', 'minSamples'),
  },
  load_balancer: {
    health_check_interval: checkInterval,
    health_check_timeout: checkTimeout,
  },
  cache: {
    enabled: plain('cache', 'enabled'),
    ttl: time(7 * day, 'cache', 'ttl'),
    default_ttl: time(7 * day, 'cache', 'ttl'),
    max_size: plain('cache', 'maxSize'),
    max_entries: plain('cache', 'maxSize'),
    policy: word('cache', 'policy'),
    eviction_policy: word('cache', 'policy'),
  },
};

/** Other words for the ways to balance. */
const strategies: Readonly<Record<string, string>> = {
  'round-robin': 'round-robin',
  'weighted-round-robin': 'weighted',
  'least-response-time': 'response-time',
  'health-based': 'health',
  'least-conn': 'least-connections',
};

export function applySections(draft: Draft): void {
  const without: KeyPath[] = [];
  for (const [name, keys] of Object.entries(sections)) {
    const section = draft.written.at([name]);
    if (section === undefined) continue;
    delete draft.value[name];
    if (!isObject(section)) {
      draft.error([name], 'expected an object');
      continue;
    }
    for (const [key, value] of Object.entries(section)) {
      const origin = [name, key];
      if (name === 'load_balancer' && key === 'strategy') balance(draft, value, origin);
      else if (name === 'load_balancer' && key === 'failover_enabled' && value === true) continue;
      else {
        const { meaning, unit } = meaningOf(keys, key);
        if (meaning) place(draft, meaning, value, origin, unit);
        else without.push(origin);
      }
    }
  }
  if (without.length === 0) return;
  const names = without.map((path) => path.join('.')).join(', ');
  draft.warn(without[0]!, `mcpctl has no equivalent of these keys, they have no effect: ${names}`);
}

function meaningOf(keys: Readonly<Record<string, Meaning>>, key: string): { meaning?: Meaning | undefined; unit: string } {
  if (Object.hasOwn(keys, key)) return { meaning: keys[key], unit: 's' };
  const [, base, suffix] = /^(\w+?)_(ms|millis|sec|secs|seconds)$/.exec(key) ?? [];
  const meaning = base !== undefined && Object.hasOwn(keys, base) ? keys[base] : undefined;
  return { meaning: meaning?.kind === 'time' ? meaning : undefined, unit: suffix?.startsWith('m') ? 'ms' : 's' };
}

function place(draft: Draft, meaning: Meaning, value: JsonValue, origin: KeyPath, unit: string): void {
  switch (meaning.kind) {
    case 'time': {
      if (typeof value !== 'number') break;
      if (unit === 's' && value > meaning.maxSeconds) {
        draft.error(
          origin,
          `a bare number counts as seconds here, and ${value} s is too long: write "${value}ms" or "${value}s"`,
        );
        return;
      }
      value = `${value}${unit}`;
      break;
    }
    case 'word':
      if (typeof value === 'string')
        value = value
          .toLowerCase()
          .replaceAll('_', '-')
          .replace(/-backoff$/, '');
      break;
    case 'jitter':
      // On is what it is without the key.
      if (value === true) return;
      if (value === false) value = 0;
      break;
    case 'retries':
      // The first try is not a repetition.
      if (typeof value === 'number') value += 1;
      break;
  }
  draft.put(meaning.to, value, origin);
}

/** The way to balance belongs to each server with several endpoints. */
function balance(draft: Draft, value: JsonValue, origin: KeyPath): void {
  if (typeof value !== 'string') {
    draft.error(origin, 'expected a string');
    return;
  }
  const plainWord = value.toLowerCase().replaceAll('_', '-');
  const strategy = Object.hasOwn(strategies, plainWord) ? strategies[plainWord]! : plainWord;
  const balanced = Object.entries(draft.servers).filter(([, entry]) => isObject(entry) && entry.endpoints !== undefined);
  if (balanced.length === 0) draft.warn(origin, 'has no effect: no server of this file has "endpoints"');
  for (const [name, entry] of balanced) {
    if (isObject(entry) && entry.balance === undefined) draft.put(['mcpServers', name, 'balance'], strategy, origin);
  }
}
