/** The older HTTP+SSE transport: one long event stream carries every answer, so its end is the end of the connection. */

import {
  type JSONRPCMessage,
  SdkErrorCode,
  SdkHttpError,
  SSEClientTransport,
  type SSEClientTransportOptions,
  SseError,
} from '@modelcontextprotocol/client';
import { McpctlError, rootMessage } from '../core/errors.js';
import { sanitizeLine } from '../core/sanitize.js';
import { retryAfterMs } from '../io/retry-after.js';
import { isEventStream, watchStream } from './http-stream-watch.js';
import type { HttpTransportOptions } from './http-transport.js';
import { withinDepth } from './json-depth.js';
import { closedByUs, type SessionTransport, sessionLost } from './session-transport.js';

export class SseTransport implements SessionTransport {
  readonly kind = 'sse';
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  onmessage?: SessionTransport['onmessage'];
  readonly inner: SSEClientTransport;
  /** What went wrong below the event source, which keeps only a text of it. */
  #failure: unknown;
  #ended: McpctlError | undefined;
  #isOpen = false;
  #giveUpStart: (reason: McpctlError) => void = () => {};

  constructor(readonly options: HttpTransportOptions) {
    const innerOptions: SSEClientTransportOptions = {
      fetch: (url, init) => this.#fetch(url, init),
      requestInit: { headers: { ...options.headers } },
    };
    this.inner = new SSEClientTransport(new URL(options.url), innerOptions);
  }

  setProtocolVersion(version: string): void {
    this.inner.setProtocolVersion(version);
  }

  /** @throws McpctlError when the stream cannot be opened, or is closed before it says its address; SseError with the status when the server refused it. */
  async start(): Promise<void> {
    this.inner.onmessage = (received: JSONRPCMessage) => {
      const message = withinDepth(received, this.options.server);
      if (message !== undefined) this.onmessage?.(message);
    };
    this.inner.onerror = (error) => {
      this.onerror?.(error);
      // The event source below would quietly open a new stream, on which the answers of the old one never come.
      if (this.#isOpen && error instanceof SseError) this.#end(error);
    };
    // The SDK's own start goes on waiting for ever when it is closed, and with it whoever comes next.
    const closed = new Promise<never>((_, reject) => {
      this.#giveUpStart = reject;
    });
    try {
      await Promise.race([this.inner.start(), closed]);
    } catch (error) {
      if (this.#failure instanceof McpctlError) throw this.#failure;
      if (error instanceof SseError || error instanceof McpctlError) throw error;
      throw new McpctlError(
        'PROTOCOL',
        `its event stream names an address that is not used: ${sanitizeLine(rootMessage(error), 300)}`,
        {
          cause: error,
          hint: 'the address for messages must have the origin of the configured url',
          details: { reason: 'foreign-endpoint' },
          delivered: 'no',
        },
      );
    }
    this.#isOpen = true;
  }

  async send(message: JSONRPCMessage): Promise<void> {
    try {
      await this.inner.send(message);
    } catch (error) {
      if (!this.#isOpen || !(error instanceof SdkHttpError) || error.status !== 404) throw error;
      // Its stream may look alive for long: a proxy between us can hold on to what is gone.
      throw sessionLost(this.options.server, error);
    }
  }

  async #fetch(url: string | URL, init: RequestInit = {}): Promise<Response> {
    const isPost = init.method === 'POST';
    let response: Response;
    try {
      response = await this.options.http.fetch(url, init);
    } catch (error) {
      if (!isPost) this.#failure = error;
      throw error;
    }
    if (isPost && !response.ok) {
      // The SDK would throw a plain error with the status in its text only.
      const { status, statusText } = response;
      const text = await response.text().catch(() => '');
      throw new SdkHttpError(SdkErrorCode.ClientHttpNotImplemented, `HTTP ${status}`, {
        status,
        statusText,
        text,
        retryAfterMs: retryAfterMs(response.headers, this.options.clock.date()),
      });
    }
    if (!isPost && isEventStream(response)) {
      watchStream(response, (error) => {
        this.#failure = error;
      });
    }
    return response;
  }

  closeError(): McpctlError {
    return this.#ended ?? closedByUs(this.options.server);
  }

  #end(cause: Error): void {
    const { server } = this.options;
    const failure = this.#failure instanceof McpctlError ? this.#failure : undefined;
    this.#ended ??= new McpctlError(
      failure?.code === 'TOO_LARGE' ? 'TOO_LARGE' : 'UNAVAILABLE',
      `Server "${server}" is unavailable: its event stream ended (${sanitizeLine(rootMessage(failure ?? cause), 200)})`,
      {
        server,
        cause: failure ?? cause,
        details: { reason: 'stream-broken' },
        hint: failure?.hint ?? `mcpctl ping ${server}`,
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
    this.#giveUpStart(this.closeError());
    await this.inner.close();
    this.onclose?.();
    await this.options.http[Symbol.asyncDispose]();
  }
}
