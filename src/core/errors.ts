/** The errors of mcpctl: stable codes, their exit codes, and whether a request may have reached its server. */

/** Every error code a user or script can meet, with the exit code of the process (contract, section 3). */
export const exitCodes = {
  INTERNAL: 1,
  USAGE: 2,
  UNKNOWN_SERVER: 2,
  UNKNOWN_TOOL: 2,
  AMBIGUOUS_TOOL: 2,
  INVALID_INPUT: 2,
  AUTH_REQUIRED: 3,
  AUTH_FAILED: 3,
  AUTH_DENIED: 3,
  AUTH_UNAVAILABLE: 3,
  CREDENTIAL_STORE: 3,
  UNAVAILABLE: 4,
  SERVER_EXITED: 4,
  CRASH_LOOP: 4,
  SERVER_DISABLED: 4,
  PROTOCOL: 4,
  TOO_LARGE: 4,
  NO_MANAGER: 4,
  TOOL_ERROR: 5,
  REQUEST_REFUSED: 5,
  TIMEOUT: 6,
  CIRCUIT_OPEN: 7,
  OVERLOADED: 7,
  OUTCOME_UNKNOWN: 8,
  CONFIG_INVALID: 9,
  UNTRUSTED: 9,
  CANCELLED: 130,
} as const;

export type ErrorCode = keyof typeof exitCodes;

/**
 * Whether a failed request can have been executed: `no` when it provably never reached the server's handler,
 * `maybe` otherwise. Only `no` may be repeated without asking (design decision 5).
 */
export type Delivered = 'no' | 'maybe';

export interface McpctlErrorOptions {
  readonly cause?: unknown;
  /** The next command to type, or the one thing to change. */
  readonly hint?: string | undefined;
  /** The configured name of the server the error is about. */
  readonly server?: string | undefined;
  /** Structured evidence for scripts; JSON values only. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  readonly delivered?: Delivered | undefined;
}

/** What went wrong, for a person (`message`), a script (`code`, `details`) and the next step (`hint`). */
export class McpctlError extends Error {
  override readonly name = 'McpctlError';
  readonly hint: string | undefined;
  readonly server: string | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;
  readonly delivered: Delivered | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: McpctlErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.hint = options.hint;
    this.server = options.server;
    this.details = options.details;
    this.delivered = options.delivered;
  }
}

/** The signals that end mcpctl, with the exit code a shell expects for each. */
export const signalExitCodes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
export type EndSignal = keyof typeof signalExitCodes;

/** A caller or a signal ended the work. The signal decides the exit code. */
export function cancelled(signal: EndSignal = 'SIGINT', options: McpctlErrorOptions = {}): McpctlError {
  return new McpctlError('CANCELLED', 'Cancelled', { ...options, details: { signal, ...options.details } });
}

/** The same error, about a request of which the server has seen nothing. */
export function notDelivered(error: McpctlError): McpctlError {
  const { code, message, hint, server, details } = error;
  return new McpctlError(code, message, { cause: error, hint, server, details, delivered: 'no' });
}

/** The same error with more evidence in its `details`. */
export function withDetails(error: McpctlError, more: NonNullable<McpctlErrorOptions['details']>): McpctlError {
  const { code, message, cause, hint, server, details, delivered } = error;
  const copy = new McpctlError(code, message, { cause, hint, server, details: { ...details, ...more }, delivered });
  if (error.stack !== undefined) copy.stack = error.stack;
  return copy;
}

/** The exit code of the process for an error. */
export function exitCodeFor(error: unknown): number {
  if (!(error instanceof McpctlError)) return exitCodes.INTERNAL;
  if (error.code === 'CANCELLED') return signalExitCodes[(error.details?.signal as EndSignal | undefined) ?? 'SIGINT'];
  return exitCodes[error.code];
}

/** Anything thrown, as an error of ours. A foreign error is a bug in mcpctl: its message is kept, its code is `INTERNAL`. */
export function toMcpctlError(error: unknown): McpctlError {
  if (error instanceof McpctlError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new McpctlError('INTERNAL', message, {
    cause: error,
    hint: 'this is a bug in mcpctl; run again with --verbose for the stack',
  });
}

/** The innermost useful text of an error: follows `cause` and the first of an AggregateError, e.g. `connect ECONNREFUSED 127.0.0.1:9`. */
export function rootMessage(error: unknown): string {
  let current = error;
  for (let depth = 0; depth < 8; depth++) {
    if (current instanceof AggregateError && current.errors.length > 0) current = current.errors[0];
    else if (current instanceof Error && current.cause !== undefined) current = current.cause;
    else break;
  }
  return current instanceof Error ? current.message || current.name : String(current);
}

/** Closes every exhaustive `switch`. */
export function unreachable(value: never): never {
  throw new McpctlError('INTERNAL', `Unexpected value: ${JSON.stringify(value)}`);
}
