/** The SDK's streamable HTTP transport, made to end: every request gets an answer or an error, and none fails because another did. */

import {
  isJSONRPCErrorResponse,
  isJSONRPCNotification,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  type RequestId,
  SdkHttpError,
  StreamableHTTPClientTransport,
  type StreamableHTTPClientTransportOptions,
  type TransportSendOptions,
} from '@modelcontextprotocol/client';
import type { Clock } from '../core/clock.js';
import { McpctlError } from '../core/errors.js';
import { sanitizeLine } from '../core/sanitize.js';
import type { HttpFetch } from '../io/http-fetch.js';
import { retryAfterMs } from '../io/retry-after.js';
import { failedAnswer } from './answer.js';
import { isEventStream, watchStream } from './http-stream-watch.js';
import { withinDepth } from './json-depth.js';
import { ResumePace } from './resume-pace.js';
import { closedByUs, type SessionTransport, sessionLost } from './session-transport.js';

/** How long the polite end of a session (DELETE) may take, in milliseconds. */
const terminateMs = 500;

/** How long a cancelled call waits for its cancellation to reach the server before its own exchange is closed, in milliseconds. */
const cancelMs = 100;

/** Nobody waits for the answer to a notification: a server that gives none must not keep the socket, in milliseconds. */
const notificationMs = 10_000;

/** Tells the fetch below which request it carries; never leaves the process. */
const exchangeHeader = 'x-mcpctl-exchange';

/** "Bad request" of servers that mean a session they do not know (the reference server of the protocol among them). */
const badSessionCode = -32000;

/** The SDK's two declarations of the same options differ in how they write "absent". */
type InnerSendOptions = NonNullable<Parameters<StreamableHTTPClientTransport['send']>[1]>;

export interface HttpTransportOptions {
  readonly server: string;
  readonly url: string;
  /** Go with every request to this URL. */
  readonly headers: Readonly<Record<string, string>>;
  readonly clock: Clock;
  /** Disposed of with the transport. */
  readonly http: HttpFetch;
}

/** A request without an answer yet. */
interface Exchange {
  readonly id: RequestId;
  /** Closes the HTTP exchange. */
  readonly abort: AbortController;
  /** The answer is to come on an event stream. */
  streams: boolean;
  /** The SDK asks for the era with it, and would take any error in answer for the word of an old server. */
  readonly isProbe: boolean;
  /** The answer came with HTTP 400. */
  isBad: boolean;
  /** When the server that refused it wants to be asked again. */
  retryAfterMs: number | undefined;
  /** Where that stream can be resumed, once the server has said so. */
  lastEventId: string | undefined;
  /** Tells whoever sent the request that nothing more comes. */
  readonly over: () => void;
}

export class HttpTransport implements SessionTransport {
  readonly kind = 'http';
  /** Tells the SDK that `requestSignal` is honoured here. */
  readonly hasPerRequestStream = true;
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  onmessage?: SessionTransport['onmessage'];
  onlost?: ((reason: McpctlError) => void) | undefined;
  readonly inner: StreamableHTTPClientTransport;
  readonly #open = new Map<string, Exchange>();
  #lost: McpctlError | undefined;
  #broken: McpctlError | undefined;

  constructor(readonly options: HttpTransportOptions) {
    const pace = new ResumePace(options.clock);
    const innerOptions: StreamableHTTPClientTransportOptions = {
      fetch: (url, init) => this.#fetch(url, init),
      requestInit: { headers: { ...options.headers } },
      // For streams that the server marks as resumable; a stream that is not fails its call at once.
      reconnectionOptions: {
        initialReconnectionDelay: 250,
        reconnectionDelayGrowFactor: 2,
        maxReconnectionDelay: 1000,
        maxRetries: 2,
      },
      reconnectionScheduler: (resume, delayMs) => pace.schedule(resume, delayMs),
    };
    this.inner = new StreamableHTTPClientTransport(new URL(options.url), innerOptions);
  }

  get sessionId(): string | undefined {
    return this.inner.sessionId;
  }

  setProtocolVersion(version: string): void {
    this.inner.setProtocolVersion(version);
  }

