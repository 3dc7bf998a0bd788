/** Every default and every hard limit of a configuration, its unit in the name, its source beside it. */
import { retryPresets } from './retry-values.js';
import type { ServerConfig } from './schema.js';

const second = 1_000;
const minute = 60 * second;

/** Every default, its unit in the name, its source beside it. */
export const defaults = {
  timeouts: {
    /** TCP and TLS. MCP specification, lifecycle, "Timeouts": implementations SHOULD bound every request. */
    connectMs: 10 * second,
    /** From spawn to the answer of `initialize`: package runners download at the first start. */
    initializeMs: 60 * second,
    /** `*` + `/list` requests. */
    listMs: 30 * second,
    /** Idle limit of one call, reset by progress: the specification's SHOULD, the SDK's own default. */
    callMs: 60 * second,
    /** Hard limit of one call: progress MUST NOT keep a call alive for ever (specification). */
    callTotalMs: 10 * minute,
  },
  /** Design: a dead server is noticed within half a minute, a slow check never blocks a call. */
  health: { intervalMs: 30 * second, timeoutMs: 5 * second },
  /** Design: a list is believed for 5 minutes unless its server says otherwise; 100 entries, the longest unused goes first. */
  cache: { enabled: true, ttlMs: 5 * minute, maxSize: 100, policy: 'lru', results: null },
  /** Many servers that went down together do not come back at the same instant. */
  reconnect: { jitter: 0.5 },
  /** Production design: the preset `standard`. */
  retry: { ...retryPresets.standard, tools: {} },
  /** Envoy's order of size: enough for every client we know, and few enough to say no before the memory does. */
  concurrency: { inFlight: 64, queue: 256 },
  /** The protocol: annotations of a server that nobody vouches for are untrusted. */
  trust: { annotations: false },
  /** Production design: five failures in a row are no accident; half a minute is what a restart takes; three calls are a risk one can bear. */
  circuitBreaker: {
    maxFailures: 5,
    timeoutMs: 30 * second,
    maxHalfOpenRequests: 3,
    successThreshold: 2,
    failureRateThreshold: 50,
    minSamples: 10,
    tools: {},
  },
  /** `null`: 1 s in a long-lived process, 50 ms in a one-shot (measured: waiting longer costs 0.3 s a command). */
  stop: { graceMs: null, command: null },
  tools: { include: [], exclude: [] },
  balance: 'round-robin',
  stateless: false,
  /** Design decision 7: MCP multiplexes on a session, and servers keep state in it; more than one is for those that do not. */
  pool: { min: 0, max: 1, maxIdle: 1, maxIdleMs: 5 * minute, maxLifetimeMs: 30 * minute, waitMs: 30 * second },
  /** MCP specification, authorization: everything is found out from the server itself. */
  oauth: {
    registration: 'auto',
    scopes: null,
    account: null,
    clientId: null,
    clientSecret: null,
    clientSecretEnv: null,
    privateKeyFile: null,
    clientMetadataUrl: null,
    resource: null,
    omitResource: false,
    authorizationParams: {},
    authEndpoint: null,
    tokenEndpoint: null,
    callbackPort: null,
    allowHosts: [],
    assumeS256: false,
  },
  /** Measured: a 17 MiB answer already costs over 100 MB of memory while it is parsed. */
  maxMessageBytes: 16 * 1024 ** 2,
  protocol: 'auto',
} as const satisfies Pick<
  ServerConfig,
  | 'timeouts'
  | 'health'
  | 'cache'
  | 'reconnect'
  | 'retry'
  | 'concurrency'
  | 'circuitBreaker'
  | 'trust'
  | 'stop'
  | 'tools'
  | 'balance'
  | 'stateless'
  | 'pool'
  | 'oauth'
  | 'maxMessageBytes'
  | 'protocol'
>;

/** Of a server that is `stateless`. */
export const statelessPool = { max: 10, maxIdle: 5 } as const;

/** Hard limits of what a file may ask for. */
export const limits = {
  maxMessageBytes: 256 * 1024 ** 2,
  stopGraceMs: 30 * second,
  /** A longer wait is a mistake in the unit; timers end at 24 days anyway. */
  durationMs: 7 * 24 * 60 * minute,
  /** A file beyond this is not a configuration; parsing it would stall the start. */
  configFileBytes: 10 * 1024 ** 2,
} as const;

/** Parallel connects at start: 2 × cores, at least 4 (measured: starting a server is CPU-bound in the child). */
export function defaultStartConcurrency(cores: number): number {
  return Math.max(4, 2 * cores);
}
