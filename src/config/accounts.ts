/** The index of accounts: for which addresses a login is stored, and where. Kept in the settings; never holds the login itself. */
import { hashOf } from './canonical.js';
import { type SettingsResult, updateSettings, type WriteAccess } from './settings.js';
import { isObject } from './shape.js';

export interface AccountRecord {
  /** Who gave the token, and to which client; null for one that the user brought along. */
  readonly issuer: string | null;
  readonly client: string | null;
  readonly store: 'keychain' | 'file' | 'memory';
  /** ISO 8601, UTC. */
  readonly savedAt: string;
  /** ISO 8601, UTC; null = nobody has said. */
  readonly expiresAt: string | null;
  readonly scopes: readonly string[];
}

/** The records for one address, by account; what is not understood counts as not there. */
export function accountsFor(settings: Readonly<Record<string, unknown>>, resource: string): ReadonlyMap<string, AccountRecord> {
  const found = new Map<string, AccountRecord>();
  const all = settings.accounts;
  const key = resourceKey(resource);
  const ofResource = isObject(all) && Object.hasOwn(all, key) ? all[key] : undefined;
  for (const [account, record] of isObject(ofResource) ? Object.entries(ofResource) : []) {
    if (!isObject(record)) continue;
    const { issuer = null, client = null, store, savedAt, expiresAt = null, scopes = [] } = record;
    if (store !== 'keychain' && store !== 'file') continue;
    if (typeof savedAt !== 'string' || !isTextOrNull(issuer) || !isTextOrNull(client) || !isTextOrNull(expiresAt)) continue;
    const known = Array.isArray(scopes) ? scopes.filter((scope) => typeof scope === 'string') : [];
    found.set(account, { issuer, client, store, savedAt, expiresAt, scopes: known });
  }
  return found;
}

/**
 * Stands for one login and nobody else's, and tells nothing of it: what a server said to one is not shown to another. A login that is
 * stored anew counts as another one, because the same name may then be somebody else.
 */
export function loginId({ account, issuer, client, savedAt }: AccountRecord & { readonly account: string }): string {
  return hashOf({ account, issuer, client, savedAt }).slice(0, 32);
}

/** Stores or removes (`null`) a record, under the lock of the settings and in one step. @throws as `updateSettings` */
export function setAccount(
  configDir: string,
  { resource, account, record }: { resource: string; account: string; record: AccountRecord | null },
  access: WriteAccess,
): Promise<SettingsResult> {
  return updateSettings(
    configDir,
    { section: 'accounts', file: resourceKey(resource), server: account, next: async () => record },
    access,
  );
}

/** A path may hold a secret, so the address does not stand in the settings. */
function resourceKey(resource: string): string {
  return hashOf(resource);
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}
