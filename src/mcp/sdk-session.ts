/** A connection on top of the SDK's client: the one file that drives it. Loaded when the first server is already starting. */

import { Client, type ResponseCacheStore } from '@modelcontextprotocol/client';
import { McpctlError, notDelivered } from '../core/errors.js';
import { nameResultSchema } from './call-results.js';
import { ChangeSubscription } from './change-subscription.js';
import type { CallOptions, CallToolResult, Connection, OpenOptions, Tool, ToolPage } from './connection.js';
import { type EraPlan, type EraVerdict, modernVersion, probeTimeoutMs } from './era.js';
import { checkStructuredResult } from './json-schema.js';
import { boundLists } from './list-bounds.js';
import { type ErrorContext, fromSdkError, isEraMismatch, isOldAnswer } from './sdk-errors.js';
import { carryTraces, type SessionTransport } from './session-transport.js';

/** The deadlines are ours (policy/deadline, the connect deadline); the SDK's own timer is set where it cannot come first. */
const neverMs = 2 ** 31 - 1;

/** The SDK's own limit of pages is too small for servers with thousands of tools; ours are in list-bounds.ts. */
const listMaxPages = 0;

/** How long a server may take to take note of a subscription, in milliseconds. */
const listenMs = 10_000;

/** Lists are kept by the manager, with their age; a second copy in every client would only take memory. */
const noCache: ResponseCacheStore = { get: () => undefined, set: () => 0, delete: () => {}, evict: () => {}, clear: () => {} };

export interface SessionOptions
  extends Pick<OpenOptions, 'server' | 'clock' | 'clientVersion' | 'signal' | 'onToolsChanged' | 'onLog' | 'tracer'> {
  /** Processes or requests that it took to get here, for the count of exits. */
  readonly starts?: number;
  /** Who said who we are in the last request, for the words of a refusal. */
  readonly sent?: () => ErrorContext['sent'];
}

