/** Where every value of a server in force comes from, worked out again from the layers it was made of. */
import { durationText } from '../core/duration.js';
import { shownOAuth } from './describe.js';
import type { JsonValue } from './document.js';
import { variablesOf } from './expand.js';
import { type Definition, definitionsOf } from './layers.js';
import { formatPath, type KeyPath } from './position.js';
import { type DefaultValues, presets } from './presets.js';
import type { Approval, Config, ConfigProblem, ServerConfig, ServerSource } from './schema.js';
import { settingsFile } from './settings.js';
import { targetAsWritten } from './unapproved.js';

/** Where something is written. `line` and `column` count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface ExplainedValue {
  /** As one would write it: `timeouts.connect`, `args[1]`. */
  readonly path: string;
  /** Secrets masked; durations as one writes them. */
  readonly value: JsonValue;
  readonly from: 'default' | 'preset' | 'file' | 'settings';
  /** The name of the preset, where it comes from one. */
  readonly preset: string | null;
  /** Where it comes from a file, or from the settings (without a line). */
  readonly file: string | null;
  readonly line: number | null;
  readonly column: number | null;
  /** The variables in it. */
  readonly variables: readonly string[];
}

/** Another definition of the same name. */
export interface OtherDefinition extends Place {
  readonly source: ServerSource;
  /** As written, literal secrets masked. */
  readonly target: string;
  /** `shadowed`: the one in force wins. `waiting`: it would win, once it is approved. */
  readonly why: 'shadowed' | 'waiting';
}

export interface Explanation extends Place {
  readonly server: string;
  readonly source: ServerSource;
  readonly approval: Approval;
  readonly target: string;
  /** The override of `enabled` in the settings; null = there is none. */
  readonly override: { readonly enabled: boolean; readonly file: string } | null;
  readonly values: readonly ExplainedValue[];
  readonly others: readonly OtherDefinition[];
  readonly problem: string | null;
  /** What was found wrong or odd in its definition. */
  readonly notes: readonly ConfigProblem[];
}

export function explainServer(config: Config, server: ServerConfig): Explanation {
  const { layers, places, problems } = config;
  const all = definitionsOf(layers.files).get(server.name) ?? [];
  const inForce = all.findLast(({ file }) => file.path === server.file) ?? all.at(-1)!;
  const isOverridden = server.enabled !== server.enabledInFile;
  // As it stands in the file, which may be of another program's shape.
  const own = inForce.file.parsed.document.problem('warning', ['mcpServers', server.name], '').path;
  return {
    server: server.name,
    source: server.source,
    approval: server.approval,
    file: server.file,
    ...server.position,
    target: server.target,
    override: isOverridden ? { enabled: server.enabled, file: settingsFile(places.configDir) } : null,
    values: valuesOf(config, server, inForce),
    others: all.filter((one) => one !== inForce).map((one) => otherDefinition(one, all.indexOf(one) < all.indexOf(inForce))),
    problem: server.problem?.message ?? null,
    notes: problems.filter(({ path, file }) => file === server.file && (path === own || path.startsWith(`${own}.`))),
  };
}

