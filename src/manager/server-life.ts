/** What the manager sees of the life of a server, whether it has one address or several. */

import type { McpctlError } from '../core/errors.js';
import type { Connection } from '../mcp/connection.js';
import type { ErrorInfo, ServerState } from './server-state.js';

export interface ConnectOptions {
  /** A person wants to know, whatever was before. */
  readonly isProbe?: boolean;
}

export interface ServerLife extends AsyncDisposable {
  readonly state: ServerState;
  /** A live connection, if there is one. */
  readonly current: Connection | undefined;
  /** Attempts that failed in a row. */
  readonly failures: number;
  readonly lastError: ErrorInfo | null;
  /** A live connection: the present one, the one being made, or a new one. @throws McpctlError saying why there is none */
  connection(signal: AbortSignal, options?: ConnectOptions): Connection | Promise<Connection>;
  /** Starts an attempt, or joins the one that is running. */
  connect(options?: ConnectOptions): Promise<Connection>;
  /** Closes what is there and connects anew, as a user's wish. */
  reconnect(signal: AbortSignal): Promise<void>;
  enable(): void;
  disable(): Promise<void>;
  /** The connection ended, or is given up. */
  lost(connection: Connection, reason: McpctlError): void;
}