/** Negotiates a session over a transport that may be started already. Closes the transport when that fails. */
export async function openSession(transport: SessionTransport, plan: EraPlan, options: SessionOptions): Promise<Connection> {
  const { server, signal, tracer } = options;
  if (tracer) carryTraces(transport, tracer);
  const context: ErrorContext = {
    server: server.name,
    what: 'initialize',
    signal,
    get sent() {
      return options.sent?.();
    },
    closeError: () => transport.closeError(),
  };
  const client = new Client(
    { name: 'mcpctl', version: options.clientVersion },
    {
      capabilities: {},
      listMaxPages,
      responseCacheStore: noCache,
      versionNegotiation: {
        mode: plan.kind === 'pin-modern' ? { pin: modernVersion } : 'auto',
        probe: { timeoutMs: transport.kind === 'stdio' ? Math.min(probeTimeoutMs, server.timeouts.initializeMs) : neverMs },
      },
    },
  );
  boundLists(client, server.maxMessageBytes);
  nameResultSchema(client);
  const session = new SdkConnection(client, transport, options);
  // Closing the transport is what ends a negotiation: the SDK's probe does not listen to a signal.
  const onAbort = () => void transport.close();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    signal.throwIfAborted();
    // Also for a transport that was started earlier: a program that is missing is told here, with its own error.
    if (transport.kind === 'stdio') await transport.start();
    await client.connect(transport, {
      timeout: neverMs,
      signal,
      ...(plan.kind === 'legacy' ? { prior: plan } : {}),
      ...(plan.kind === 'modern' ? { prior: plan } : {}),
    });
    signal.throwIfAborted();
    session.opened(plan);
    return session;
  } catch (error) {
    const known = fromSdkError(error, context);
    await transport.close().catch(() => {});
    if (options.starts === undefined) throw known;
    const details = { ...known.details, starts: options.starts };
    throw new McpctlError(known.code, known.message, { ...known, cause: known.cause, details });
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

class SdkConnection implements Connection {
  readonly closed: Promise<McpctlError>;
  verified = true;
  #ended: McpctlError | undefined;
  #resolveClosed!: (reason: McpctlError) => void;
  #inFlight = 0;
  /** Disposed of while requests are under way that nobody may cut off: the last of them closes the transport. */
  #closesWhenIdle = false;
  readonly #bareTools = new WeakMap<Tool, Tool>();

  /** Calls by their progress token. */
  readonly #progress = new Map<number, CallOptions['onProgress']>();
  #lastProgressToken = 0;
  #subscription: ChangeSubscription | undefined;

  constructor(
    readonly client: Client,
    readonly transport: SessionTransport,
    readonly options: SessionOptions,
  ) {
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    client.onclose = () => this.#end(this.#closeReason());
    transport.onlost = (reason) => this.#end(reason);
    // Out-of-band errors (a stray message, a failed cancel) do not concern a call; what does is rejected there.
    client.onerror = () => {};
    // Progress goes to its call by a table of ours: the SDK's way copies the parameters of every call and costs 2 µs more.
    client.setNotificationHandler('notifications/progress', ({ params }) => {
      this.#progress.get(params.progressToken as number)?.(params);
    });
    const { onToolsChanged, onLog } = options;
    if (onLog) client.setNotificationHandler('notifications/message', ({ params }) => onLog(params));
    if (onToolsChanged) client.setNotificationHandler('notifications/tools/list_changed', () => onToolsChanged());
  }

  /** An old server may have died of the new era's first message: what was remembered of it is not believed again. */
  #closeReason(): McpctlError {
    const reason = this.transport.closeError();
    if (this.verified) return reason;
    const details = { ...reason.details, reason: 'era-changed' };
    return new McpctlError(reason.code, reason.message, { ...reason, cause: reason.cause, details });
  }

  opened(plan: EraPlan): void {
    this.verified = plan.kind !== 'modern';
    const { onToolsChanged, clock } = this.options;
    const announces = this.client.getServerCapabilities()?.tools?.listChanged === true;
    // An old server announces without being asked.
    if (!onToolsChanged || !announces || this.protocol.era !== 'modern' || this.#ended) return;
    this.#subscription = new ChangeSubscription({
      clock,
      listen: () => this.client.listen({ toolsListChanged: true }, { timeout: listenMs }),
      onGap: onToolsChanged,
      judge: (error) => {
        const { code, delivered } = this.#explain(error, 'subscriptions/listen', this.options.signal);
        if (code === 'UNAVAILABLE') return delivered === 'no' ? 'lost' : 'again';
        return code === 'TIMEOUT' ? 'again' : 'never';
      },
      onLost: (error) => this.#end(this.#explain(error, 'subscriptions/listen', this.options.signal)),
    });
  }

  get verdict(): EraVerdict {
    const kind = this.client.getProtocolEra() ?? 'legacy';
    return {
      kind,
      transport: this.transport.kind,
      discover: this.client.getDiscoverResult(),
      at: this.options.clock.date().getTime(),
    };
  }

  get protocol() {
    return {
      version: this.client.getNegotiatedProtocolVersion() ?? 'unknown',
      era: this.client.getProtocolEra() ?? ('legacy' as const),
    };
  }

  get serverInfo() {
    const info = this.client.getServerVersion();
    return info ? { name: info.name, version: info.version } : null;
  }

  get pid(): number | null {
    return this.transport.pid ?? null;
  }

  async listTools(signal: AbortSignal): Promise<ToolPage> {
    // The SDK answers for a server without tools by itself, and prints about it.
    if (!this.client.getServerCapabilities()?.tools) return { tools: [], ttlMs: null };
    const result = await this.#request('tools/list', signal, () =>
      this.client.listTools(undefined, { signal, timeout: neverMs, cacheMode: 'refresh' }),
    );
    const { ttlMs, cacheScope } = result as { ttlMs?: unknown; cacheScope?: unknown };
    return {
      tools: result.tools,
      ttlMs: typeof ttlMs === 'number' ? ttlMs : null,
      ...(cacheScope === 'public' ? { isPublic: true } : {}),
    };
  }

  async callTool(
    name: string,
    args: Readonly<Record<string, unknown>>,
    { signal, tool, onProgress }: CallOptions,
  ): Promise<CallToolResult> {
    const progressToken = ++this.#lastProgressToken;
    const params = { name, arguments: args, _meta: { progressToken } };
    const options = { signal, timeout: neverMs, toolDefinition: this.#withoutOutputSchema(tool) };
    this.#progress.set(progressToken, onProgress);
    try {
      const result = await this.#request('tools/call', signal, () => this.client.callTool(params, options));
      if (tool.outputSchema !== undefined) await checkStructuredResult(result, tool, this.options.server.name);
      return result;
    } finally {
      this.#progress.delete(progressToken);
    }
  }

  async ping(signal: AbortSignal): Promise<void> {
    try {
      await this.#request('ping', signal, () =>
        this.protocol.era === 'modern'
          ? this.client.discover({ signal, timeout: neverMs })
          : this.client.ping({ signal, timeout: neverMs }),
      );
    } catch (error) {
      if (error instanceof McpctlError && error.code === 'REQUEST_REFUSED') return;
      throw error;
    }
  }

  async #request<T>(what: string, signal: AbortSignal, send: () => Promise<T>): Promise<T> {
    // The session was known to be over before anything was sent.
    if (this.#ended) throw notDelivered(this.#ended);
    this.#inFlight++;
    try {
      const result = await send();
      this.verified = true;
      return result;
    } catch (error) {
      const known = this.#explain(error, what, signal);
      // These say that the session is gone, not only that this request failed.
      const isGone = known.code === 'UNAVAILABLE' && known.delivered === 'no' && known.details?.status === undefined;
      // Nor does a session outlive its login; a scope that is missing concerns one request.
      const isLoggedOut = known.code === 'AUTH_REQUIRED' && known.details?.scopes === undefined;
      if (isGone || isLoggedOut || known.details?.reason === 'era-changed') this.#end(known);
      throw known;
    } finally {
      this.#inFlight--;
      if (this.#inFlight === 0 && this.#closesWhenIdle) void this.#close();
    }
  }

  #explain(error: unknown, what: string, signal: AbortSignal): McpctlError {
    const server = this.options.server.name;
    const isModern = this.protocol.era === 'modern';
    const wasRun = isModern && !this.verified && isOldAnswer(error);
    if (wasRun || (isModern && isEraMismatch(error, { verified: this.verified, what }))) {
      return new McpctlError('UNAVAILABLE', `Server "${server}" no longer speaks the protocol it spoke before`, {
        server,
        cause: error,
        hint: wasRun ? `it may have done what was asked, in its own way; from now on the older protocol is used` : undefined,
        details: { reason: 'era-changed' },
        delivered: wasRun ? 'maybe' : 'no',
      });
    }
    return fromSdkError(error, {
      server,
      what,
      signal,
      sent: this.options.sent?.(),
      closeError: () => this.transport.closeError(),
    });
  }

  /** Structured results are checked by us: the SDK would compile the schema at every call and hide the payload behind an error. */
  #withoutOutputSchema(tool: Tool): Tool {
    if (tool.outputSchema === undefined) return tool;
    let bare = this.#bareTools.get(tool);
    if (!bare) {
      const { outputSchema: _, ...rest } = tool;
      bare = rest as Tool;
      this.#bareTools.set(tool, bare);
    }
    return bare;
  }

  #end(reason: McpctlError): void {
    if (this.#ended) return;
    this.#ended = reason;
    this.#subscription?.end();
    this.#resolveClosed(reason);
  }

  /**
   * Closes the session, once: at once when we end it. When the server had lost it, requests that it took before may still be
   * answered, and their failure would look like a lost answer: they go on to their own deadlines, and the last one closes.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    const wasLost = this.#ended !== undefined;
    this.#end(
      new McpctlError('UNAVAILABLE', `Server "${this.options.server.name}" was closed`, {
        server: this.options.server.name,
        delivered: 'maybe',
      }),
    );
    if (wasLost && this.#inFlight > 0 && !this.#closesWhenIdle) {
      this.#closesWhenIdle = true;
      return;
    }
    await this.#close();
  }

  async #close(): Promise<void> {
    await this.client.close().catch(() => {});
    await this.transport.close().catch(() => {});
  }
}
