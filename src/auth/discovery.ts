/** Where to log in to a server: its own word, the metadata of its authorization server, and what of it may be believed. */
import {
  type AuthorizationServerMetadata,
  checkResourceAllowed,
  discoverAuthorizationServerMetadata,
  discoverOAuthProtectedResourceMetadata,
} from '@modelcontextprotocol/client';
import type { McpctlError } from '../core/errors.js';
import { sanitizeLine } from '../core/sanitize.js';
import type { FetchLike } from '../io/http-fetch.js';
import { scopesOf } from './challenge.js';
import type { AuthorizationServer, Challenge } from './oauth.js';
import { definitionOf, type LoginTarget, refusedAddress } from './oauth-address.js';
import { authFailed, authUnavailable, type OAuthStep, oauthError } from './oauth-error.js';

export { parseChallenge, probeChallenge } from './challenge.js';

export interface DiscoverOptions {
  /** Of `createOAuthFetch`. */
  readonly fetch: FetchLike;
  /** What the server said when it refused; null when it has not been asked, or said nothing. */
  readonly challenge: Challenge | null;
  readonly signal: AbortSignal;
  /** Whether a browser is going to bring back a code, which only PKCE protects. True by default. */
  readonly needsPkce?: boolean;
}

type ResourceMetadata = Awaited<ReturnType<typeof discoverOAuthProtectedResourceMetadata>>;

const longestShown = 200;
const byHand = (name: string) =>
  `if you know its addresses, give "authEndpoint" and "tokenEndpoint" under "oauth" of this server; with a token of your own: mcpctl auth-save ${name}`;

/**
 * Finds the authorization server of a server: the address in the challenge, else both well-known places of the resource (RFC 9728),
 * then the metadata of the authorization server in the order of the MCP specification (RFC 8414, OpenID Connect Discovery). A server
 * that names none is asked itself (specification of 2025-03-26). With `authEndpoint` and `tokenEndpoint` nobody is asked anything.
 *
 * @throws McpctlError `AUTH_UNAVAILABLE` (network, 429, 5xx), `AUTH_FAILED` with `details.step`; `signal.reason`
 */
export async function discover(server: LoginTarget, options: DiscoverOptions): Promise<AuthorizationServer> {
  const { authEndpoint, tokenEndpoint } = server.oauth;
  if (authEndpoint !== null && tokenEndpoint !== null) return byConfiguration(server, authEndpoint, tokenEndpoint);
  const said = await resourceMetadata(server, options);
  const metadata = await serverMetadata(server, said, options);
  checkEndpoints(server, metadata);
  if (options.needsPkce ?? true) checkPkce(server, metadata);
  return {
    issuer: metadata.issuer,
    metadata,
    resource: resourceFor(server, said?.resource),
    scopesSupported: scopesOf(said?.scopes_supported ?? metadata.scopes_supported),
    resourceScopes: said?.scopes_supported ? scopesOf(said.scopes_supported) : null,
  };
}

/** The address of a server as a name for what a token is for (RFC 8707, section 2): without query, which may hold a secret. */
export function canonicalResource(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
}

function resourceFor({ oauth, ...server }: LoginTarget, said?: string): string | null {
  if (oauth.omitResource) return null;
  return oauth.resource ?? said ?? canonicalResource(definitionOf({ oauth, ...server }).url);
}

function byConfiguration(server: LoginTarget, authEndpoint: string, tokenEndpoint: string): AuthorizationServer {
  const issuer = new URL(tokenEndpoint).origin;
  const metadata: AuthorizationServerMetadata = {
    issuer,
    authorization_endpoint: authEndpoint,
    token_endpoint: tokenEndpoint,
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
    // Nobody can be asked; whoever wrote "cimd" knows.
    ...(server.oauth.registration === 'cimd' && { client_id_metadata_document_supported: true }),
  };
  checkEndpoints(server, metadata);
  return { issuer, metadata, resource: resourceFor(server), scopesSupported: [], resourceScopes: null };
}

/** Undefined when the server has none. */
async function resourceMetadata(
  server: LoginTarget,
  { fetch, challenge, signal }: DiscoverOptions,
): Promise<ResourceMetadata | undefined> {
  const step = 'resource-metadata';
  const { url } = definitionOf(server);
  const hint = challenge?.resourceMetadataUrl ?? null;
  for (const place of hint === null ? [{}] : [{ resourceMetadataUrl: hint }, {}]) {
    const asker = new Asker(fetch, signal);
    try {
      const found = await discoverOAuthProtectedResourceMetadata(url, place, asker.fetch);
      checkResource(server, found.resource);
      return found;
    } catch (error) {
      signal.throwIfAborted();
      if (asker.lastStatus === undefined || asker.lastStatus < 300) throw oauthError(error, { server, step });
      if (asker.trouble) throw asker.unavailable(server, step);
    }
  }
  return undefined;
}

