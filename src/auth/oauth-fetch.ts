/** The fetch of every request of a login: guarded addresses, 10 seconds, 256 KiB, and answers that no library can misread. */
import type { LookupFunction } from 'node:net';
import type { Env } from '../config/paths.js';
import type { HttpDefinition } from '../config/schema.js';
import type { Clock } from '../core/clock.js';
import { McpctlError } from '../core/errors.js';
import { createHttpFetch, type HttpFetch } from '../io/http-fetch.js';
import { definitionOf, type LoginTarget, oauthAddressGuard, refusedAddress } from './oauth-address.js';
import { ProviderTrouble, providerWords } from './oauth-error.js';

export { oauthError } from './oauth-error.js';

export interface OAuthFetchOptions {
  /** Who the login is for: its address decides which others may be reached, and its own gets its configured headers. */
  readonly server: LoginTarget & { readonly timeouts: { readonly connectMs: number } };
  /** Names the proxies, if there are any. */
  readonly env?: Env | undefined;
  readonly clock: Clock;
  /** Closes everything when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** Told what time it is where the answers come from: clocks differ, and tokens expire by theirs. */
  readonly onResponseDate?: ((date: Date) => void) | undefined;
  /** Resolves names; the system's resolver by default. */
  readonly lookup?: LookupFunction | undefined;
}

/** From the start to the last byte. */
const totalMs = 10_000;
const maxBodyBytes = 256 * 1024;

/** Said by each request itself, or by whoever logs in: the configuration has no part in them. */
const notShared = new Set(['authorization', 'proxy-authorization', 'cookie', 'content-type', 'accept', 'host']);

/**
 * Makes the fetch of one login. It goes where `oauth-address` allows, and follows a redirect within its origin only; any other
 * redirect is returned as the response it is. An answer is read whole, and returned as a plain `Response`.
 *
 * Every failure is a `TypeError` whose `cause` says what it was, because the SDK takes any other error of a discovery for "there is
 * nothing here" and looks elsewhere; `oauthError` makes a McpctlError of it. So is an answer of 429 or 5xx, except 502 to a GET, with
 * which gateways say that there is nothing. An abort rejects with the reason of its signal.
 *
 * @throws McpctlError `USAGE` for a program
 */
export function createOAuthFetch(options: OAuthFetchOptions): HttpFetch {
  const { server, env, clock, signal, lookup, onResponseDate } = options;
  const definition = definitionOf(server);
  const http = createHttpFetch({
    maxBodyBytes,
    connectTimeoutMs: Math.min(totalMs, server.timeouts.connectMs),
    addressGuard: oauthAddressGuard(server),
    ca: definition.ca,
    lookup,
    ...(env && { env }),
    clock,
    signal,
  });

  const ask = async (url: string | URL, init: RequestInit): Promise<Response> => {
    const refusal = refusedAddress(server, String(url));
    if (refusal) throw refusal;
    const limit = new AbortController();
    const { host } = new URL(url);
    const cancel = clock.after(totalMs, () => limit.abort(tooSlow(host)));
    try {
      const response = await http.fetch(url, {
        ...init,
        headers: headersFor(url, init, definition),
        signal: init.signal ? AbortSignal.any([init.signal, limit.signal]) : limit.signal,
      });
      tellDate(response, onResponseDate);
      const answer = await readWhole(response);
      return await refuseTrouble(answer, (init.method ?? 'GET').toUpperCase(), host, clock);
    } finally {
      cancel();
    }
  };

  return {
    async fetch(url, init = {}) {
      try {
        return await ask(url, init);
      } catch (error) {
        if (signal?.aborted || init.signal?.aborted || error instanceof TypeError) throw error;
        throw new TypeError(error instanceof Error ? error.message : String(error), { cause: error });
      }
    },
    closeIdle: () => http.closeIdle(),
    [Symbol.asyncDispose]: () => http[Symbol.asyncDispose](),
  };
}

/** What stands in front of a server, such as a gateway that wants a key, stands in front of its metadata as well. */
function headersFor(url: string | URL, init: RequestInit, { url: own, headers }: HttpDefinition): Headers {
  const sent = new Headers(init.headers);
  if (new URL(url).origin !== new URL(own).origin) return sent;
  for (const [name, value] of Object.entries(headers))
    if (!notShared.has(name.toLowerCase()) && !sent.has(name)) sent.set(name, value);
  return sent;
}

/** A `Response` of Node's own, which libraries insist on. Nothing in a login streams: of an event stream there is no body. */
async function readWhole(response: Response): Promise<Response> {
  const { status } = response;
  if (status < 200 || status > 599)
    throw new McpctlError('PROTOCOL', `${new URL(response.url).host} answered with HTTP ${status}, which means nothing`);
  const isStream = /^\s*text\/event-stream/i.test(response.headers.get('content-type') ?? '');
  if (isStream) await response.body?.cancel();
  const body = isStream ? null : new Uint8Array(await response.arrayBuffer());
  // The body has been decoded; what said how long it was on the way is no longer true.
  const headers = new Headers([...response.headers].filter(([name]) => !/^content-(?:encoding|length)$/.test(name)));
  const hasBody = body !== null && body.length > 0 && ![204, 205, 304].includes(status);
  const answer = new Response(hasBody ? body : null, { status, headers });
  Object.defineProperty(answer, 'url', { value: response.url });
  return answer;
}

/** @throws ProviderTrouble for an answer that says "not now" */
async function refuseTrouble(answer: Response, method: string, host: string, clock: Clock): Promise<Response> {
  const { status } = answer;
  if (status !== 429 && (status < 500 || (status === 502 && method === 'GET'))) return answer;
  const retryAfterMs = waitOf(answer.headers.get('retry-after'), clock);
  throw new ProviderTrouble(host, status, providerWords(await answer.text()), retryAfterMs);
}

/** RFC 9110, section 10.2.3: seconds or a date. */
function waitOf(text: string | null, clock: Clock): number | undefined {
  if (text === null) return undefined;
  const ms = /^\d{1,7}$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - clock.date().getTime();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

function tellDate(response: Response, tell: OAuthFetchOptions['onResponseDate']): void {
  const text = response.headers.get('date');
  const date = text === null ? undefined : new Date(text);
  if (date && !Number.isNaN(date.getTime())) tell?.(date);
}

function tooSlow(host: string): McpctlError {
  return new McpctlError('TIMEOUT', `${host} did not answer within ${totalMs / 1000} s`, {
    details: { reason: 'timeout' },
    delivered: 'maybe',
  });
}