  async start(): Promise<void> {
    this.inner.onmessage = (received: JSONRPCMessage) => {
      const message = withinDepth(received, this.options.server);
      if (message === undefined) return;
      if (isJSONRPCErrorResponse(message)) {
        const exchange = this.#open.get(keyOf(message.id ?? ''));
        // The SDK hands the body of a 400 on without its status, which says that nothing was done.
        if (exchange?.isBad && message.error.code === badSessionCode) return this.#fail(exchange, refused(message.error.message));
      }
      if ((isJSONRPCResultResponse(message) || isJSONRPCErrorResponse(message)) && message.id !== undefined)
        this.#open.delete(keyOf(message.id));
      this.onmessage?.(message);
    };
    this.inner.onerror = (error) => {
      // The stream for server messages found out that the session, or the server, is gone: better now than at the next call.
      if (this.#isSessionLost(error)) this.#lose(sessionLost(this.options.server, error));
      else if (error instanceof McpctlError && error.code === 'UNAVAILABLE' && error.delivered === 'no') this.#lose(error);
      this.onerror?.(error);
    };
    await this.inner.start();
  }

  async send(message: JSONRPCMessage, options: TransportSendOptions = {}): Promise<void> {
    if (!isJSONRPCRequest(message)) return this.#notify(message, options);
    const key = keyOf(message.id);
    const onAbort = () => this.#release(exchange);
    const unwatch = () => options.requestSignal?.removeEventListener('abort', onAbort);
    const exchange: Exchange = {
      id: message.id,
      abort: new AbortController(),
      isProbe: message.method === 'server/discover' && typeof message.id === 'string',
      streams: false,
      isBad: false,
      retryAfterMs: undefined,
      lastEventId: undefined,
      over: () => {
        unwatch();
        options.onRequestStreamEnd?.();
      },
    };
    this.#open.set(key, exchange);
    options.requestSignal?.addEventListener('abort', onAbort, { once: true });
    try {
      await this.inner.send(message, {
        ...options,
        headers: { ...options.headers, [exchangeHeader]: key },
        requestSignal: exchange.abort.signal,
        onresumptiontoken: (token: string) => {
          exchange.lastEventId = token;
          options.onresumptiontoken?.(token);
        },
        onRequestStreamEnd: () => this.#fail(exchange, broken(this.options.server)),
      } as InnerSendOptions);
      if (exchange.streams) return;
      unwatch();
      this.#fail(exchange, unanswered(this.options.server));
    } catch (error) {
      unwatch();
      this.#open.delete(key);
      // The SDK keeps the status and the text of a refusal, and none of its headers.
      if (error instanceof SdkHttpError) Object.assign(error.data, { retryAfterMs: exchange.retryAfterMs });
      throw this.#isSessionLost(error) ? sessionLost(this.options.server, error) : error;
    }
  }

  /** Sends what expects no answer; a cancellation also closes the exchange of the request that it cancels. */
  async #notify(message: JSONRPCMessage, options: TransportSendOptions): Promise<void> {
    const { clock, http } = this.options;
    const isCancel = isJSONRPCNotification(message) && message.method === 'notifications/cancelled';
    const id = isCancel ? (message.params?.requestId as RequestId | undefined) : undefined;
    const exchange = id === undefined ? undefined : this.#open.get(keyOf(id));
    // Silence may mean that the server's machine is gone: then the connections that are kept lead nowhere either.
    if (exchange && !exchange.streams) http.closeIdle();
    const limit = new AbortController();
    const cancelLimit = clock.after(notificationMs, () => limit.abort(), { background: true });
    const sent = this.inner.send(message, { ...options, requestSignal: limit.signal } as InnerSendOptions).finally(cancelLimit);
    if (exchange) {
      // In the legacy era the end of the exchange alone cancels nothing, so the notification goes first.
      const release = () => this.#release(exchange);
      const cancelWait = clock.after(cancelMs, release);
      sent.then(release, release).finally(cancelWait);
    }
    await sent;
  }

