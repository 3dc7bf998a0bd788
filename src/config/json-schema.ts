/** The JSON Schema of a configuration, made from the checks of `shape`; for editors, and published with the package. */
import * as z from 'zod/mini';
import { durationText } from '../core/duration.js';
import { defaults } from './defaults.js';
import { keyTexts } from './key-texts.js';
import { defaultLogLevel } from './log-level.js';
import { defaultMetrics } from './metrics-endpoint.js';
import { serverName, shapes } from './shape.js';
import type { Parts } from './shape-parts.js';
import { isDuration } from './shape-values.js';

/** As `core/duration` reads it. */
const durationPattern = '^\\s*\\d+(\\.\\d+)?(ms|s|m|h|d)\\s*$';

interface JsonSchema {
  [key: string]: unknown;
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  additionalProperties?: JsonSchema;
  anyOf?: JsonSchema[];
}

/** JSON Schema 2020-12 of what a file may contain. Unknown keys are allowed, as mcpctl only warns about them. */
export function configJsonSchema(): JsonSchema {
  const whole = z.object({
    $schema: z.optional(z.string()),
    ...shapes.file.base.shape,
    ...optional(shapes.file.parts),
    mcpServers: z.optional(
      z.record(
        z.string().check(z.regex(serverName)),
        z.object({
          description: z.optional(z.string()),
          ...shapes.server.base.shape,
          ...optional(shapes.server.parts),
          trust: z.optional(z.union([shapes.server.parts.trust!.schema(), z.boolean()])),
        }),
      ),
    ),
    defaults: z.optional(z.object({ ...shapes.defaults.base.shape, ...optional(shapes.defaults.parts) })),
  });
  const schema = z.toJSONSchema(whole, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      if (isDuration(zodSchema)) Object.assign(jsonSchema, { type: 'string', pattern: durationPattern });
    },
  }) as JsonSchema;
  const described = describe(schema, '');
  return { $schema: schema.$schema, title: 'Configuration of mcpctl', ...described };
}

/**
 * Every key there is, as docs/configuration.md names it: `command` and `timeouts.call` for servers, `defaults.timeouts` and
 * `metrics.port` for the file. What stands below `defaults` is named once, under servers.
 */
export function configKeys(): string[] {
  const names = new Set<string>();
  const collect = ({ properties = {} }: JsonSchema, prefix: string) => {
    for (const [key, value] of Object.entries(properties)) {
      const name = prefix + key;
      if (name === 'mcpServers') collect(value.additionalProperties!, '');
      const inner = [value, value.items, ...(value.anyOf ?? [])].find((one) => one?.properties) ?? value;
      if (prefix === 'defaults.' || inner.properties === undefined) names.add(name);
      else collect(inner, `${name}.`);
      // Settings of single tools have the keys of the object around them.
      if (value.additionalProperties?.properties && name !== 'mcpServers') names.add(name);
    }
  };
  collect(configJsonSchema(), '');
  return [...names];
}

function optional(parts: Parts): Record<string, z.ZodMiniType> {
  return Object.fromEntries(Object.entries(parts).map(([key, { schema }]) => [key, z.optional(schema())]));
}

/** The schema with the texts of the keys and the defaults, by dotted name. */
function describe(schema: JsonSchema, name: string): JsonSchema {
  const described: JsonSchema = { ...schema };
  if (schema.properties) {
    described.properties = Object.fromEntries(
      Object.entries(schema.properties).map(([key, value]) => {
        const full = name === '' ? key : `${name}.${key}`;
        const known = plainName(full);
        const text = keyTexts[full] ?? keyTexts[known];
        const byDefault = defaultOf(known);
        return [
          key,
          {
            ...(text !== undefined && { description: text }),
            ...describe(value, full),
            ...(byDefault !== undefined && { default: byDefault }),
          },
        ];
      }),
    );
  }
  if (schema.anyOf) described.anyOf = schema.anyOf.map((one) => describe(one, name));
  if (schema.items) described.items = describe(schema.items, name);
  if (schema.additionalProperties) described.additionalProperties = describe(schema.additionalProperties, name);
  return described;
}

/** The name of a key wherever else it may stand: of a server, for all servers, or for a single tool. */
function plainName(full: string): string {
  return full.replace(/^(?:mcpServers|defaults)\./, '').replace(/^(retry|circuitBreaker)\.tools\./, '$1.');
}

/** What holds without the key, in the form a file has; undefined where that depends on something else. */
function defaultOf(name: string): unknown {
  const known: Record<string, unknown> = {
    enabled: true,
    args: [],
    env: {},
    headers: {},
    inheritEnv: false,
    protocol: defaults.protocol,
    maxMessageBytes: defaults.maxMessageBytes,
    'tools.include': defaults.tools.include,
    'tools.exclude': defaults.tools.exclude,
    'timeouts.connect': durationText(defaults.timeouts.connectMs),
    'timeouts.initialize': durationText(defaults.timeouts.initializeMs),
    'timeouts.list': durationText(defaults.timeouts.listMs),
    'timeouts.call': durationText(defaults.timeouts.callMs),
    'health.interval': durationText(defaults.health.intervalMs),
    'health.timeout': durationText(defaults.health.timeoutMs),
    'concurrency.inFlight': defaults.concurrency.inFlight,
    'concurrency.queue': defaults.concurrency.queue,
    'trust.annotations': defaults.trust.annotations,
    'cache.enabled': defaults.cache.enabled,
    'oauth.registration': defaults.oauth.registration,
    'oauth.omitResource': defaults.oauth.omitResource,
    'oauth.assumeS256': defaults.oauth.assumeS256,
    'oauth.allowHosts': defaults.oauth.allowHosts,
    'cache.ttl': durationText(defaults.cache.ttlMs),
    'circuitBreaker.maxFailures': defaults.circuitBreaker.maxFailures,
    'circuitBreaker.timeout': durationText(defaults.circuitBreaker.timeoutMs),
    'circuitBreaker.maxHalfOpenRequests': defaults.circuitBreaker.maxHalfOpenRequests,
    'circuitBreaker.successThreshold': defaults.circuitBreaker.successThreshold,
    'circuitBreaker.failureRateThreshold': defaults.circuitBreaker.failureRateThreshold,
    'circuitBreaker.minSamples': defaults.circuitBreaker.minSamples,
    'log.level': defaultLogLevel,
    'metrics.host': defaultMetrics.host,
    'metrics.port': defaultMetrics.port,
    'cache.maxSize': defaults.cache.maxSize,
    'cache.policy': defaults.cache.policy,
  };
  return Object.hasOwn(known, name) ? known[name] : undefined;
}