/** The server must not get tokens that are meant for another (specification, "Token Audience Binding"). */
function checkResource(server: LoginTarget, resource: string): void {
  const { url } = definitionOf(server);
  if (resource === server.oauth.resource) return;
  const { hash, username, password } = new URL(resource);
  const isPlain = !resource.includes('#') && hash === '' && username === '' && password === '';
  if (isPlain && checkResourceAllowed({ requestedResource: url, configuredResource: resource })) return;
  throw authFailed(
    `it says that it is ${sanitizeLine(resource, longestShown)}, not ${canonicalResource(url)}`,
    { server, step: 'resource-metadata' },
    {
      hint: 'correct the URL of the server; if it stands behind another address, give that name as "resource" under "oauth" of this server',
      details: { resource: sanitizeLine(resource, longestShown) },
    },
  );
}

async function serverMetadata(
  server: LoginTarget,
  said: ResourceMetadata | undefined,
  { fetch, signal }: DiscoverOptions,
): Promise<AuthorizationServerMetadata> {
  const context = { server, step: 'server-metadata' } as const;
  const named = said?.authorization_servers?.[0];
  const issuer = named ?? new URL(definitionOf(server).url).origin;
  const refusal = refusedAddress(server, issuer);
  if (refusal) throw oauthError(refusal, context);
  const shown = sanitizeLine(issuer, longestShown);
  if (/[?#]/.test(issuer)) throw authFailed(`${shown} is no name of an authorization server`, context);
  const asker = new Asker(fetch, signal);
  let metadata: AuthorizationServerMetadata | undefined;
  try {
    // Compared below: the SDK lets a slash at the end pass.
    metadata = await discoverAuthorizationServerMetadata(issuer, { fetchFn: asker.fetch, skipIssuerValidation: true });
  } catch (error) {
    signal.throwIfAborted();
    throw oauthError(error, context);
  }
  if (!metadata) {
    if (asker.trouble) throw asker.unavailable(server, context.step);
    const what = named === undefined ? 'the server does not say where to log in' : `${shown} publishes no metadata`;
    throw authFailed(what, context, { hint: byHand(server.name), details: { reason: 'no-metadata' } });
  }
  // Where the server named none, the name is our own making, and both forms of it mean the same.
  if (metadata.issuer === issuer || (named === undefined && metadata.issuer === `${issuer}/`)) return metadata;
  const other = sanitizeLine(metadata.issuer, longestShown);
  throw authFailed(`${shown} calls itself ${other}; the two must be the same, letter by letter`, context, {
    hint: `tell whoever runs the server; ${byHand(server.name)}`,
    details: { expected: shown, issuer: other },
  });
}

/** Every address in it, also those of later: for the browser the guard of our requests does nothing. */
function checkEndpoints(server: LoginTarget, metadata: AuthorizationServerMetadata): void {
  const context = { server, step: 'server-metadata' } as const;
  const fields = metadata as Record<string, unknown>;
  // Other addresses for clients with certificates, which we are not.
  delete fields.mtls_endpoint_aliases;
  for (const [name, value] of Object.entries(fields)) {
    if (!name.endsWith('_endpoint')) continue;
    if (typeof value !== 'string') throw authFailed(`${sanitizeLine(name, 60)} is not an address`, context);
    const refusal = refusedAddress(server, value);
    if (refusal) throw oauthError(refusal, context);
  }
}

/** Specification, "Authorization Code Protection": who does not say that PKCE counts may ignore it, and a code can be stolen. */
function checkPkce(
  server: LoginTarget,
  { issuer, code_challenge_methods_supported: methods }: AuthorizationServerMetadata,
): void {
  if (methods?.includes('S256') || server.oauth.assumeS256) return;
  const shown = sanitizeLine(issuer, longestShown);
  throw authFailed(
    `${shown} does not say that it protects logins with PKCE (S256)`,
    { server, step: 'server-metadata' },
    {
      hint: 'if you know that it does (Azure AD and Cognito do), set "assumeS256": true under "oauth" of this server in your own configuration',
      details: { reason: 'pkce' },
    },
  );
}

/** Asks for metadata, and remembers what the SDK's errors do not tell. */
class Asker {
  /** Of the last answer; undefined when there was none. */
  lastStatus: number | undefined;
  /** The address that answered with 502, which a gateway says for "nothing there" and for "not now". */
  trouble: string | undefined;

  constructor(
    private readonly inner: FetchLike,
    private readonly signal: AbortSignal,
  ) {}

  readonly fetch: FetchLike = async (url, init) => {
    this.lastStatus = undefined;
    const response = await this.inner(url, { ...init, signal: this.signal });
    // A site that shows its start page for whatever it is asked has no metadata there.
    const isPage = response.ok && /^\s*text\/html\b/i.test(response.headers.get('content-type') ?? '');
    this.lastStatus = isPage ? 404 : response.status;
    if (response.status === 502) this.trouble = new URL(url).host;
    return isPage ? new Response(null, { status: 404 }) : response;
  };

  unavailable(server: LoginTarget, step: OAuthStep): McpctlError {
    return authUnavailable(`${this.trouble} answered with HTTP 502`, { server, step }, { details: { status: 502 } });
  }
}