  /** Answers in the server's stead, with the reason why its own answer will not come. */
  #fail(exchange: Exchange, error: McpctlError): void {
    exchange.over();
    if (!this.#open.delete(keyOf(exchange.id))) return;
    exchange.abort.abort();
    if (exchange.isProbe && error.code === 'UNAVAILABLE') {
      this.#broken = error;
      void this.close();
      return;
    }
    this.onmessage?.(failedAnswer(exchange.id, error));
  }

  #release(exchange: Exchange): void {
    exchange.abort.abort();
    this.#open.delete(keyOf(exchange.id));
  }

  async #fetch(url: string | URL, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    const key = headers.get(exchangeHeader);
    headers.delete(exchangeHeader);
    const token = headers.get('last-event-id');
    const exchange = key !== null ? this.#open.get(key) : token !== null ? this.#resumedBy(token) : undefined;
    const response = await this.options.http.fetch(url, { ...init, headers });
    if (exchange) exchange.isBad = response.status === 400;
    if (exchange && !response.ok) exchange.retryAfterMs = retryAfterMs(response.headers, this.options.clock.date());
    if (exchange && response.ok && isEventStream(response)) {
      exchange.streams = true;
      const onBroken = (error: unknown) => {
        if (!(error instanceof McpctlError)) return;
        // A stream that broke may be resumed; an answer that is too large stays too large.
        if (error.code !== 'UNAVAILABLE' || exchange.lastEventId === undefined) this.#fail(exchange, error);
      };
      watchStream(response, onBroken, token ?? undefined);
    }
    return response;
  }

  #resumedBy(token: string): Exchange | undefined {
    for (const exchange of this.#open.values()) if (exchange.lastEventId === token) return exchange;
    return undefined;
  }

  /** HTTP 404 while a session is open means that the server has forgotten it (2025-11-25, transports, "Session Management"). */
  #isSessionLost(error: unknown): boolean {
    if (!(error instanceof SdkHttpError) || this.inner.sessionId === undefined) return false;
    return error.status === 404 || (error.status === 400 && rpcCodeOf(error.data.text) === badSessionCode);
  }

  /** No new request has a chance here. Those under way may still be answered, so nothing is closed. */
  #lose(reason: McpctlError): void {
    if (this.#lost) return;
    this.#lost = reason;
    this.onlost?.(reason);
  }

  closeError(): McpctlError {
    return this.#broken ?? closedByUs(this.options.server);
  }

  #closing: Promise<void> | undefined;
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const sessionIsLive = this.inner.sessionId !== undefined && this.#lost === undefined;
    if (sessionIsLive) {
      const { clock } = this.options;
      let cancel = () => {};
      const patience = new Promise<void>((resolve) => {
        cancel = clock.after(terminateMs, resolve);
      });
      await Promise.race([this.inner.terminateSession().catch(() => {}), patience]);
      cancel();
    }
    for (const exchange of [...this.#open.values()]) this.#release(exchange);
    await this.inner.close();
    this.onclose?.();
    await this.options.http[Symbol.asyncDispose]();
  }
}

/** 1 and "1" are different ids. */
function keyOf(id: RequestId): string {
  return JSON.stringify(id);
}

function rpcCodeOf(text: unknown): unknown {
  try {
    return (JSON.parse(String(text)) as { error?: { code?: unknown } } | null)?.error?.code;
  } catch {
    return undefined;
  }
}

function broken(server: string): McpctlError {
  return new McpctlError('UNAVAILABLE', 'the connection broke before the answer came', {
    details: { reason: 'stream-broken' },
    hint: `mcpctl ping ${server}`,
    delivered: 'maybe',
  });
}

function refused(why: string): McpctlError {
  return new McpctlError('PROTOCOL', `it answered with HTTP 400: ${sanitizeLine(why, 300)}`, {
    details: { status: 400, reason: 'bad-request' },
    delivered: 'no',
  });
}

function unanswered(server: string): McpctlError {
  return new McpctlError('PROTOCOL', 'it accepted a request without answering it', {
    details: { reason: 'unanswered' },
    hint: `tell the author of the server; mcpctl config show says how "${server}" is reached`,
    delivered: 'maybe',
  });
}
