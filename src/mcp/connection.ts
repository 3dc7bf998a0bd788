/** One session with one server, as the layers above see it: who opened it disposes of it. */

import type { CallToolResult, Tool } from '@modelcontextprotocol/client';
import type { ServerConfig } from '../config/schema.js';
import type { Clock } from '../core/clock.js';
import type { McpctlError } from '../core/errors.js';
import type { Tracer } from '../core/tracing.js';
import type { ProcessGroups, StopOptions, StoppedBy } from '../io/process-group.js';
import type { Traffic } from '../io/traffic.js';
import type { EraVerdict } from './era.js';

export type { CallToolResult, Tool };

export interface ToolPage {
  readonly tools: readonly Tool[];
  /** How long the server says the list stays true: 0 or more; null when it does not say. */
  readonly ttlMs: number | null;
  /** The server says that everybody gets this list. */
  readonly isPublic?: true;
}

/** As the protocol has it. */
export interface ProgressInfo {
  readonly progress: number;
  readonly total?: number | undefined;
  readonly message?: string | undefined;
}

export interface CallOptions {
  readonly signal: AbortSignal;
  /** The definition from the list: needed for header mirroring and for the check of structured results. */
  readonly tool: Tool;
  /** Called at every progress notification; asking for them is part of the call. */
  readonly onProgress: (progress: ProgressInfo) => void;
}

export interface Connection extends AsyncDisposable {
  readonly verdict: EraVerdict;
  readonly protocol: { readonly version: string; readonly era: 'legacy' | 'modern' };
  readonly serverInfo: { readonly name: string; readonly version: string } | null;
  readonly pid: number | null;
  /** False when the session was adopted from memory and nothing has come back from the server yet. */
  readonly verified: boolean;
  /** Resolves once, with the reason, when the session ends: lost, closed by the server, or disposed of. */
  readonly closed: Promise<McpctlError>;
  listTools(signal: AbortSignal): Promise<ToolPage>;
  callTool(name: string, args: Readonly<Record<string, unknown>>, options: CallOptions): Promise<CallToolResult>;
  /** Any answer is a sign of life, a refusal included. */
  ping(signal: AbortSignal): Promise<void>;
}

/** A server's "no" to a request, which proves that nothing was done. */
export interface Refusal {
  /** What the request carried; undefined when it carried nothing. */
  readonly token: string | undefined;
  readonly status: 401 | 403;
  /** The header WWW-Authenticate, as it came. */
  readonly challenge: string | null;
  /** The request carried a new token already, and is not sent again. */
  readonly isRepeat: boolean;
}

/** Who says who we are: asked for every request. @throws McpctlError `AUTH_REQUIRED`, `AUTH_UNAVAILABLE`, `AUTH_FAILED`, `CREDENTIAL_STORE`; `signal.reason` */
export interface Credentials {
  /** The bearer token for the next request, renewed where its time is nearly over; undefined when there is none. */
  token(signal: AbortSignal): Promise<string | undefined>;
  /** @returns another token, with which the request is sent once more; undefined when the refusal stands */
  refused(refusal: Refusal, signal: AbortSignal): Promise<string | undefined>;
}

export interface OpenOptions {
  readonly server: ServerConfig;
  readonly groups: ProcessGroups;
  /** The environment of mcpctl, of which servers get the allow-list. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** For a program; read when it is stopped. */
  readonly stop: StopOptions;
  /** Told what it took to end a program. */
  readonly onStopped?: (by: StoppedBy) => void;
  readonly clock: Clock;
  readonly clientVersion: string;
  /** What earlier runs found out. */
  readonly remembered: Promise<EraVerdict | undefined>;
  /** What is stored to log in to a server over HTTP; absent for one that takes none of it. */
  readonly credentials?: Credentials | undefined;
  /** Ends the attempt; whatever was opened is closed again. */
  readonly signal: AbortSignal;
  /** Counts what goes over the sockets or pipes of the connection. */
  readonly traffic?: Traffic | undefined;
  readonly onStderr?: (line: string, isCut: boolean) => void;
  /** A log message of the protocol, raw; `data` is whatever JSON the server chose. */
  readonly onLog?: (message: { readonly level: string; readonly logger?: string | undefined; readonly data: unknown }) => void;
  readonly onWarning?: (message: string) => void;
  readonly onToolsChanged?: () => void;
  /** Puts the context of a trace into what is sent; absent: nobody wants traces. */
  readonly tracer?: Tracer | undefined;
}
