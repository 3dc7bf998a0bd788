/** One session with one server: opened here, whatever the transport and the protocol era, and disposed of by whoever opened it. */

import type { CallToolResult, Tool } from '@modelcontextprotocol/client';
import { childEnvironment } from '../config/child-environment.js';
import type { ServerConfig, StdioDefinition } from '../config/schema.js';
import type { Clock } from '../core/clock.js';
import { McpctlError } from '../core/errors.js';
import type { ProcessGroups, StopOptions } from '../io/process-group.js';
import { type EraVerdict, isStaleVerdict, planEra } from './era.js';
import { StdioTransport } from './stdio-transport.js';
import { runStopCommand } from './stop-command.js';

export type { CallToolResult, Tool };

export interface ToolPage {
  readonly tools: readonly Tool[];
  /** How long the server says the list stays true; null when it does not say. */
  readonly ttlMs: number | null;
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

export interface OpenOptions {
  readonly server: ServerConfig;
  readonly groups: ProcessGroups;
  /** The environment of mcpctl, of which servers get the allow-list. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stop: StopOptions;
  readonly clock: Clock;
  readonly clientVersion: string;
  /** What earlier runs found out. */
  readonly remembered: EraVerdict | undefined;
  /** Ends the attempt; whatever was opened is closed again. */
  readonly signal: AbortSignal;
  readonly onStderr?: (line: string) => void;
  readonly onWarning?: (message: string) => void;
  readonly onToolsChanged?: () => void;
}

/**
 * Connects to a server.
 *
 * @throws McpctlError `UNAVAILABLE`, `SERVER_EXITED`, `PROTOCOL`, `AUTH_REQUIRED`, `TIMEOUT`, or `signal.reason`.
 */
export function openConnection(options: OpenOptions): Promise<Connection> {
  const { definition } = options.server;
  if (definition.type !== 'stdio') return openHttp(options);
  return options.server.stop.command === null ? openStdio(options, definition) : openWithStopCommand(options, definition);
}

async function openWithStopCommand(options: OpenOptions, definition: StdioDefinition): Promise<Connection> {
  const connection = await openStdio(options, definition);
  const dispose = connection[Symbol.asyncDispose].bind(connection);
  let disposing: Promise<void> | undefined;
  const stopThenDispose = async () => {
    await runStopCommand(options.server, definition, childEnvironment(options.env, definition), options);
    await dispose();
  };
  connection[Symbol.asyncDispose] = () => (disposing ??= stopThenDispose());
  return connection;
}

async function openStdio(options: OpenOptions, definition: StdioDefinition): Promise<Connection> {
  const { server, clock, signal } = options;
  const plan = planEra(server.protocol, options.remembered, clock.date());
  const start = () => {
    const transport = new StdioTransport({
      groups: options.groups,
      server: server.name,
      spawn: {
        command: definition.command,
        args: definition.args,
        cwd: definition.cwd,
        env: childEnvironment(options.env, definition),
      },
      maxMessageBytes: server.maxMessageBytes,
      stop: options.stop,
      clock,
      ...(options.onStderr ? { onStderr: options.onStderr } : {}),
      ...(options.onWarning ? { onWarning: options.onWarning } : {}),
    });
    // The process boots while the SDK is imported; a failure to start is met again in openSession.
    transport.start().catch(() => {});
    return transport;
  };
  const first = start();
  const { openSession } = await import('./sdk-session.js');
  signal.throwIfAborted();
  if (plan.kind !== 'ask') {
    try {
      return await openSession(first, plan, options);
    } catch (error) {
      signal.throwIfAborted();
      // A server that has learnt the new protocol and forgotten the old one.
      if (plan.kind !== 'legacy' || server.protocol === 'legacy' || !isStaleVerdict(error)) throw error;
      return await openSession(start(), { kind: 'ask' }, options);
    }
  }

  // Some old servers exit, or go deaf, when the first thing they hear is not `initialize`. They get a second, fresh
  // process that hears nothing else. Half of the time is kept for it.
  const giveUp = new AbortController();
  const endWait = clock.after(server.timeouts.initializeMs / 2, () => {
    if (first.messagesReceived === 0) giveUp.abort(new McpctlError('TIMEOUT', `Server "${server.name}" did not answer`));
  });
  try {
    return await openSession(first, plan, { ...options, signal: AbortSignal.any([signal, giveUp.signal]) });
  } catch (error) {
    signal.throwIfAborted();
    const deaf = giveUp.signal.aborted;
    const exitedUnheard = error instanceof McpctlError && error.code === 'SERVER_EXITED' && first.messagesReceived === 0;
    if (!deaf && !exitedUnheard) throw error;
    return await openSession(start(), { kind: 'legacy' }, { ...options, starts: 2 });
  } finally {
    endWait();
  }
}

async function openHttp(options: OpenOptions): Promise<Connection> {
  const { openHttpSession } = await import('./http-session.js');
  return openHttpSession(options);
}
