/** One request and its response on `node:http`: settles exactly once, and leaves no listener, timer or socket behind. */
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import type { Cancel, Clock } from '../core/clock.js';
import { McpctlError } from '../core/errors.js';
import { type AbortTarget, unwatchAbort, watchAbort } from './abort-hub.js';
import type { HttpAgents, Route } from './http-agent.js';
import { type BodyOwner, ResponseBody } from './http-body.js';
import { encodingOf } from './http-decode.js';
import { networkError, tooLargeError } from './http-errors.js';
import { headerLines, type OutgoingBody, type Target } from './http-request.js';
import { HttpResponse } from './http-response.js';
import { proxyFailure, proxyRefusal } from './proxy-tunnel.js';

/** What all exchanges of one fetch have in common. */
export interface ExchangeContext {
  readonly agents: HttpAgents;
  readonly clock: Clock;
  readonly maxBodyBytes: number;
  readonly maxErrorBodyBytes: number;
  readonly maxHeaderBytes: number;
  readonly headersTimeoutMs: number | undefined;
  /** The exchanges under way, to be aborted when the fetch is disposed of. */
  readonly live: Set<AbortTarget>;
}

export interface ExchangeRequest {
  readonly target: Target;
  readonly method: string;
  readonly headers: RequestInit['headers'];
  readonly body: OutgoingBody | undefined;
  readonly signal: AbortSignal | null | undefined;
  readonly redirected: boolean;
}

/** Longest wait for the end of a body that nobody reads, before its socket is given up. */
const drainTimeoutMs = 500;
const eventStream = /^\s*text\/event-stream\s*(?:;|$)/i;

export class Exchange implements AbortTarget, BodyOwner {
  #request: ClientRequest | undefined;
  #route: Route | undefined;
  #body: ResponseBody | undefined;
  #isOver = false;
  #cancelTimer: Cancel | undefined;
  #resolve!: (response: HttpResponse) => void;
  #reject!: (error: unknown) => void;

  constructor(
    private readonly context: ExchangeContext,
    private readonly init: ExchangeRequest,
  ) {}

