/** The parts of a configuration that most files do not have. Each is built when a file has it, so that the others do not pay for it. */
import * as z from 'zod/mini';
import { logLevels } from './log-level.js';
import { isLoopback } from './metrics-endpoint.js';
import { checkOAuth, oauthShape } from './oauth-shape.js';
import { duration, flag, fraction, type PartIssue, text, wait, whole } from './shape-values.js';

const hour = 60 * 60 * 1000;
const second = 1000;

interface Part<S extends z.ZodMiniType> {
  /** The same schema every time. */
  readonly schema: () => S;
  /** Looks at values that fit the schema. */
  readonly check?: (value: z.infer<S>) => PartIssue[];
}

function part<S extends z.ZodMiniType>(build: () => S, check?: (value: z.infer<S>) => PartIssue[]): Part<S> {
  let built: S | undefined;
  return { schema: () => (built ??= build()), ...(check && { check }) };
}

const retryFields = () => ({
  strategy: z.optional(z.enum(['exponential', 'linear', 'adaptive', 'none'])),
  preset: z.optional(z.enum(['quick', 'standard', 'network', 'throttle'])),
  baseDelay: wait,
  maxDelay: wait,
  maxAttempts: whole(1, 100),
  jitter: fraction(0, 1),
});
const breakerFields = () => ({
  maxFailures: whole(1, 1_000_000),
  timeout: wait,
  maxHalfOpenRequests: whole(1, 1000),
  successThreshold: whole(1, 1000),
  failureRateThreshold: fraction(1, 100),
  minSamples: whole(1, 1_000_000),
});
const retry = () => z.object(retryFields());
const breaker = () => z.object(breakerFields());
const pool = part(
  () =>
    z.object({
      min: whole(0, 1000),
      max: whole(1, 1000),
      maxIdle: whole(0, 1000),
      maxIdleTime: wait,
      maxLifetime: wait,
      waitTimeout: wait,
    }),
  (value) => [...ordered(value, 'min', 'max'), ...ordered(value, 'min', 'maxIdle'), ...ordered(value, 'maxIdle', 'max')],
);
const cacheFields = () => ({
  enabled: flag,
  ttl: wait,
  maxSize: whole(1, 1_000_000),
  policy: z.optional(z.enum(['lru', 'lfu', 'fifo', 'ttl'])),
});
const results = () => z.object({ tools: z.array(z.string().check(z.minLength(1))).check(z.minLength(1)), ttl: wait });

/** Of a server. */
export const serverParts = {
  endpoints: part(
    () => z.array(z.object({ url: z.string().check(z.minLength(1)), weight: fraction(0, 1_000_000) })).check(z.minLength(1)),
    (endpoints) => {
      const issues = endpoints.flatMap(({ url }, index): PartIssue[] => {
        const first = endpoints.findIndex((other) => other.url === url);
        return first === index ? [] : [{ path: [index, 'url'], message: `the same address as endpoints[${first}]` }];
      });
      const isSilent = endpoints.every(({ weight }) => weight === 0);
      return isSilent ? [...issues, { path: [0, 'weight'], message: 'at least one weight must be above 0' }] : issues;
    },
  ),
  balance: part(() => z.enum(['round-robin', 'least-connections', 'weighted', 'health', 'response-time', 'random', 'priority'])),
  stateless: part(() => z.boolean()),
  retry: part(
    () => z.object({ ...retryFields(), tools: z.optional(z.record(z.string(), retry())) }),
    ({ tools, ...value }) => [...checkRetry(value), ...perTool(tools, checkRetry)],
  ),
  circuitBreaker: part(() => z.object({ ...breakerFields(), tools: z.optional(z.record(z.string(), breaker())) })),
  pool,
  concurrency: part(() => z.object({ inFlight: whole(1, 100_000), queue: whole(0, 1_000_000) })),
  cache: part(() => z.object({ ...cacheFields(), results: z.optional(results()) })),
  pin: part(() => z.boolean()),
  oauth: part(oauthShape, checkOAuth),
  trust: part(() => z.object({ annotations: flag })),
} as const;

/** Of `defaults`. */
export const defaultsParts = {
  retry: part(retry, checkRetry),
  circuitBreaker: part(breaker),
  pool,
  // Without `results`: whose results may be kept is a question about one server.
  cache: part(() => z.object(cacheFields())),
} as const;

/** Of the file. */
export const fileParts = {
  credentials: part(() => z.object({ store: z.optional(z.enum(['auto', 'keychain', 'file', 'memory'])) })),
  log: part(() => z.object({ level: z.optional(z.enum(logLevels)) })),
  metrics: part(
    () => z.object({ enabled: flag, host: text, port: whole(0, 65_535), token: text }),
    ({ host, token }) =>
      host !== undefined && token === undefined && !isLoopback(host)
        ? [{ path: ['host'], message: 'can be reached from other machines, so it needs "token" beside it' }]
        : [],
  ),
  state: part(
    () =>
      z.object({
        store: z.optional(z.enum(['embedded', 'redis'])),
        redis: z.optional(z.object({ url: text })),
        ttl: z.optional(duration({ minMs: second, maxMs: 365 * 24 * hour })),
      }),
    ({ store, redis }) =>
      store === 'redis' && redis?.url === undefined
        ? [{ path: ['redis', 'url'], message: 'is needed with "store": "redis"' }]
        : [],
  ),
} as const;

/** What a set of parts gives: every part optional, durations in milliseconds. */
export type PartsOf<P extends Record<string, Part<z.ZodMiniType>>> = {
  [K in keyof P]?: z.infer<ReturnType<P[K]['schema']>> | undefined;
};

export type Parts = Readonly<Record<string, Part<z.ZodMiniType>>>;

function checkRetry(value: z.infer<ReturnType<typeof retry>>): PartIssue[] {
  return ordered(value, 'baseDelay', 'maxDelay');
}

function perTool<T>(tools: Readonly<Record<string, T>> | undefined, check: (value: T) => PartIssue[]): PartIssue[] {
  return Object.entries(tools ?? {}).flatMap(([tool, value]) =>
    check(value).map((issue) => ({ ...issue, path: ['tools', tool, ...issue.path] })),
  );
}

/** The lower one must not be above the upper one. */
function ordered<K extends string>(value: { readonly [key in K]?: number | undefined }, low: K, high: K): PartIssue[] {
  const [from, to] = [value[low], value[high]];
  return from !== undefined && to !== undefined && from > to ? [{ path: [low], message: `must not be above "${high}"` }] : [];
}
