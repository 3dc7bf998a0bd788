/** The SDK's HTTP transports, made to end: a broken stream fails its call at once, a cancelled call frees its socket, a lost session is told. */

import {
  isJSONRPCErrorResponse,
  isJSONRPCNotification,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  type RequestId,
  SdkHttpError,
  type SSEClientTransport,
  type StreamableHTTPClientTransport,
  type TransportSendOptions,
} from '@modelcontextprotocol/client';
import type { Clock } from '../core/clock.js';
import { McpctlError, rootMessage } from '../core/errors.js';
import { sanitizeLine } from '../core/sanitize.js';
import type { SessionTransport } from './sdk-session.js';

/** How long the polite end of a session (DELETE) may take. */
const terminateMs = 500;

/** The SDK's two declarations of the same options differ in how they write "absent". */
type InnerSendOptions = NonNullable<Parameters<StreamableHTTPClientTransport['send']>[1]>;

interface HttpTransportOptions {
  readonly server: string;
  readonly clock: Clock;
  /** Closes the sockets below. */
  readonly release: () => Promise<void>;
}

/** Streamable HTTP. Requests are followed one by one, which the SDK does in the modern era only. */
export class HttpTransport implements SessionTransport {
  readonly kind = 'http';
  /** Tells the SDK that `requestSignal` is honoured here. */
  readonly hasPerRequestStream = true;
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  onmessage?: SessionTransport['onmessage'];
  /** Requests without an answer yet; aborting one closes its HTTP exchange. */
  readonly #open = new Map<RequestId, AbortController>();
  #ended: McpctlError | undefined;

  constructor(
    readonly inner: StreamableHTTPClientTransport,
    readonly options: HttpTransportOptions,
  ) {}

  get sessionId(): string | undefined {
    return this.inner.sessionId;
  }

  setProtocolVersion(version: string): void {
    this.inner.setProtocolVersion(version);
  }

  async start(): Promise<void> {
    this.inner.onmessage = (message: JSONRPCMessage) => {
      if ((isJSONRPCResultResponse(message) || isJSONRPCErrorResponse(message)) && message.id !== undefined)
        this.#open.delete(message.id);
      this.onmessage?.(message);
    };
    this.inner.onerror = (error) => {
      // The stream for server messages found out that the session, or the server, is gone: better now than at the next call.
      if (this.#isSessionLost(error)) this.#end(this.#sessionLost(error));
      else if (error instanceof McpctlError && error.code === 'UNAVAILABLE' && error.delivered === 'no') this.#end(error);
      this.onerror?.(error);
    };
    await this.inner.start();
  }

  async send(message: JSONRPCMessage, options: TransportSendOptions = {}): Promise<void> {
    if (!isJSONRPCRequest(message)) {
      await this.inner.send(message, options as InnerSendOptions);
      if (isJSONRPCNotification(message) && message.method === 'notifications/cancelled') {
        const id = message.params?.requestId as RequestId | undefined;
        if (id !== undefined) this.#release(id);
      }
      return;
    }
    const { id } = message;
    const exchange = new AbortController();
    this.#open.set(id, exchange);
    const onAbort = () => this.#release(id);
    options.requestSignal?.addEventListener('abort', onAbort, { once: true });
    try {
      await this.inner.send(message, {
        ...options,
        requestSignal: exchange.signal,
        onRequestStreamEnd: () => {
          options.requestSignal?.removeEventListener('abort', onAbort);
          options.onRequestStreamEnd?.();
          this.#failUnanswered(id);
        },
      } as InnerSendOptions);
    } catch (error) {
      options.requestSignal?.removeEventListener('abort', onAbort);
      this.#open.delete(id);
      if (this.#isSessionLost(error)) throw this.#sessionLost(error);
      throw error;
    }
  }

  /** Answers in the server's stead when the stream that was to carry the answer has ended without it. */
  #failUnanswered(id: RequestId): void {
    if (!this.#open.delete(id)) return;
    const lost = new McpctlError('UNAVAILABLE', 'the connection broke before the answer came', {
      details: { reason: 'stream-broken' },
      hint: `mcpctl ping ${this.options.server}`,
      delivered: 'maybe',
    });
    this.onmessage?.({ jsonrpc: '2.0', id, error: { code: -32000, message: lost.message, data: lost } });
  }

  #release(id: RequestId): void {
    this.#open.get(id)?.abort();
    this.#open.delete(id);
  }

  /** HTTP 404 while a session is open means that the server has forgotten it (2025-11-25, transports, "Session Management"). */
  #isSessionLost(error: unknown): boolean {
    return error instanceof SdkHttpError && error.status === 404 && this.inner.sessionId !== undefined;
  }

  #sessionLost(cause: unknown): McpctlError {
    return new McpctlError('UNAVAILABLE', `Server "${this.options.server}" has forgotten the session`, {
      server: this.options.server,
      cause,
      details: { reason: 'session-lost' },
      delivered: 'no',
    });
  }

  closeError(): McpctlError {
    return this.#ended ?? closedByUs(this.options.server);
  }

  #end(reason: McpctlError): void {
    if (this.#ended) return;
    this.#ended = reason;
    void this.close();
  }

  #closing: Promise<void> | undefined;
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const sessionIsLive = this.inner.sessionId !== undefined && this.#ended === undefined;
    if (sessionIsLive) {
      const { clock } = this.options;
      let cancel = () => {};
      const patience = new Promise<void>((resolve) => {
        cancel = clock.after(terminateMs, resolve);
      });
      await Promise.race([this.inner.terminateSession().catch(() => {}), patience]);
      cancel();
    }
    for (const id of [...this.#open.keys()]) this.#release(id);
    await this.inner.close();
    this.onclose?.();
    await this.options.release();
  }
}

/** The older HTTP+SSE transport: one long event stream carries every answer, so its end is the end of the connection. */
export class SseTransport implements SessionTransport {
  readonly kind = 'sse';
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  onmessage?: SessionTransport['onmessage'];
  #ended: McpctlError | undefined;
  #isOpen = false;

  constructor(
    readonly inner: SSEClientTransport,
    readonly options: HttpTransportOptions,
  ) {}

  setProtocolVersion(version: string): void {
    this.inner.setProtocolVersion(version);
  }

  async start(): Promise<void> {
    this.inner.onmessage = (message: JSONRPCMessage) => this.onmessage?.(message);
    this.inner.onerror = (error) => {
      this.onerror?.(error);
      // The event source below would quietly open a new stream, on which the answers of the old one never come.
      if (this.#isOpen && error.name !== 'SyntaxError') this.#end(error);
    };
    await this.inner.start();
    this.#isOpen = true;
  }

  async send(message: JSONRPCMessage): Promise<void> {
    await this.inner.send(message);
  }

  closeError(): McpctlError {
    return this.#ended ?? closedByUs(this.options.server);
  }

  #end(cause: Error): void {
    this.#ended ??= new McpctlError(
      'UNAVAILABLE',
      `Server "${this.options.server}" is unavailable: its event stream ended (${sanitizeLine(rootMessage(cause), 200)})`,
      {
        server: this.options.server,
        cause,
        details: { reason: 'stream-broken' },
        hint: `mcpctl ping ${this.options.server}`,
        delivered: 'maybe',
      },
    );
    void this.close();
  }

  #closing: Promise<void> | undefined;
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.inner.close();
    this.onclose?.();
    await this.options.release();
  }
}

function closedByUs(server: string): McpctlError {
  return new McpctlError('UNAVAILABLE', `The connection to "${server}" was closed`, {
    server,
    details: { reason: 'closed' },
    delivered: 'maybe',
  });
}
