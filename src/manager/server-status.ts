/** What `status` shows of a server, and the events a manager tells: the two shapes every listener and script relies on. */

import type { ServerSource } from '../config/schema.js';
import type { ErrorCode } from '../core/errors.js';
import type { TrafficBytes } from '../io/traffic.js';
import type { BreakerStatus } from '../policy/circuit-breaker.js';
import type { ConfigChange } from './config-change.js';
import type { PoolLeases } from './connection-pool.js';
import type { CacheFigures } from './server-cache.js';
import type { ErrorInfo, ServerStatusName } from './server-state.js';

/** `status --json`, one server (contract, section 3). Times are ISO 8601 UTC, durations end in `Ms`. */
export interface ServerStatus {
  readonly name: string;
  readonly transport: 'stdio' | 'http' | 'sse';
  /** The command line or URL, secrets masked. */
  readonly target: string;
  readonly source: ServerSource;
  readonly enabled: boolean;
  readonly status: ServerStatusName;
  readonly since: string;
  readonly lastCheckedAt: string | null;
  readonly lastError: ErrorInfo | null;
  /** Connection attempts that failed in a row. */
  readonly attempt: number;
  readonly retryAt: string | null;
  readonly generation: number;
  readonly health: 'healthy' | 'degraded' | 'unhealthy' | 'unknown';
  /** Of the server itself; tools may have breakers of their own (`breaker <server>`). */
  readonly breaker: BreakerStatus;
  /**
   * `none`: no login is stored, and none was asked for; `expiring`: about to be renewed; `expired`: renewed at the next use;
   * `required`: a person has to log in.
   */
  readonly auth: {
    readonly state: 'none' | 'valid' | 'expiring' | 'expired' | 'required';
    readonly expiresAt: string | null;
    readonly scopes: readonly string[];
    readonly account: string | null;
  };
  readonly protocol: { readonly version: string; readonly era: 'legacy' | 'modern' } | null;
  readonly serverInfo: { readonly name: string; readonly version: string } | null;
  readonly pid: number | null;
  readonly tools: number | null;
  readonly toolsAgeMs: number | null;
  /** Round trips of pings and lists over the last 50; null before the first. */
  readonly latencyMs: { readonly last: number; readonly p50: number; readonly p95: number } | null;
  /** Connections. `inUse`: with at least one call in flight; `waiting`: calls that wait for one. */
  readonly pool: { readonly open: number; readonly idle: number; readonly inUse: number; readonly waiting: number };
  /** Empty for a server with one. */
  readonly endpoints: readonly EndpointStatus[];
}

/** A server as a monitoring system sees it: its status, and what its parts have counted since the start. */
export interface ServerFigures {
  readonly status: ServerStatus;
  /** Whether a new token can be had without a person. */
  readonly isLoginRenewable: boolean;
  readonly leases: PoolLeases;
  readonly traffic: TrafficBytes;
  readonly cache: { readonly tools: CacheFigures; readonly results: CacheFigures };
}

/** One of several endpoints of a server. */
export interface EndpointStatus {
  /** Its secrets masked. */
  readonly target: string;
  readonly weight: number;
  readonly status: ServerStatusName;
  /** 1 = nothing went wrong lately, 0 = everything. */
  readonly healthScore: number;
  readonly breaker: BreakerStatus;
  /** Calls. */
  readonly inFlight: number;
  /** Why it gets no calls though it may be there; null = it gets its part. */
  readonly leftOut: string | null;
}

export type ManagerEvent =
  | {
      readonly type: 'server-state';
      readonly server: string;
      readonly from: ServerStatusName;
      readonly to: ServerStatusName;
      readonly error: ErrorInfo | null;
      readonly retryAt: string | null;
      /** Milliseconds the attempt took, for `connected` and `error`. */
      readonly durationMs: number | null;
    }
  | { readonly type: 'tools-changed'; readonly server: string; readonly count: number }
  /** The server was asked for its tools; `durationMs` includes a connection that had to be made. */
  | { readonly type: 'tools-listed'; readonly server: string; readonly durationMs: number; readonly ok: boolean }
  /** A line as the server wrote it. A very long one comes in pieces; `isCut`: the next event has more of it. */
  | { readonly type: 'server-stderr'; readonly server: string; readonly line: string; readonly isCut: boolean }
  /** A log message of the protocol, raw. `level`: the server's word for how bad it is. */
  | { readonly type: 'server-log'; readonly server: string; readonly level: string; readonly text: string }
  /** `callId` names one call in all of its events, retries and endpoints included. */
  | { readonly type: 'call-started'; readonly server: string; readonly tool: string; readonly callId: string }
  | {
      readonly type: 'call-progress';
      readonly server: string;
      readonly tool: string;
      readonly callId: string;
      readonly progress: number;
      readonly total: number | null;
      readonly message: string | null;
    }
  /** A call failed with `code` and is tried again after `waitMs`; `attempt` is the number of that try. */
  | {
      readonly type: 'call-retry';
      readonly server: string;
      readonly tool: string;
      readonly callId: string;
      readonly code: ErrorCode;
      readonly attempt: number;
      readonly maxAttempts: number;
      readonly waitMs: number;
    }
  | {
      readonly type: 'call-finished';
      readonly server: string;
      readonly tool: string;
      readonly callId: string;
      readonly durationMs: number;
      /** How often it was tried. */
      readonly attempts: number;
      /** False: it was refused, or there was no connection; its server has seen nothing of it. */
      readonly isSent: boolean;
      readonly outcome: 'ok' | 'tool-error' | ErrorCode;
    }
  | { readonly type: 'health-checked'; readonly server: string; readonly ok: boolean; readonly latencyMs: number | null }
  | {
      readonly type: 'breaker-changed';
      readonly server: string;
      /** Null: the breaker of the server itself. */
      readonly tool: string | null;
      readonly from: BreakerStatus['state'];
      readonly to: BreakerStatus['state'];
      /** ISO 8601 UTC; null while it is not open, and while it is held open by hand. */
      readonly openUntil: string | null;
      /** In a row, up to now. */
      readonly failures: number;
    }
  /** Somebody logged in, saved a token or logged out, or tried to. */
  | {
      readonly type: 'login-changed';
      readonly server: string;
      readonly what: 'login' | 'token' | 'logout';
      readonly outcome: 'ok' | ErrorCode;
    }
  | { readonly type: 'warning'; readonly server: string | null; readonly message: string }
  /** Servers of one file wait for an approval; `changed` names those that had one. Told at the start and when a file changes. */
  | {
      readonly type: 'approval-needed';
      readonly file: string;
      readonly servers: readonly string[];
      readonly changed: readonly string[];
    }
  /** A new configuration is in force. Three empty lists: after a problem, the files are valid again and say what they said. */
  | ({ readonly type: 'config-changed' } & ConfigChange)
  /** The files cannot be used as they are now; the last good configuration stays. Line and column are 0 for a file as a whole. */
  | {
      readonly type: 'config-problem';
      readonly message: string;
      readonly file: string | null;
      readonly line: number;
      readonly column: number;
    };
