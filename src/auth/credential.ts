/** What is stored to log in to a server, for whom it is, and the name it is stored under. */
import { hashOf } from '../config/canonical.js';
import type { ClientIdentity, OAuthCredential } from './oauth.js';

/** For whom a credential is. Each part separates: none of them may differ when it is used. */
export interface CredentialKey {
  /** The authorization server that gave it; null for a token that the user brought along. */
  readonly issuer: string | null;
  /** See `resourceOf`. */
  readonly resource: string;
  /** The client it was given to; null as above. */
  readonly client: string | null;
  readonly account: string;
}

/** A token that is sent as it is, until the server refuses it. */
export interface BearerToken {
  readonly kind: 'bearer';
  readonly token: string;
}

export type Credential = BearerToken | OAuthCredential;

/** Whether new tokens can be had without a person. */
export function isRenewable(credential: OAuthCredential): boolean {
  return credential.grant === 'client_credentials' || credential.refreshToken !== null;
}

/** Everything in it that may appear nowhere. */
export function secretsOf(credential: Credential): string[] {
  if (credential.kind === 'bearer') return [credential.token];
  const { accessToken, refreshToken, client } = credential;
  return [accessToken, refreshToken, client.clientSecret].filter((secret) => secret !== null);
}

/** The account of those who have one. */
export const defaultAccount = 'default';

/** The address a credential is for: that of the server without query and fragment. Another address is another resource. */
export function resourceOf(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

/**
 * The name of an entry. The host is for people who look into their keychain; the hash decides. A path may hold a secret, and so
 * stands nowhere in clear.
 *
 * @param profile the configuration folder: two of them may have different tokens for one address
 */
export function entryName(key: CredentialKey, profile: string): string {
  const { issuer, resource, client, account } = key;
  const hash = hashOf({ profile, issuer, resource, client, account }).slice(0, 32);
  return `${account}@${new URL(resource).host} ${hash}`;
}

export function toText(credential: Credential): string {
  return JSON.stringify({ version: 1, ...credential });
}

/** Undefined for what is no credential of this version. */
export function fromText(text: string): Credential | undefined {
  try {
    const { version, ...rest } = JSON.parse(text) as Partial<Record<string, unknown>>;
    if (version !== 1) return undefined;
    if (rest.kind === 'oauth') return isLogin(rest) ? rest : undefined;
    return rest.kind === 'bearer' && typeof rest.token === 'string' ? { kind: 'bearer', token: rest.token } : undefined;
  } catch {
    return undefined;
  }
}

type Unchecked<T> = { readonly [K in keyof T]?: unknown };

function isLogin(value: Unchecked<OAuthCredential>): value is OAuthCredential {
  const { grant, issuer, client, tokenEndpoint, accessToken, scopes, issuedAt, generation } = value;
  return (
    (grant === 'authorization_code' || grant === 'device_code' || grant === 'client_credentials') &&
    [issuer, tokenEndpoint, accessToken, issuedAt, generation].every((item) => typeof item === 'string') &&
    [value.revocationEndpoint, value.resource, value.refreshToken, value.expiresAt].every(isTextOrNull) &&
    Array.isArray(scopes) &&
    scopes.every((scope) => typeof scope === 'string') &&
    isClient(client)
  );
}

const authMethods: ReadonlySet<unknown> = new Set(['none', 'client_secret_post', 'client_secret_basic', 'private_key_jwt']);

function isClient(value: unknown): value is ClientIdentity {
  if (typeof value !== 'object' || value === null) return false;
  const { source, clientId, clientSecret, authMethod, redirectUri, secretExpiresAt } = value as Unchecked<ClientIdentity>;
  return (
    (source === 'static' || source === 'cimd' || source === 'dcr') &&
    typeof clientId === 'string' &&
    authMethods.has(authMethod) &&
    [clientSecret, redirectUri, secretExpiresAt].every(isTextOrNull)
  );
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}
