/** Who we are to an authorization server: given by the configuration, described by a document, or registered on the spot. */
import { type AuthorizationServerMetadata, registerClient } from '@modelcontextprotocol/client';
import type { Env } from '../config/paths.js';
import { type Clock, systemClock } from '../core/clock.js';
import { rootMessage } from '../core/errors.js';
import { sanitizeLine } from '../core/sanitize.js';
import { readTextIfExists } from '../io/atomic-file.js';
import type { FetchLike } from '../io/http-fetch.js';
import { scopesOf } from './challenge.js';
import type { AuthorizationServer, ClientAuthMethod, ClientIdentity } from './oauth.js';
import type { LoginTarget } from './oauth-address.js';
import { authFailed, oauthError } from './oauth-error.js';

export interface IdentifyOptions {
  /** Of `createOAuthFetch`. */
  readonly fetch: FetchLike;
  /** Stored with an earlier login of the same issuer; null when there is none. */
  readonly known: ClientIdentity | null;
  /** The issuer of an earlier login to this server, when it is known: what was given for one is not shown to another. */
  readonly knownIssuer?: string | null;
  /** Where the browser is to come back to; null when there is no browser. */
  readonly redirectUri: string | null;
  /** Those of the flow, `refresh_token` included. */
  readonly grantTypes: readonly string[];
  readonly env: Env;
  readonly signal: AbortSignal;
  /** For the expiry of secrets. */
  readonly clock?: Clock;
}

const step = 'registration';
const clientName = 'mcpctl';
/** A key is a few kilobytes. */
const maxKeyBytes = 64 * 1024;
const longestShown = 200;

/** Best first: nothing to keep, then the form that all servers read alike, then the one that some decode and some do not. */
const authMethods: readonly ClientAuthMethod[] = ['none', 'client_secret_post', 'client_secret_basic'];

/**
 * The identity for a login: `clientId` of the configuration, else the document of `clientMetadataUrl` where the authorization server
 * takes one, else the registration of an earlier login, else a new one (RFC 7591). `registration` may allow only one of them.
 *
 * @throws McpctlError `AUTH_FAILED` (step `registration`) with the field to set, `AUTH_UNAVAILABLE`; `signal.reason`
 */
export async function identify(server: LoginTarget, as: AuthorizationServer, options: IdentifyOptions): Promise<ClientIdentity> {
  return (await planIdentity(server, as, options)) ?? register(server, as, options);
}

/**
 * The identity of a login as far as nobody has to be asked for it; undefined = it would be registered.
 *
 * @throws as `identify`
 */
export async function planIdentity(
  server: LoginTarget,
  as: AuthorizationServer,
  options: Omit<IdentifyOptions, 'fetch' | 'signal'>,
): Promise<ClientIdentity | undefined> {
  const { registration, clientId, clientMetadataUrl } = server.oauth;
  const { metadata } = as;
  const allows = (way: 'static' | 'cimd' | 'dcr') => registration === 'auto' || registration === way;
  if (allows('static') && clientId !== null) return given(server, as, clientId, options);
  if (allows('cimd') && clientMetadataUrl !== null && metadata.client_id_metadata_document_supported === true)
    return described(server, as, clientMetadataUrl, options);
  const { known, clock = systemClock } = options;
  if (allows('dcr') && known && fits(known, options, clock)) return known;
  if (allows('dcr') && metadata.registration_endpoint !== undefined) return undefined;
  throw nobody(server, as);
}

/** Given out by the provider, for one authorization server. */
async function given(
  server: LoginTarget,
  { issuer, metadata }: AuthorizationServer,
  clientId: string,
  { env, knownIssuer }: Pick<IdentifyOptions, 'env' | 'knownIssuer'>,
): Promise<ClientIdentity> {
  const { clientSecret, clientSecretEnv, privateKeyFile } = server.oauth;
  if (knownIssuer !== undefined && knownIssuer !== null && knownIssuer !== issuer) {
    const what = `"clientId" was used with ${shown(knownIssuer)}, and the server now names ${shown(issuer)}`;
    const hint = `if that is right, log out first: mcpctl logout ${server.name}`;
    throw authFailed(what, { server, step }, { hint, details: { knownIssuer: shown(knownIssuer), issuer: shown(issuer) } });
  }
  const identity = { source: 'static', clientId, redirectUri: null, secretExpiresAt: null } as const;
  if (privateKeyFile !== null) {
    await checkKey(server, privateKeyFile);
    return { ...identity, clientSecret: null, authMethod: 'private_key_jwt' };
  }
  const secret = clientSecret ?? (clientSecretEnv === null ? null : (env[clientSecretEnv] ?? ''));
  if (secret === '') {
    const hint =
      clientSecretEnv === null ? 'give it as "clientSecretEnv" under "oauth" of this server' : `export ${clientSecretEnv}=…`;
    const what = clientSecretEnv === null ? '"clientSecret" is empty' : `the environment variable ${clientSecretEnv} is not set`;
    throw authFailed(what, { server, step }, { hint });
  }
  if (secret === null) return { ...identity, clientSecret: null, authMethod: 'none' };
  return { ...identity, clientSecret: secret, authMethod: bestMethod(metadata, { needsSecret: true }) };
}

async function checkKey(server: LoginTarget, file: string): Promise<void> {
  const hint = 'correct "privateKeyFile" under "oauth" of this server';
  const read = readTextIfExists(file, { maxBytes: maxKeyBytes }).catch((error: unknown) => {
    throw authFailed(`cannot read the private key: ${rootMessage(error)}`, { server, step }, { hint, cause: error });
  });
  const text = await read;
  if (text === undefined) throw authFailed(`there is no private key ${file}`, { server, step }, { hint });
  if (/-----BEGIN (?:EC |RSA )?PRIVATE KEY-----/.test(text)) return;
  throw authFailed(`${file} holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)`, { server, step }, { hint });
}

