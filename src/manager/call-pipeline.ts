/** How a call travels: the policies around it, outermost first, on one screen. */

import type { Clock, Random } from '../core/clock.js';
import { McpctlError, notDelivered, toMcpctlError } from '../core/errors.js';
import type { Emitter } from '../core/events.js';
import type { Tracer } from '../core/tracing.js';
import type { CallToolResult, ProgressInfo, Tool } from '../mcp/connection.js';
import { deadline } from '../policy/deadline.js';
import { type Attempt, compose, type Policy } from '../policy/policy.js';
import { isRefusal, type RetryParts, retry } from '../policy/retry.js';
import { newCallId } from './call-id.js';
import { CallTrace } from './call-trace.js';
import type { Route } from './endpoint-set.js';
import type { ManagedServer } from './managed-server.js';
import { Delivery } from './safe-replay.js';
import type { ManagerEvent } from './server-status.js';

export interface ToolCall {
  readonly server: string;
  readonly tool: Tool;
  readonly args: Readonly<Record<string, unknown>>;
  readonly timeouts: { readonly callMs: number; readonly callTotalMs: number };
  /** Repeat it also when it may have run already. */
  readonly retryUnsafe?: boolean | undefined;
  /** Told the name of the call, before anything else happens. */
  readonly onCallId?: ((callId: string) => void) | undefined;
}

/** What is known of a call while it travels, whichever endpoints it is sent to. */
interface Travel {
  readonly callId: string;
  /** So far. */
  attempts: number;
}

export interface PipelineOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Emitter<ManagerEvent>;
  readonly server: Pick<ManagedServer, 'life' | 'endpoints' | 'config' | 'guards'>;
  /** Absent: nobody wants traces. */
  readonly tracer?: Tracer | undefined;
}

/**
 * Runs one tool call. Connecting has limits of its own, so it happens before the deadline begins to run; what a later try needs to
 * connect anew counts.
 *
 * @throws McpctlError; never a second execution that nobody asked for, see `Delivery`.
 */
export function runToolCall(call: ToolCall, attempt: Attempt, options: PipelineOptions): Promise<CallToolResult> {
  const { clock, random, events, server, tracer } = options;
  const { tool, args, timeouts } = call;
  const { bulkhead } = server.guards;
  const { trust } = server.config;
  const delivery = new Delivery({ server: call.server, tool, trust, insist: call.retryUnsafe === true });
  const travel: Travel = { callId: newCallId(random), attempts: 1 };
  call.onCallId?.(travel.callId);
  const observed = observe(call, travel, options);
  const trace = tracer && new CallTrace(tracer, { callId: travel.callId, tool: tool.name, config: server.config });
  const pipeline = compose(
    ...(trace ? [trace.around] : []),
    admitted(bulkhead, observed),
    reached(server, observed),
    observed,
    deadline(
      { idleMs: timeouts.callMs, totalMs: timeouts.callTotalMs, what: `call ${call.server}/${tool.name}`, server: call.server },
      clock,
    ),
    delivery.outcome,
    bulkhead.place,
    retry(repeats(call, { travel, delivery, trace }, options), { clock, random }),
    connected(server),
    firstDelivery(),
  );
  const route: Route = { tried: new Set() };
  return pipeline((current) => {
    const { touch } = current;
    const onProgress = ({ progress, total, message }: ProgressInfo) => {
      touch();
      events.emit({
        type: 'call-progress',
        server: call.server,
        tool: tool.name,
        callId: travel.callId,
        progress,
        total: total ?? null,
        message: message ?? null,
      });
    };
    // Which endpoint, its breaker, its pool, its connection.
    return server.endpoints.use({ tool: tool.name, route, attempt: current }, (connection, { signal }, endpoint) => {
      const send = () => connection.callTool(tool.name, args, { signal, tool, onProgress });
      const traced = trace ? () => trace.sending(connection, endpoint.config, send) : send;
      return delivery.send(connection, signal, traced);
    });
  }, attempt);
}

