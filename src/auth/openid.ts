/** What is asked of a token endpoint after the login: renew, revoke. By openid-client, which is loaded when the first question comes. */
import { createPrivateKey, randomUUID, type webcrypto } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { ClientAuth, Configuration, ServerMetadata } from 'openid-client';
import { McpctlError, rootMessage } from '../core/errors.js';
import type { FetchLike } from '../io/http-fetch.js';
import { secretsOf } from './credential.js';
import { type Granted, granted, type TokenAnswer } from './granted.js';
import type { AuthorizationServer, ClientIdentity, OAuthCredential } from './oauth.js';
import { oauthError } from './oauth-error.js';
import { tolerantFetch } from './tolerant-fetch.js';

export interface OpenidParts {
  /** Guards addresses, bounds time and size. */
  readonly fetch: FetchLike;
  /** PEM; for `private_key_jwt`. */
  readonly privateKeyFile?: string | null | undefined;
  /** Told of every token in an answer, before anybody else sees it. */
  readonly onSecret: (secret: string) => void;
}

export interface RenewalParts extends OpenidParts {
  /** The configured name, for errors. */
  readonly server: string;
  readonly now: () => Date;
}

/**
 * How openid-client talks to an authorization server as this client. It waits as long as `fetch` does.
 *
 * @throws McpctlError `AUTH_FAILED` when the private key cannot be used
 */
export async function configurationOf(
  as: Pick<AuthorizationServer, 'metadata'>,
  client: ClientIdentity,
  { fetch, privateKeyFile, onSecret }: OpenidParts,
): Promise<Configuration> {
  if (client.clientSecret !== null) onSecret(client.clientSecret);
  const openid = await import('openid-client');
  const metadata = as.metadata as ServerMetadata;
  const own = { token_endpoint_auth_method: client.authMethod };
  const configuration = new openid.Configuration(metadata, client.clientId, own, await clientAuth(client, privateKeyFile));
  const tolerant = tolerantFetch(fetch, { tokenEndpoint: metadata.token_endpoint, onSecret });
  configuration[openid.customFetch] = (url, { body, ...init }) =>
    tolerant(url, { ...init, ...(body != null && { body: String(body) }) });
  // A timer of its own would not be ours to move.
  configuration.timeout = 0;
  // The fetch lets http through to the loopback interface alone.
  if (metadata.token_endpoint?.startsWith('http:')) openid.allowInsecureRequests(configuration);
  return configuration;
}

/**
 * The same login with new tokens: by the refresh token, or for a machine's account by a new grant.
 *
 * @throws McpctlError `AUTH_UNAVAILABLE` when it may work later, else `AUTH_FAILED` with `details.error` of the provider
 */
export async function renew(credential: OAuthCredential, parts: RenewalParts): Promise<OAuthCredential> {
  const { refreshTokenGrant, clientCredentialsGrant } = await import('openid-client');
  const resource = credential.resource === null ? {} : { resource: credential.resource };
  let answer: TokenAnswer;
  try {
    const configuration = await configurationOf(asOf(credential), credential.client, parts);
    if (credential.grant === 'client_credentials') {
      const scope = credential.scopes.length > 0 ? { scope: credential.scopes.join(' ') } : {};
      answer = await clientCredentialsGrant(configuration, { ...resource, ...scope });
    } else answer = await refreshTokenGrant(configuration, credential.refreshToken ?? '', resource);
  } catch (error) {
    throw failure(error, credential, parts.server, 'refresh');
  }
  return renewed(credential, granted(answer, parts.now()));
}

/** An answer without a refresh token, or without scopes, means that those of before go on (RFC 6749, sections 6 and 5.1). */
function renewed(before: OAuthCredential, { refreshToken, scopes, ...news }: Granted): OAuthCredential {
  return {
    ...before,
    ...news,
    refreshToken: refreshToken ?? before.refreshToken,
    scopes: scopes ?? before.scopes,
    generation: randomUUID(),
  };
}

/**
 * Ends a login at its provider (RFC 7009): first what could give new tokens, then the token itself.
 *
 * @returns false when the provider offers no way to do it
 * @throws McpctlError `AUTH_UNAVAILABLE`, `AUTH_FAILED`
 */
