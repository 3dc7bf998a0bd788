/** The configuration as the rest of mcpctl sees it: typed, resolved, with every default, its unit and its source. */
import type { McpctlError } from '../core/errors.js';
import type { Layers } from './layers.js';
import type { LogOptions } from './log-level.js';
import type { MetricsOptions } from './metrics-endpoint.js';
import type { Places } from './paths.js';

/** Where a server was defined: the user's own file, the project's `.mcp.json`, or a file given with `-c`. */
export type ServerSource = 'user' | 'project' | 'flag';

/** Whether a definition may be used. Those of project files only after the user approved exactly this one; `changed` since then asks again. */
export type Approval = 'not-needed' | 'approved' | 'missing' | 'changed';

/** `auto` finds out and remembers; the others skip the probing. */
export type ProtocolChoice = 'auto' | 'legacy' | 'modern';

/** A program spoken to over its stdin and stdout. Every path is absolute, every variable expanded. */
export interface StdioDefinition {
  readonly type: 'stdio';
  /** A bare program name (looked up in PATH) or an absolute path. */
  readonly command: string;
  readonly args: readonly string[];
  /** Added to the child's environment; see `childEnvironment` for the whole of it. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute. */
  readonly cwd: string;
  /** The child gets the whole environment of mcpctl instead of the allow-list. */
  readonly inheritEnv: boolean;
}

/** A server spoken to over HTTP. `auto` tries streamable HTTP first, then the older SSE transport. */
export interface HttpDefinition {
  readonly type: 'http' | 'sse' | 'auto';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** PEM text of additional certificate authorities. */
  readonly ca?: string;
}

/** Whether the configuration itself says who we are. Names of headers know no case. */
export function hasAuthorization(headers: HttpDefinition['headers']): boolean {
  return Object.keys(headers).some((name) => name.toLowerCase() === 'authorization');
}

export type ServerDefinition = StdioDefinition | HttpDefinition;

export interface Timeouts {
  readonly connectMs: number;
  readonly initializeMs: number;
  readonly listMs: number;
  /** Silence allowed during one call; progress starts it anew. */
  readonly callMs: number;
  /** Hard end of one call; never below `callMs`. */
  readonly callTotalMs: number;
}