function valuesOf({ layers, places }: Config, server: ServerConfig, { entry, file }: Definition): ExplainedValue[] {
  const { document } = file.parsed;
  const origin = (from: ExplainedValue['from'], known: Partial<ExplainedValue> = {}) => ({
    from,
    preset: null,
    file: null,
    line: null,
    column: null,
    variables: [],
    ...known,
  });
  const written = (path: KeyPath) => {
    const full = ['mcpServers', server.name, ...path];
    const value = document.at(full);
    const isName = path[0] === 'oauth' && path[1] === 'clientSecretEnv';
    const variables = typeof value !== 'string' ? [] : isName ? [value] : variablesOf(value);
    return origin('file', { file: document.file, ...document.position(full, { key: true }), variables });
  };
  const values: ExplainedValue[] = [];
  const add = (path: KeyPath, value: JsonValue, by: Omit<ExplainedValue, 'path' | 'value'>) =>
    values.push({ path: formatPath(path), value, ...by });
  /** A value of the entry itself, or the built-in one. */
  const own = (path: KeyPath, value: JsonValue, isWritten: boolean) =>
    add(path, value, isWritten ? written(path) : origin('default'));
  /** A value that a layer of defaults may have, the highest first. */
  const layered = (
    kind: 'timeouts' | 'health' | 'cache' | 'pool' | 'retry' | 'circuitBreaker',
    key: string,
    value: JsonValue,
    path: KeyPath = [kind, key],
  ) => {
    /** The key that decides: the value's own, or the name of a set of values. */
    const decides = (layer: DefaultValues | undefined) => {
      const keys = kind === 'retry' ? [key, 'preset'] : [key];
      return keys.find((one) => (layer?.[kind] as Record<string, unknown> | undefined)?.[one] !== undefined);
    };
    const inEntry = decides(entry);
    if (inEntry !== undefined) return add(path, value, written([kind, inEntry]));
    const by = layers.files.findLast(({ parsed }) => decides(parsed?.content.defaults))?.parsed;
    if (by) {
      const position = by.document.position(['defaults', kind, decides(by.content.defaults)!], { key: true });
      return add(path, value, origin('file', { file: by.document.file, ...position }));
    }
    if (decides(presets[layers.preset])) return add(path, value, origin('preset', { preset: layers.preset }));
    return add(path, value, origin('default'));
  };

  const { shown } = server;
  if (shown.type === 'stdio') {
    own(['command'], shown.command, true);
    if (shown.args.length === 0) own(['args'], [], entry.args !== undefined);
    for (const [index, value] of shown.args.entries()) own(['args', index], value, true);
    for (const [name, value] of Object.entries(shown.env)) own(['env', name], value, true);
    own(['cwd'], shown.cwd, entry.cwd !== undefined);
    own(['inheritEnv'], shown.inheritEnv, entry.inheritEnv !== undefined);
  } else {
    if (entry.endpoints === undefined) own(['url'], shown.url, true);
    else {
      for (const [index, { target, weight }] of server.endpoints.entries()) {
        own(['endpoints', index, 'url'], target, true);
        own(['endpoints', index, 'weight'], weight, entry.endpoints[index]?.weight !== undefined);
      }
      own(['balance'], server.balance, entry.balance !== undefined);
    }
    own(['stateless'], server.stateless, entry.stateless !== undefined);
    for (const [name, value] of Object.entries(shown.headers)) own(['headers', name], value, true);
    if (shown.ca !== undefined) own(['ca'], shown.ca, true);
  }
  const typeKey = entry.type === undefined && entry.transport !== undefined ? 'transport' : 'type';
  own([typeKey], shown.type, entry[typeKey] !== undefined);
  own(['protocol'], server.protocol, entry.protocol !== undefined);
  if (server.enabled === server.enabledInFile) own(['enabled'], server.enabled, entry.enabled !== undefined);
  else add(['enabled'], server.enabled, origin('settings', { file: settingsFile(places.configDir) }));

  const { timeouts, health, cache, pool, retry, concurrency, circuitBreaker, trust, stop, tools } = server;
  layered('timeouts', 'connect', durationText(timeouts.connectMs));
  layered('timeouts', 'initialize', durationText(timeouts.initializeMs));
  layered('timeouts', 'list', durationText(timeouts.listMs));
  layered('timeouts', 'call', durationText(timeouts.callMs));
  layered('health', 'interval', durationText(health.intervalMs));
  layered('health', 'timeout', durationText(health.timeoutMs));
  layered('cache', 'enabled', cache.enabled);
  layered('cache', 'ttl', durationText(cache.ttlMs));
  layered('cache', 'maxSize', cache.maxSize);
  layered('cache', 'policy', cache.policy);
  if (cache.results) {
    own(['cache', 'results', 'tools'], [...cache.results.tools], true);
    const [path, ttl] = [['cache', 'results', 'ttl'], durationText(cache.results.ttlMs)];
    if (entry.cache?.results?.ttl !== undefined) own(path, ttl, true);
    else layered('cache', 'ttl', ttl, path);
  }
  layered('retry', 'strategy', retry.strategy);
  layered('retry', 'baseDelay', durationText(retry.baseDelayMs));
  layered('retry', 'maxDelay', durationText(retry.maxDelayMs));
  layered('retry', 'maxAttempts', retry.maxAttempts);
  layered('retry', 'jitter', retry.jitter);
  for (const [tool, other] of Object.entries(entry.retry?.tools ?? {}))
    for (const key of Object.keys(other)) {
      const path = ['retry', 'tools', tool, key];
      add(path, document.at(['mcpServers', server.name, ...path]) ?? null, written(path));
    }
  own(['concurrency', 'inFlight'], concurrency.inFlight, entry.concurrency?.inFlight !== undefined);
  own(['concurrency', 'queue'], concurrency.queue, entry.concurrency?.queue !== undefined);
  own(['trust', 'annotations'], trust.annotations, entry.trust?.annotations !== undefined);
  layered('circuitBreaker', 'maxFailures', circuitBreaker.maxFailures);
  layered('circuitBreaker', 'timeout', durationText(circuitBreaker.timeoutMs));
  layered('circuitBreaker', 'maxHalfOpenRequests', circuitBreaker.maxHalfOpenRequests);
  layered('circuitBreaker', 'successThreshold', circuitBreaker.successThreshold);
  layered('circuitBreaker', 'failureRateThreshold', circuitBreaker.failureRateThreshold);
  layered('circuitBreaker', 'minSamples', circuitBreaker.minSamples);
  for (const [tool, values] of Object.entries(entry.circuitBreaker?.tools ?? {}))
    for (const key of Object.keys(values))
      own(
        ['circuitBreaker', 'tools', tool, key],
        document.at(['mcpServers', server.name, 'circuitBreaker', 'tools', tool, key]) ?? null,
        true,
      );
  if (server.stateless) {
    layered('pool', 'min', pool.min);
    layered('pool', 'max', pool.max);
    layered('pool', 'maxIdle', pool.maxIdle);
    layered('pool', 'maxIdleTime', durationText(pool.maxIdleMs));
    layered('pool', 'maxLifetime', durationText(pool.maxLifetimeMs));
    layered('pool', 'waitTimeout', durationText(pool.waitMs));
  }
  if (shown.type === 'stdio') {
    own(['stop', 'grace'], stop.graceMs === null ? null : durationText(stop.graceMs), entry.stop?.grace !== undefined);
    own(['stop', 'command'], stop.command ? [...stop.command] : null, entry.stop?.command !== undefined);
  }
  own(['tools', 'include'], [...tools.include], entry.tools?.include !== undefined);
  own(['tools', 'exclude'], [...tools.exclude], entry.tools?.exclude !== undefined);
  if (shown.type !== 'stdio') {
    // Only what is written: of a login nearly everything is found out at the login.
    for (const [key, value] of Object.entries(shownOAuth(server.oauth)))
      if (document.at(['mcpServers', server.name, 'oauth', key]) !== undefined) own(['oauth', key], value as JsonValue, true);
  }
  own(['maxMessageBytes'], server.maxMessageBytes, entry.maxMessageBytes !== undefined);
  return values;
}

function otherDefinition({ name, entry, file }: Definition, isShadowed: boolean): OtherDefinition {
  const { document } = file.parsed;
  const position = document.position(['mcpServers', name], { key: true });
  const why = isShadowed ? 'shadowed' : 'waiting';
  return { source: file.source, file: file.path, ...position, target: targetAsWritten(entry), why };
}
