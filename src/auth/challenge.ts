/** What a server says with a 401 or 403 about the login that it wants. */
import { extractWWWAuthenticateParams } from '@modelcontextprotocol/client';
import type { FetchLike } from '../io/http-fetch.js';
import type { Challenge } from './oauth.js';
import { definitionOf, type LoginTarget } from './oauth-address.js';
import { oauthError } from './oauth-error.js';

/** More scopes than any provider has, few enough for one URL. */
const maxScopes = 200;
/** RFC 6749, section 3.3. */
const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/;

/** The scopes of a text that separates them by spaces, or of a list: each once, none that is none. */
export function scopesOf(given: string | readonly unknown[] | undefined): string[] {
  const words = typeof given === 'string' ? given.split(' ') : (given ?? []);
  const scopes = words.filter((word): word is string => typeof word === 'string' && scopeToken.test(word));
  return [...new Set(scopes)].slice(0, maxScopes);
}

/** The header WWW-Authenticate, as it came; null when it asks for no bearer token. */
export function parseChallenge(header: string | null): Challenge | null {
  // Several challenges may share the header, and the one for us need not be the first.
  const start = header === null ? -1 : header.search(/(?<=^|,)\s*(?:bearer|dpop)\b/i);
  if (header === null || start === -1) return null;
  const own = header.slice(start).trim();
  const params = extractWWWAuthenticateParams(new Response(null, { headers: { 'www-authenticate': own } }));
  return { resourceMetadataUrl: params.resourceMetadataUrl?.href ?? null, scopes: scopesOf(params.scope) };
}

/**
 * Asks a server for something without a token, to see what it wants.
 *
 * @returns null when it refuses nothing, or says nothing about how to log in
 * @throws McpctlError as `oauthError`; `signal.reason`
 */
export async function probeChallenge(
  server: LoginTarget,
  { fetch, signal }: { fetch: FetchLike; signal: AbortSignal },
): Promise<Challenge | null> {
  const { url, type } = definitionOf(server);
  const get = () => fetch(url, { headers: { accept: 'text/event-stream' }, signal });
  // Without a session nobody does anything for a ping, so that it leaves nothing behind.
  const body = JSON.stringify({ jsonrpc: '2.0', id: 'mcpctl', method: 'ping' });
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  const post = () => fetch(url, { method: 'POST', headers, body, signal });
  try {
    let response = await (type === 'sse' ? get() : post());
    if (type === 'auto' && (response.status === 404 || response.status === 405)) response = await get();
    return response.status === 401 ? parseChallenge(response.headers.get('www-authenticate')) : null;
  } catch (error) {
    signal.throwIfAborted();
    throw oauthError(error, { server, step: 'challenge' });
  }
}
