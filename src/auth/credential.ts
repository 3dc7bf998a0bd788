/** What is stored to log in to a server, for whom it is, and the name it is stored under. */
import { hashOf } from '../config/canonical.js';

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
export interface Credential {
  readonly kind: 'bearer';
  readonly token: string;
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
    const { version, kind, token } = JSON.parse(text) as Partial<Record<string, unknown>>;
    return version === 1 && kind === 'bearer' && typeof token === 'string' ? { kind, token } : undefined;
  } catch {
    return undefined;
  }
}