/** By a document that others can read: a public client, whose name is its address. */
function described(
  server: LoginTarget,
  { issuer }: AuthorizationServer,
  url: string,
  { grantTypes }: Pick<IdentifyOptions, 'grantTypes'>,
): ClientIdentity {
  if (grantTypes.includes('client_credentials')) {
    const hint = 'give "clientId" and "clientSecretEnv" under "oauth" of this server';
    throw authFailed(`${shown(issuer)} knows this client by a document, which holds no secret`, { server, step }, { hint });
  }
  return { source: 'cimd', clientId: url, clientSecret: null, authMethod: 'none', redirectUri: null, secretExpiresAt: null };
}

/** A callback is registered with its port, and not every provider lets another one pass. */
function fits(
  known: ClientIdentity,
  { redirectUri, grantTypes }: Pick<IdentifyOptions, 'redirectUri' | 'grantTypes'>,
  clock: Clock,
): boolean {
  if (known.source !== 'dcr' || known.redirectUri !== redirectUri) return false;
  if (known.secretExpiresAt !== null && Date.parse(known.secretExpiresAt) <= clock.date().getTime()) return false;
  return known.clientSecret !== null || !grantTypes.includes('client_credentials');
}

async function register(
  server: LoginTarget,
  { issuer, metadata, scopesSupported }: AuthorizationServer,
  { fetch, redirectUri, grantTypes, signal }: IdentifyOptions,
): Promise<ClientIdentity> {
  const method = bestMethod(metadata, { needsSecret: grantTypes.includes('client_credentials') });
  // All that may ever be asked for: a strict server refuses later what was not registered.
  const offline = grantTypes.includes('refresh_token') && metadata.scopes_supported?.includes('offline_access');
  const scopes = scopesOf([...scopesSupported, ...(server.oauth.scopes ?? []), ...(offline ? ['offline_access'] : [])]);
  try {
    const answer = await registerClient(issuer, {
      metadata,
      clientMetadata: {
        client_name: clientName,
        application_type: 'native',
        redirect_uris: redirectUri === null ? [] : [redirectUri],
        grant_types: [...grantTypes],
        response_types: grantTypes.includes('authorization_code') ? ['code'] : [],
        token_endpoint_auth_method: method,
        ...(scopes.length > 0 && { scope: scopes.join(' ') }),
      },
      fetchFn: (url, init) => fetch(url, { ...init, signal }),
    });
    const { client_id: clientId, client_secret: clientSecret = null, client_secret_expires_at: expires = 0 } = answer;
    if (clientId === '') throw authFailed('it was registered without a name', { server, step, hint: fieldToSet });
    return {
      source: 'dcr',
      clientId,
      clientSecret,
      authMethod: methodOf(server, answer.token_endpoint_auth_method, clientSecret, method),
      redirectUri,
      // Seconds; 0 is never (RFC 7591, section 3.2.1).
      secretExpiresAt:
        clientSecret === null || expires <= 0 || expires > maxSeconds ? null : new Date(expires * 1000).toISOString(),
    };
  } catch (error) {
    signal.throwIfAborted();
    throw oauthError(error, { server, step, hint: fieldToSet });
  }
}

/** The last second that a Date can hold. */
const maxSeconds = 8_640_000_000_000;

/** What was given counts, not what was asked for. */
function methodOf(
  server: LoginTarget,
  said: string | undefined,
  secret: string | null,
  asked: ClientAuthMethod,
): ClientAuthMethod {
  if (secret === null) {
    if (said === undefined || said === 'none') return 'none';
    throw authFailed('it was registered without the secret that it would need', { server, step }, { hint: fieldToSet });
  }
  if (said === undefined) return asked === 'none' ? 'client_secret_basic' : asked;
  const known = authMethods.find((method) => method === said);
  if (known) return known;
  const what = `it was registered for ${sanitizeLine(said, 60)}, which mcpctl does not speak`;
  throw authFailed(what, { server, step }, { hint: fieldToSet });
}

/** Of what the server takes; without a word from it a public client, or what RFC 8414 says then. */
function bestMethod(
  { token_endpoint_auth_methods_supported: supported }: AuthorizationServerMetadata,
  { needsSecret }: { needsSecret: boolean },
): ClientAuthMethod {
  const wanted = needsSecret ? authMethods.slice(1) : authMethods;
  const fallback = needsSecret ? 'client_secret_basic' : 'none';
  return supported === undefined ? fallback : (wanted.find((method) => supported.includes(method)) ?? fallback);
}

const fieldToSet = 'register a client by hand and give it as "clientId" under "oauth" of this server';

function nobody(server: LoginTarget, { issuer, metadata }: AuthorizationServer) {
  const { registration, clientMetadataUrl } = server.oauth;
  const name = shown(issuer);
  const takesDocuments = metadata.client_id_metadata_document_supported === true;
  const reasons = [
    ...(registration === 'static' ? ['"clientId" is missing'] : []),
    ...(registration === 'cimd' || (registration === 'auto' && clientMetadataUrl !== null)
      ? [`${name} takes no client metadata documents`]
      : []),
    ...(registration === 'dcr' || registration === 'auto' ? [`${name} does not register clients by itself`] : []),
  ];
  const document = takesDocuments && registration === 'auto' ? ', or the address of a document as "clientMetadataUrl"' : '';
  return authFailed(reasons.join(', and '), { server, step }, { hint: fieldToSet + document });
}

function shown(text: string): string {
  return sanitizeLine(text, longestShown);
}