  /** @throws McpctlError for every failure; `signal.reason` at once on abort. */
  send(): Promise<HttpResponse> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      const { context, init } = this;
      context.live.add(this);
      if (init.signal) watchAbort(init.signal, this);
      if (context.headersTimeoutMs !== undefined) this.#limitWait(context.headersTimeoutMs);
      try {
        this.#open();
      } catch (error) {
        this.#fail(headerError(error) ?? error);
      }
    });
  }

  /** Ends the exchange with `reason`, whatever it is doing; its socket closes. */
  abort(reason: unknown): void {
    if (this.#isOver) return;
    if (this.#body !== undefined) {
      this.#body.abort(reason);
      return;
    }
    this.#giveUp(reason);
  }

  #open(): void {
    const { context, init } = this;
    const { target, method, body } = init;
    this.#route = context.agents.route(target);
    const { agent, proxy, isForwarded } = this.#route;
    const { protocol, hostname, port } = proxy !== undefined && isForwarded ? proxy : target;
    const headers = headerLines(init.headers, target, body);
    if (isForwarded && proxy?.authorization !== undefined) headers.push('proxy-authorization', proxy.authorization);
    const request = (protocol === 'https:' ? httpsRequest : httpRequest)({
      agent,
      host: hostname,
      port,
      path: isForwarded ? target.href : target.path,
      method,
      headers,
      maxHeaderSize: context.maxHeaderBytes,
      ...(protocol === 'https:' ? { servername: isIP(hostname) === 0 ? hostname : '' } : {}),
    });
    this.#request = request;
    request.on('error', (error) => this.#fail(error));
    request.on('response', (message) => this.#respond(message));
    if (body === undefined || body.bytes === 0) request.end();
    else request.end(body.data);
  }

  #respond(message: IncomingMessage): void {
    if (this.#isOver) {
      message.destroy();
      return;
    }
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const { init, context } = this;
    const { host } = init.target;
    const status = message.statusCode ?? 0;
    const { proxy, isForwarded } = this.#route ?? {};
    if (status === 407 && isForwarded && proxy) {
      this.#fail(proxyRefusal(proxy, host, status));
      return;
    }
    const about = { url: init.target.href, redirected: init.redirected, host };
    const isSuccess = status >= 200 && status <= 299;
    const common = {
      maxBytes: isSuccess ? context.maxBodyBytes : context.maxErrorBodyBytes,
      truncate: !isSuccess,
      isEventStream: isSuccess && eventStream.test(message.headers['content-type'] ?? ''),
      owner: this,
    };
    if (init.method === 'HEAD' || status === 202 || status === 204 || status === 205 || status === 304) {
      // 202 acknowledges a notification: its body says nothing, and may not hold up the sender for long.
      const body = new ResponseBody(message, {
        owner: this,
        encoding: 'identity',
        maxBytes: context.maxErrorBodyBytes,
        isEventStream: false,
        truncate: true,
        discard: true,
      });
      this.#body = body;
      if (!this.#isOver) this.#cancelTimer = context.clock.after(drainTimeoutMs, () => body.giveUp(), { background: true });
      this.#resolve(new HttpResponse(message, body, { ...about, hasBody: false }));
      return;
    }
    const encoding = encodingOf(message);
    if (encoding === undefined) {
      const unknown = message.headers['content-encoding']?.replaceAll(/[^\w,; +.-]/g, '?').slice(0, 60);
      this.#fail(
        new McpctlError('PROTOCOL', `${host} answered in a content encoding that was not asked for: ${unknown}`, {
          hint: 'make the server answer with gzip, deflate, br or no encoding',
          details: { reason: 'encoding', encoding: unknown },
          delivered: 'maybe',
        }),
      );
      return;
    }
    this.#body = new ResponseBody(message, { ...common, encoding });
    this.#resolve(new HttpResponse(message, this.#body, { ...about, hasBody: true }));
  }

  #limitWait(timeoutMs: number): void {
    this.#cancelTimer = this.context.clock.after(timeoutMs, () => {
      const { host } = this.init.target;
      this.#fail(
        new McpctlError('TIMEOUT', `No answer from ${host} within ${timeoutMs} ms`, {
          hint: 'give it more time with --timeout, or check the server',
          details: { reason: 'timeout', code: 'HEADERS_TIMEOUT' },
          delivered: this.context.agents.wasConnected(this.#request) ? 'maybe' : 'no',
        }),
      );
    });
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    if (this.#body !== undefined) {
      this.#body.fail(error);
      return;
    }
    this.#giveUp(this.explain(error));
  }

  /** No answer came. */
  #giveUp(reason: unknown): void {
    this.bodyDone();
    this.#request?.destroy();
    // A kept socket without an answer is most likely dead, and those kept beside it are as old: the next request gets a new one.
    if (this.#request?.reusedSocket) this.context.agents.closeIdle();
    this.#reject(reason);
  }

  explain(error: unknown): McpctlError {
    const connected = this.context.agents.wasConnected(this.#request);
    const { proxy, isForwarded } = this.#route ?? {};
    if (proxy && isForwarded && !connected && !(error instanceof McpctlError)) return proxyFailure(proxy, error);
    const { host } = this.init.target;
    return networkError(error, {
      host: proxy ? `${host} through the proxy ${proxy.host}` : host,
      connected,
      answered: this.#body !== undefined,
      delivered: connected ? 'maybe' : 'no',
      reusedSocket: this.#request?.reusedSocket ?? false,
    });
  }

  tooLarge(what: 'answer' | 'event'): McpctlError {
    return tooLargeError(this.init.target.host, this.context.maxBodyBytes, what);
  }

  /** Nothing more happens in this exchange. */
  bodyDone(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelTimer?.();
    this.context.live.delete(this);
    if (this.init.signal) unwatchAbort(this.init.signal, this);
  }
}

/** A header that `node:http` refuses to send, without its value, which may be a secret. */
function headerError(error: unknown): McpctlError | undefined {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (code !== 'ERR_INVALID_CHAR' && code !== 'ERR_INVALID_HTTP_TOKEN') return undefined;
  const name = /\["([^"]*)"\]/.exec(String(message))?.[1];
  return new McpctlError('CONFIG_INVALID', `The header ${JSON.stringify(name ?? '?')} has a character that HTTP does not allow`, {
    hint: 'remove line breaks and control characters from the headers of this server',
    details: { reason: 'header', code },
    delivered: 'no',
  });
}
