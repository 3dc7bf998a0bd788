/** `fetch` on `node:http`: streams, bounds what it reads, guards addresses, and costs a third of the built-in one. */
import type { LookupFunction } from 'node:net';
import type { Clock } from '../core/clock.js';
import { type Delivered, McpctlError } from '../core/errors.js';
import { type AbortTarget, unwatchAbort, watchAbort } from './abort-hub.js';
import type { AddressGuard } from './address-guard.js';
import { HttpAgents } from './http-agent.js';
import { Exchange, type ExchangeContext } from './http-exchange.js';
import { outgoingBody, parseTarget, type Target } from './http-request.js';
import type { HttpResponse } from './http-response.js';
import { type ProxyEnvironment, proxiesOf } from './proxy.js';
import type { Traffic } from './traffic.js';

/** What the MCP SDK takes as its `fetch` option. */
export type FetchLike = (url: string | URL, init?: RequestInit) => Promise<Response>;

export interface HttpFetchOptions {
  /** Most decompressed bytes of one answer, or of one event of an event stream; a stream as a whole is not limited. */
  readonly maxBodyBytes: number;
  /** Most decompressed bytes of an answer that is no success; it is cut there. Default 64 KiB. */
  readonly maxErrorBodyBytes?: number;
  /** Most bytes of all response headers. Default 16 KiB. */
  readonly maxHeaderBytes?: number;
  /** Bound of name lookup, TCP, a proxy's tunnel and TLS together. */
  readonly connectTimeoutMs: number;
  /** Bound from the start until the response headers; none by default. */
  readonly headersTimeoutMs?: number | undefined;
  /** PEM, trusted beside the roots that Node ships with. */
  readonly ca?: string | undefined;
  /** Judges every address before a socket is opened to it. Behind a proxy only those that stand in the URL are known. */
  readonly addressGuard?: AddressGuard | undefined;
  /** Resolves names; the system's resolver by default. */
  readonly lookup?: LookupFunction | undefined;
  /** `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` of it are honoured; without it every request goes directly. */
  readonly env?: ProxyEnvironment | undefined;
  /** Counts what goes over its sockets, TLS included. */
  readonly traffic?: Traffic | undefined;
  readonly clock: Clock;
  /** Closes everything when it aborts; requests under way fail with its reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface HttpFetch extends AsyncDisposable {
  readonly fetch: FetchLike;
  /** Closes the connections that are kept for later and in no use: what is asked next gets a new one. */
  closeIdle(): void;
  /** Closes every socket; requests under way fail with `UNAVAILABLE`. Safe to call twice. */
  [Symbol.asyncDispose](): Promise<void>;
}

const maxRedirects = 5;
const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * Makes a fetch with sockets of its own.
 *
 * Every failure is a McpctlError: `UNAVAILABLE` (with `details.reason` and `details.code`), `TIMEOUT`, `TOO_LARGE`,
 * `PROTOCOL`; `delivered` is `no` exactly when no socket was ready to take the request. An abort rejects with the signal's
 * reason. Nothing is ever repeated here. A redirect is followed only within its origin and with its method kept (with
 * `redirect: 'manual'` never); any other one is returned as the response it is.
 */
export function createHttpFetch(options: HttpFetchOptions): HttpFetch {
  const maxHeaderBytes = options.maxHeaderBytes ?? 16 * 1024;
  const agents = new HttpAgents({ ...options, maxHeaderBytes, proxies: options.env && proxiesOf(options.env) });
  const live = new Set<AbortTarget>();
  const context: ExchangeContext = {
    agents,
    live,
    clock: options.clock,
    maxBodyBytes: options.maxBodyBytes,
    maxErrorBodyBytes: options.maxErrorBodyBytes ?? 64 * 1024,
    maxHeaderBytes,
    headersTimeoutMs: options.headersTimeoutMs,
  };
  /** The reason is that of the signal; undefined when it was disposed of. */
  let closed: { reason: unknown } | undefined;
  let closing: Promise<void> | undefined;
  // Most callers ask for the same URL again and again.
  let lastHref = '';
  let lastTarget: Target | undefined;

  const close = (reason: unknown): Promise<void> => {
    closed ??= { reason };
    for (const exchange of [...live]) exchange.abort(closed.reason ?? closedError('maybe'));
    if (options.signal) unwatchAbort(options.signal, owner);
    closing ??= agents.destroy();
    return closing;
  };
  const owner: AbortTarget = { abort: (reason) => void close(reason) };
  if (options.signal?.aborted) closed = { reason: options.signal.reason };
  else if (options.signal) watchAbort(options.signal, owner);

  const targetOf = (url: string | URL): Target => {
    const href = typeof url === 'string' ? url : url.href;
    if (lastTarget === undefined || href !== lastHref) {
      lastTarget = parseTarget(url);
      lastHref = href;
    }
    return lastTarget;
  };

  const exchange = (target: Target, init: RequestInit, method: string, redirected: boolean): Promise<HttpResponse> => {
    if (closed) throw closed.reason ?? closedError('no');
    init.signal?.throwIfAborted();
    const body = outgoingBody(init.body, method);
    return new Exchange(context, { target, method, headers: init.headers, body, signal: init.signal, redirected }).send();
  };

  return {
    // async: whatever is thrown before the request starts is a rejection too.
    async fetch(url, init = {}) {
      const target = targetOf(url);
      const method = (init.method ?? 'GET').toUpperCase();
      const redirect = init.redirect ?? 'follow';
      let response = await exchange(target, init, method, false);
      if (redirect === 'manual' || !redirectStatuses.has(response.status)) return response;
      let from = target;
      for (let followed = 0; ; followed++) {
        const next = redirectTarget(from, response);
        if (next === undefined) return response;
        if (redirect === 'error') throw refusedRedirect(from);
        if (followed === maxRedirects || next.origin !== from.origin || !keepsMethod(method, response.status)) return response;
        from = next;
        response = await exchange(from, init, method, true);
      }
    },
    closeIdle: () => agents.closeIdle(),
    [Symbol.asyncDispose]: () => close(undefined),
  };
}

function closedError(delivered: Delivered): McpctlError {
  return new McpctlError('UNAVAILABLE', 'The connection was closed before the answer came', {
    details: { reason: 'closed' },
    delivered,
  });
}

/** Where a redirect leads, if that is a URL we could ask at all. */
function redirectTarget(from: Target, response: HttpResponse): Target | undefined {
  const location = redirectStatuses.has(response.status) ? response.headers.get('location') : null;
  if (location === null) return undefined;
  try {
    return parseTarget(new URL(location, from.href));
  } catch {
    return undefined;
  }
}

/** 303 turns into GET, and in practice 301 and 302 do too: following one of them with POST would not be what was asked for. */
function keepsMethod(method: string, status: number): boolean {
  return method === 'GET' || method === 'HEAD' || status === 307 || status === 308;
}

function refusedRedirect(from: Target): McpctlError {
  return new McpctlError('UNAVAILABLE', `${from.host} answered with a redirect, which is not followed here`, {
    hint: 'write the final URL of the server in the configuration',
    details: { reason: 'redirect' },
    delivered: 'maybe',
  });
}
