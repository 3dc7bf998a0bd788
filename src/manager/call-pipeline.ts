/** How a call travels: the policies around it, outermost first, on one screen. */

import type { Clock } from '../core/clock.js';
import { McpctlError, toMcpctlError } from '../core/errors.js';
import type { Emitter } from '../core/events.js';
import type { CallToolResult, ProgressInfo, Tool } from '../mcp/connection.js';
import { deadline } from '../policy/deadline.js';
import { type Attempt, compose, type Policy } from '../policy/policy.js';
import type { ManagedServer } from './managed-server.js';
import type { ManagerEvent } from './server-status.js';

export interface ToolCall {
  readonly server: string;
  readonly tool: Tool;
  readonly args: Readonly<Record<string, unknown>>;
  readonly timeouts: { readonly callMs: number; readonly callTotalMs: number };
}

export interface PipelineOptions {
  readonly clock: Clock;
  readonly events: Emitter<ManagerEvent>;
  readonly server: Pick<ManagedServer, 'life' | 'use' | 'breakers'>;
}

/**
 * Runs one tool call: connected -> observe -> deadline -> first delivery -> breaker -> connection.
 * Connecting has limits of its own, so it happens before the deadline begins to run.
 *
 * @throws McpctlError; never a second execution: only what provably was not delivered is sent again.
 */
export function runToolCall(
  call: ToolCall,
  attempt: Attempt,
  { clock, events, server }: PipelineOptions,
): Promise<CallToolResult> {
  const { tool, args, timeouts } = call;
  const pipeline = compose(
    connected(server),
    observe(call, clock, events),
    deadline(
      { idleMs: timeouts.callMs, totalMs: timeouts.callTotalMs, what: `call ${call.server}/${tool.name}`, server: call.server },
      clock,
    ),
    firstDelivery,
    server.breakers.guard(tool.name),
  );
  return pipeline(({ signal, touch }) => {
    const onProgress = ({ progress, total, message }: ProgressInfo) => {
      touch();
      events.emit({
        type: 'call-progress',
        server: call.server,
        tool: tool.name,
        progress,
        total: total ?? null,
        message: message ?? null,
      });
    };
    return server.use(signal, (connection) => connection.callTool(tool.name, args, { signal, tool, onProgress }));
  }, attempt);
}

/** Waits for a connection; without it, nothing behind it begins. */
function connected(server: PipelineOptions['server']): Policy {
  return (operation, attempt) =>
    server.life.current
      ? operation(attempt)
      : Promise.resolve(server.life.connection(attempt.signal)).then(() => operation(attempt));
}

/** Tells listeners of the logical call: one event at its start, one at its end, however many deliveries it took. */
function observe({ server, tool }: ToolCall, clock: Clock, events: Emitter<ManagerEvent>): Policy {
  return async (operation, attempt) => {
    const startedAt = clock.now();
    const finished = (outcome: Extract<ManagerEvent, { type: 'call-finished' }>['outcome']) =>
      events.emit({ type: 'call-finished', server, tool: tool.name, durationMs: clock.now() - startedAt, outcome });
    events.emit({ type: 'call-started', server, tool: tool.name });
    try {
      const result = await operation(attempt);
      finished((result as CallToolResult).isError === true ? 'tool-error' : 'ok');
      return result;
    } catch (error) {
      finished(toMcpctlError(error).code);
      throw error;
    }
  };
}

/**
 * A call that provably never reached the server (a forgotten session, a connection found dead before anything was sent)
 * has not been delivered yet: it is delivered once more, on a new connection. Anything else is never repeated.
 */
export const firstDelivery: Policy = async (operation, attempt) => {
  try {
    return await operation(attempt);
  } catch (error) {
    const undelivered = error instanceof McpctlError && error.delivered === 'no' && isWorthAnotherTry(error);
    if (!undelivered || attempt.signal.aborted) throw error;
    return operation({ ...attempt, attempt: attempt.attempt + 1 });
  }
};

/** A dead or forgotten connection is replaced by a new one; a server that answered "not now" (429) would only say so again. */
function isWorthAnotherTry({ code, details }: McpctlError): boolean {
  return (
    (code === 'UNAVAILABLE' || code === 'SERVER_EXITED') && (details?.status === undefined || details.reason === 'session-lost')
  );
}
