/** What a trace tells of work with a server: connecting, lists, calls, and the tries of a call. Only made where somebody wants traces. */

import type { ServerConfig } from '../config/schema.js';
import { type McpctlError, toMcpctlError } from '../core/errors.js';
import type { Attributes, RequestSpan, Span, Tracer } from '../core/tracing.js';
import type { Connection } from '../mcp/connection.js';
import type { Policy } from '../policy/policy.js';

/** One logical call with all of its tries (semantic conventions for MCP, client spans). */
export class CallTrace {
  #span: Span | undefined;
  #sends = 0;

  constructor(
    readonly tracer: Tracer,
    readonly what: { readonly callId: string; readonly tool: string; readonly config: ServerConfig },
  ) {}

  /** Around everything, waiting and connecting included. */
  readonly around: Policy = (operation, attempt) =>
    this.tracer.run(
      {
        methods: ['tools/call'],
        target: this.what.tool,
        attributes: {
          'gen_ai.operation.name': 'execute_tool',
          'gen_ai.tool.name': this.what.tool,
          'mcpctl.call.id': this.what.callId,
          ...serverAttributes(this.what.config),
        },
      },
      async (span) => {
        this.#span = span;
        const result = await operation(attempt);
        if ((result as { isError?: boolean }).isError === true) span.fail('tool_error');
        return result;
      },
    );

  /** One try, over a connection of the endpoint whose configuration this is. */
  async sending<T>(connection: Connection, endpoint: ServerConfig, send: () => Promise<T>): Promise<T> {
    const attempt = ++this.#sends;
    const place = addressOf(endpoint);
    this.#span?.set({ ...place, ...connectionAttributes(connection), 'mcpctl.attempts': attempt });
    this.#span?.event('attempt', { 'mcpctl.attempt': attempt, ...place });
    try {
      return await send();
    } catch (error) {
      this.#span?.event('attempt failed', { 'mcpctl.attempt': attempt, 'error.type': toMcpctlError(error).code });
      throw error;
    }
  }

  retrying({ attempt, waitMs, error }: { attempt: number; waitMs: number; error: McpctlError }): void {
    this.#span?.event('retry', { 'mcpctl.try': attempt, 'mcpctl.wait_ms': waitMs, 'error.type': error.code });
  }
}

/** Makes one connection. What is sent for it depends on what the server speaks, and on what is remembered. */
export function traceConnect(
  tracer: Tracer | undefined,
  config: ServerConfig,
  open: () => Promise<Connection>,
): Promise<Connection> {
  if (!tracer) return open();
  const span: RequestSpan = {
    methods: ['initialize', 'server/discover'],
    unsent: 'connect',
    attributes: serverAttributes(config),
  };
  return tracer.run(span, async (tracing) => {
    const connection = await open();
    tracing.set(connectionAttributes(connection));
    return connection;
  });
}

/** A request without arguments of a person: lists, pings. */
export function traceRequest<T>(
  tracer: Tracer | undefined,
  methods: RequestSpan['methods'],
  config: ServerConfig,
  work: () => Promise<T>,
): Promise<T> {
  return tracer ? tracer.run({ methods, attributes: serverAttributes(config) }, work) : work();
}

function serverAttributes(config: ServerConfig): Attributes {
  const isStdio = config.definition.type === 'stdio';
  return {
    'mcpctl.server': config.name,
    'network.transport': isStdio ? 'pipe' : 'tcp',
    'network.protocol.name': isStdio ? undefined : 'http',
    ...addressOf(config),
  };
}

/** Host and port alone: a path or a query may hold a key. */
function addressOf({ definition }: ServerConfig): Attributes {
  if (definition.type === 'stdio' || !URL.canParse(definition.url)) return {};
  const { hostname, port, protocol } = new URL(definition.url);
  return {
    'server.address': hostname.replace(/^\[|\]$/g, ''),
    'server.port': Number(port || (protocol === 'https:' ? 443 : 80)),
  };
}

/** Without `mcp.session.id`: whoever knows it can speak in the session. */
function connectionAttributes({ protocol }: Connection): Attributes {
  return { 'mcp.protocol.version': protocol.version };
}