export async function revoke(credential: OAuthCredential, parts: Omit<RenewalParts, 'now'>): Promise<boolean> {
  if (credential.revocationEndpoint === null) return false;
  const { tokenRevocation } = await import('openid-client');
  try {
    const configuration = await configurationOf(asOf(credential), credential.client, parts);
    if (credential.refreshToken !== null)
      await tokenRevocation(configuration, credential.refreshToken, { token_type_hint: 'refresh_token' });
    await tokenRevocation(configuration, credential.accessToken, { token_type_hint: 'access_token' });
    return true;
  } catch (error) {
    throw failure(error, credential, parts.server, 'revocation');
  }
}

function failure(error: unknown, login: OAuthCredential, name: string, step: 'refresh' | 'revocation'): McpctlError {
  const known = oauthError(error, {
    server: { name },
    step,
    secrets: secretsOf(login),
    hint: `log in anew: mcpctl auth ${name}`,
  });
  if (known.code !== 'AUTH_UNAVAILABLE' || step === 'revocation') return known;
  // Nobody has to log in for this.
  return new McpctlError(known.code, known.message, { ...known, cause: known, hint: 'the login is kept; try again in a while' });
}

/** As much of the authorization server as its login remembers. */
function asOf({ issuer, tokenEndpoint, revocationEndpoint }: OAuthCredential): Pick<AuthorizationServer, 'metadata'> {
  const metadata = {
    issuer,
    token_endpoint: tokenEndpoint,
    ...(revocationEndpoint !== null && { revocation_endpoint: revocationEndpoint }),
  };
  return { metadata: metadata as AuthorizationServer['metadata'] };
}

async function clientAuth(client: ClientIdentity, privateKeyFile: string | null | undefined): Promise<ClientAuth> {
  const { ClientSecretPost, None, PrivateKeyJwt } = await import('openid-client');
  const secret = client.clientSecret ?? '';
  switch (client.authMethod) {
    case 'none':
      return None();
    case 'client_secret_post':
      return ClientSecretPost(secret);
    case 'client_secret_basic':
      return plainBasic(client.clientId, secret);
    case 'private_key_jwt':
      return PrivateKeyJwt(await signingKey(privateKeyFile));
  }
}

/** As curl does it. The library's own encodes `-` too, which the standard allows and some servers do not decode. */
function plainBasic(id: string, secret: string): ClientAuth {
  const isPlain = /^[\x20-\x7e]*$/.test(id + secret) && !id.includes(':');
  const [user, password] = isPlain ? [id, secret] : [encodeURIComponent(id), encodeURIComponent(secret)];
  const value = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  return (_as, _client, _body, headers) => headers.set('authorization', value);
}

/** RFC 7518: the algorithm follows from the kind of key. */
const algorithms: Readonly<Record<string, webcrypto.EcKeyImportParams | webcrypto.RsaHashedImportParams | webcrypto.Algorithm>> =
  {
    rsa: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
    ed25519: { name: 'Ed25519' },
    prime256v1: { name: 'ECDSA', namedCurve: 'P-256' },
    secp384r1: { name: 'ECDSA', namedCurve: 'P-384' },
    secp521r1: { name: 'ECDSA', namedCurve: 'P-521' },
  };

async function signingKey(file: string | null | undefined): Promise<webcrypto.CryptoKey> {
  const unusable = (why: string, cause?: unknown) =>
    new McpctlError('AUTH_FAILED', `The private key of this client cannot be used: ${why}`, {
      cause,
      hint: 'oauth.privateKeyFile in the configuration names a file with a private key in PEM form (RSA, EC or Ed25519)',
      delivered: 'no',
    });
  if (file == null) throw unusable('no file is configured');
  try {
    const key = createPrivateKey(await readFile(file));
    const kind = key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType ?? '';
    const algorithm = algorithms[kind];
    if (!algorithm) throw new Error(`keys of the kind "${kind}" are not supported`);
    const der = key.export({ type: 'pkcs8', format: 'der' });
    return await crypto.subtle.importKey('pkcs8', new Uint8Array(der), algorithm, false, ['sign']);
  } catch (error) {
    throw unusable(`${file}: ${rootMessage(error)}`, error);
  }
}