export interface HealthOptions {
  /** 0 = no checks. */
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** Which entry of a full cache goes first: the one unused for longest, the least used, the oldest, the soonest to expire. */
export type CachePolicy = 'lru' | 'lfu' | 'fifo' | 'ttl';

/** What is kept for later use: lists, and results of tools where that is asked for. */
export interface CacheOptions {
  readonly enabled: boolean;
  /** How long a list counts as fresh when its server does not say. */
  readonly ttlMs: number;
  /** Entries at most, lists and results together. */
  readonly maxSize: number;
  readonly policy: CachePolicy;
  /** Tools (globs) whose results are kept, if they are annotated read-only or idempotent; `null` = of none. */
  readonly results: { readonly tools: readonly string[]; readonly ttlMs: number } | null;
}

export interface ReconnectOptions {
  /** Up to this fraction of a waiting time is added at random. */
  readonly jitter: number;
}

/** How a failed call is repeated, where repeating it is safe. */
export interface RetryOptions {
  readonly strategy: 'exponential' | 'linear' | 'adaptive' | 'none';
  /** Before the second try. */
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
  /** Tries altogether. */
  readonly maxAttempts: number;
  /** The part of a wait that is left to chance: 0 = none of it, 1 = all of it. */
  readonly jitter: number;
}

export interface ServerRetry extends RetryOptions {
  /** Other values for single tools, each set complete. */
  readonly tools: Readonly<Record<string, RetryOptions>>;
}

export interface ConcurrencyOptions {
  /** Calls sent at the same time. */
  readonly inFlight: number;
  /** Calls that wait, for a place or for the connection. */
  readonly queue: number;
}

export interface TrustOptions {
  /** What its tools say of themselves (read-only, idempotent) decides whether a call may be repeated. */
  readonly annotations: boolean;
}

export interface StopOptions {
  /** Time between end of stdin and TERM; `null` = the default of the kind of run (one-shot or long-lived). */
  readonly graceMs: number | null;
  /** Program and arguments to run before the server is stopped; `null` = none. */
  readonly command: readonly string[] | null;
}

/** When calls are refused at once because most likely they would fail. */
export interface BreakerOptions {
  /** In a row. */
  readonly maxFailures: number;
  /** How long the first opening lasts; repeated ones last longer. */
  readonly timeoutMs: number;
  /** Requests at the same time that find out whether the server is back. */
  readonly maxHalfOpenRequests: number;
  /** Successes that close it again. */
  readonly successThreshold: number;
  /** Percent; more than this share of failures opens it as well. */
  readonly failureRateThreshold: number;
  /** Below this number the share says nothing. */
  readonly minSamples: number;
}

export interface CircuitBreakerOptions extends BreakerOptions {
  /** Tools with a breaker of their own: what fails there does not count for the server. */
  readonly tools: Readonly<Record<string, BreakerOptions>>;
}

/** One of the addresses of a server over HTTP. */
export interface EndpointAddress {
  readonly url: string;
  /** Its secrets masked. */
  readonly target: string;
  /** Its part of the calls; 0 = only when no other is left. */
  readonly weight: number;
}

export type Balance = 'round-robin' | 'least-connections' | 'weighted' | 'health' | 'response-time' | 'random' | 'priority';

/** Connections to one endpoint. */
export interface PoolLimits {
  /** Opened ahead, and not let go for being idle. */
  readonly min: number;
  /** At most, those being opened included. */
  readonly max: number;
  /** Idle ones beyond this are let go at once. */
  readonly maxIdle: number;
  /** An idle one is let go after this. */
  readonly maxIdleMs: number;
  /** One is let go at this age ± 10 %, as soon as nobody uses it: not all of them at the same time. */
  readonly maxLifetimeMs: number;
  /** How long a call waits for one before `OVERLOADED`. */
  readonly waitMs: number;
}

/** Globs over tool names. An empty `include` means every tool; `exclude` wins. */
export interface ToolFilter {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** Where the identity of this client comes from: `auto` tries them in this order, another word allows only that one. */
export type Registration = 'auto' | 'static' | 'cimd' | 'dcr';

/** How to log in to a server over HTTP. `null` = found out, or chosen, at the login. */
export interface OAuthOptions {
  readonly registration: Registration;
  readonly scopes: readonly string[] | null;
  /** The account that is used, when there are several; `null` = the one that logged in last. */
  readonly account: string | null;
  readonly clientId: string | null;
  /** Expanded; a secret. */
  readonly clientSecret: string | null;
  /** The variable that holds the secret: looked up at the login, because a stored login needs it no more. */
  readonly clientSecretEnv: string | null;
  /** Absolute path of a PEM file, for `private_key_jwt`. */
  readonly privateKeyFile: string | null;
  /** https:// address of a document that describes this client. */
  readonly clientMetadataUrl: string | null;
  /** The `resource` to ask for instead of the address of the server. */
  readonly resource: string | null;
  /** Ask for no `resource` at all, for authorization servers that refuse it. */
  readonly omitResource: boolean;
  /** Added to the address that is opened in the browser. */
  readonly authorizationParams: Readonly<Record<string, string>>;
  /** Both given: nothing is discovered. */
  readonly authEndpoint: string | null;
  readonly tokenEndpoint: string | null;
  /** The port of the callback, where the client needs a fixed one. */
  readonly callbackPort: number | null;
  /** Hosts in private networks that a login may contact. */
  readonly allowHosts: readonly string[];
  /** Log in although the authorization server does not say that it supports PKCE with S256; S256 is sent all the same. */
  readonly assumeS256: boolean;
}

export interface ServerConfig {
  readonly name: string;
  readonly source: ServerSource;
  readonly approval: Approval;
  /** Absolute path of the defining file. */
  readonly file: string;
  /** Where in that file the entry starts, counted from 1. */
  readonly position: Position;
  /** What counts: the file's value unless an override in the settings says otherwise. */
  readonly enabled: boolean;
  /** What the file says; differs from `enabled` when an override is in force. */
  readonly enabledInFile: boolean;
  /** What people see: the URL without its secrets, or the command line with secrets masked. */
  readonly target: string;
  /** With `problem` set, or without approval, this is the text as written: for display, never to connect with. */
  readonly definition: ServerDefinition;
  /** The definition with its secrets masked, for people. */
  readonly shown: ServerDefinition;
  readonly protocol: ProtocolChoice;
  readonly timeouts: Timeouts;
  readonly health: HealthOptions;
  readonly cache: CacheOptions;
  readonly reconnect: ReconnectOptions;
  readonly retry: ServerRetry;
  readonly concurrency: ConcurrencyOptions;
  readonly trust: TrustOptions;
  readonly circuitBreaker: CircuitBreakerOptions;
  readonly stop: StopOptions;
  readonly tools: ToolFilter;
  /** Of a server over HTTP, in the order of the configuration; the first is the one of `definition`. Empty for a program. */
  readonly endpoints: readonly EndpointAddress[];
  readonly balance: Balance;
  /** The server keeps nothing between calls: only then may a call go to any connection, and to any endpoint. */
  readonly stateless: boolean;
  readonly pool: PoolLimits;
  readonly oauth: OAuthOptions;
  /** Largest single message accepted from this server. */
  readonly maxMessageBytes: number;
  /** sha256 (hex) of the resolved definition and protocol: equal hash, equal server. */
  readonly hash: string;
  /** Why this server cannot be used: CONFIG_INVALID, e.g. for a missing variable, or UNTRUSTED; the other servers work. */
  readonly problem?: McpctlError;
}

/** Line and column in a file, both counted from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/**
 * One finding in a configuration file. A warning is shown, its key has no effect. An error ends the load,
 * unless it concerns one server only: then it is that server's `problem` and the others work.
 */
export interface ConfigProblem extends Position {
  readonly severity: 'error' | 'warning';
  readonly file: string;
  /** The place inside the file, e.g. `mcpServers.files.args[1]`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
}

export interface ConfigFile {
  /** Absolute. */
  readonly path: string;
  readonly source: ServerSource;
  /** False for a user file that is not there (yet). */
  readonly exists: boolean;
}

/** Where tokens are kept. `auto`: the keychain where there is one, an encrypted file otherwise. */
export type CredentialStore = 'auto' | 'keychain' | 'file' | 'memory';

export interface Config {
  readonly servers: ReadonlyMap<string, ServerConfig>;
  /** In the order read; a later file wins. */
  readonly files: readonly ConfigFile[];
  /** Warnings, and the errors that make one server unusable. Errors of a whole file are thrown by `loadConfig`. */
  readonly problems: readonly ConfigProblem[];
  /** Servers connected at the same time at start. */
  readonly startConcurrency: number;
  readonly credentialStore: CredentialStore;
  /** Of mcpctl itself; servers have logs of their own. */
  readonly log: LogOptions;
  readonly metrics: MetricsOptions;
  readonly places: Places;
  /** Values that must appear in no output. */
  readonly secrets: readonly string[];
  /** What all this was made of, for those who explain it or change it. */
  readonly layers: Layers;
}
