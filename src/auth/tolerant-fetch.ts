/** Answers of token endpoints as they should have been: a refresh token that was spent must not be lost over a matter of form. */
import { McpctlError } from '../core/errors.js';
import type { FetchLike } from '../io/http-fetch.js';

export interface TolerantOptions {
  readonly tokenEndpoint: string | undefined;
  /** Told of every token in an answer, before anybody else sees it. */
  readonly onSecret: (secret: string) => void;
}

const tokenKeys = ['access_token', 'refresh_token', 'id_token'];

/**
 * Forgives answers of the token endpoint what real servers do: JSON under another type, `null` for "absent", lifetimes that are no
 * number, an error with status 200, a challenge beside an error. The ID token goes: nobody here asks who the user is, and a clock
 * that is wrong would make it invalid.
 */
export function tolerantFetch(fetch: FetchLike, { tokenEndpoint, onSecret }: TolerantOptions): FetchLike {
  return async (url, init) => {
    const response = await fetch(url, init);
    if (tokenEndpoint === undefined || new URL(url).href !== new URL(tokenEndpoint).href) return response;
    const text = await response.text();
    const body = objectOf(text);
    for (const key of tokenKeys) if (typeof body?.[key] === 'string') onSecret(body[key]);
    const { status, statusText } = response;
    if (!body && response.ok) throw noAnswer(new URL(url).host);
    if (!body) return new Response(text, { status, statusText, headers: plainHeaders(response) });
    const isError = typeof body.error === 'string' && body.access_token === undefined;
    return Response.json(isError ? body : repaired(body), { status: isError && status < 400 ? 400 : status, statusText });
  };
}

function repaired({ id_token: _, ...body }: Record<string, unknown>): Record<string, unknown> {
  const kept = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
  const seconds = kept.expires_in === undefined ? Number.NaN : Number.parseFloat(String(kept.expires_in));
  delete kept.expires_in;
  return {
    token_type: 'bearer',
    ...kept,
    // In seconds; what has passed already is as good as none.
    ...(Number.isFinite(seconds) && { expires_in: Math.max(seconds, 0) }),
  };
}

/** The login page of a hotel, most likely; it says nothing about our login. */
function noAnswer(host: string): McpctlError {
  return new McpctlError('AUTH_UNAVAILABLE', `${host} answered with something else than tokens`, { delivered: 'maybe' });
}

function objectOf(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function plainHeaders({ headers }: Response): Record<string, string> {
  return { 'content-type': headers.get('content-type') ?? 'text/plain' };
}