/** A call that is refused at once is a call all the same: listeners hear of it. */
function admitted(bulkhead: ManagedServer['guards']['bulkhead'], observed: Policy): Policy {
  return (operation, attempt) => {
    const refusal = bulkhead.refusal();
    return refusal ? observed(() => Promise.reject(refusal), attempt) : bulkhead.hold(operation, attempt);
  };
}

/** Waits for a connection; a call that gets none ends here, and listeners hear of it. */
function reached(server: PipelineOptions['server'], observed: Policy): Policy {
  const wait = connected(server);
  return async (operation, attempt) => {
    let isThere = false;
    try {
      return await wait((current) => {
        isThere = true;
        return operation(current);
      }, attempt);
    } catch (error) {
      if (isThere) throw error;
      return observed(() => Promise.reject(error), attempt);
    }
  };
}

/** Waits for a connection; without it, nothing behind it begins. */
function connected(server: PipelineOptions['server']): Policy {
  return async (operation, attempt) => {
    if (!server.life.current) {
      try {
        await server.life.connection(attempt.signal);
      } catch (error) {
        // What went wrong is the handshake: of the call itself the server has seen nothing.
        throw error instanceof McpctlError && error.delivered === 'maybe' ? notDelivered(error) : error;
      }
    }
    return operation(attempt);
  };
}

/** Tells listeners of the logical call: one event at its start, one at its end, however many tries it took. */
function observe({ server, tool }: ToolCall, travel: Travel, { clock, events }: PipelineOptions): Policy {
  const what = { server, tool: tool.name, callId: travel.callId };
  return async (operation, attempt) => {
    const startedAt = clock.now();
    const finished = (outcome: Extract<ManagerEvent, { type: 'call-finished' }>['outcome'], isSent: boolean) => {
      const durationMs = clock.now() - startedAt;
      events.emit({ type: 'call-finished', ...what, durationMs, attempts: travel.attempts, isSent, outcome });
    };
    events.emit({ type: 'call-started', ...what });
    try {
      const result = await operation(attempt);
      finished((result as CallToolResult).isError === true ? 'tool-error' : 'ok', true);
      return result;
    } catch (error) {
      const { code, delivered } = toMcpctlError(error);
      finished(code, delivered !== 'no');
      throw error;
    }
  };
}

function repeats(
  { server: name, tool }: ToolCall,
  { travel, delivery, trace }: { travel: Travel; delivery: Delivery; trace: CallTrace | undefined },
  { server, events }: PipelineOptions,
): RetryParts {
  const { config, guards } = server;
  return {
    options: config.retry.tools[tool.name] ?? config.retry,
    budget: guards.budget,
    successes: guards.successes,
    mayRepeat: delivery.mayRepeat,
    onRetry: ({ error, ...next }) => {
      travel.attempts = next.attempt;
      trace?.retrying({ ...next, error });
      events.emit({ type: 'call-retry', server: name, tool: tool.name, callId: travel.callId, code: error.code, ...next });
    },
  };
}

/**
 * A call that provably never reached the server (a forgotten session, a connection found dead before anything was sent)
 * has not been delivered yet: it is delivered on a new connection, at once and once. That is no repeat and no strategy applies.
 */
export function firstDelivery(): Policy {
  let isSpent = false;
  return async (operation, attempt) => {
    try {
      return await operation(attempt);
    } catch (error) {
      const isUndelivered = error instanceof McpctlError && error.delivered === 'no' && isDeadConnection(error);
      if (isSpent || !isUndelivered || attempt.signal.aborted) throw error;
      isSpent = true;
      return operation(attempt).catch((again: unknown) => {
        throw isRefusal(again) ? error : again;
      });
    }
  };
}

/** A dead or forgotten connection is replaced by a new one; a server that answered "not now" (429) would only say so again. */
function isDeadConnection({ code, details }: McpctlError): boolean {
  return (
    (code === 'UNAVAILABLE' || code === 'SERVER_EXITED') && (details?.status === undefined || details.reason === 'session-lost')
  );
}
