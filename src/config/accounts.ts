/** The index of accounts: for which addresses a login is stored, and where. Kept in the settings; never holds the login itself. */
import { hashOf } from './canonical.js';
import { type SettingsResult, updateSettings, type WriteAccess } from './settings.js';
import { isObject } from './shape.js';

export interface AccountRecord {
  /** Who gave the token, and to which client; null for one that the user brought along. */
  readonly issuer: string | null;
  readonly client: string | null;
  readonly store: 'keychain' | 'file' | 'memory';
  /** When this account logged in, or its token was stored: ISO 8601, UTC. */
  readonly savedAt: string;
  /** When the present token was given: ISO 8601, UTC; null = not known. */
  readonly issuedAt: string | null;
  /** ISO 8601, UTC; null = nobody has said. */
  readonly expiresAt: string | null;
  readonly scopes: readonly string[];
  /** Whether new tokens can be had without a person. */
  readonly renewable: boolean;
}

/** The records for one address, by account; what is not understood counts as not there. */
export function accountsFor(settings: Readonly<Record<string, unknown>>, resource: string): ReadonlyMap<string, AccountRecord> {
  const found = new Map<string, AccountRecord>();
  const all = settings.accounts;
  const key = resourceKey(resource);
  const ofResource = isObject(all) && Object.hasOwn(all, key) ? all[key] : undefined;
  for (const [account, record] of isObject(ofResource) ? Object.entries(ofResource) : []) {
    if (!isObject(record)) continue;
    const { issuer = null, client = null, store, savedAt, issuedAt = null, expiresAt = null, scopes = [] } = record;
    if (store !== 'keychain' && store !== 'file') continue;
    if (typeof savedAt !== 'string' || !isTextOrNull(issuer) || !isTextOrNull(client) || !isTextOrNull(expiresAt)) continue;
    if (!isTextOrNull(issuedAt)) continue;
    const known = Array.isArray(scopes) ? scopes.filter((scope) => typeof scope === 'string') : [];
    found.set(account, {
      issuer,
      client,
      store,
      savedAt,
      issuedAt,
      expiresAt,
      scopes: known,
      renewable: record.renewable === true,
    });
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

/** So many scopes are remembered of what a server asked for; more of them is no request any more. */
const maxWanted = 50;

/** The scopes that a server asked for when it refused a request, for the next login; none when it never did. */
export function wantedScopes(settings: Readonly<Record<string, unknown>>, resource: string, account: string): readonly string[] {
  const all = settings.wantedScopes;
  const key = resourceKey(resource);
  const ofResource = isObject(all) && Object.hasOwn(all, key) ? all[key] : undefined;
  const wanted = isObject(ofResource) && Object.hasOwn(ofResource, account) ? ofResource[account] : undefined;
  return scopesIn(wanted);
}

/** Adds scopes to those that the next login is to ask for; `null` forgets all of them: they were asked for. @throws as `updateSettings` */
export function rememberScopes(
  configDir: string,
  { resource, account, scopes }: { resource: string; account: string; scopes: readonly string[] | null },
  access: WriteAccess,
): Promise<SettingsResult> {
  const next = async (stored: unknown) => {
    if (scopes === null) return null;
    const before = scopesIn(stored);
    const after = [...new Set([...before, ...scopes])].slice(0, maxWanted);
    return after.length === before.length ? undefined : { scopes: after };
  };
  return updateSettings(configDir, { section: 'wantedScopes', file: resourceKey(resource), server: account, next }, access);
}

function scopesIn(value: unknown): string[] {
  const scopes = isObject(value) ? value.scopes : undefined;
  return Array.isArray(scopes) ? scopes.filter((scope) => typeof scope === 'string') : [];
}

/** A path may hold a secret, so the address does not stand in the settings. */
function resourceKey(resource: string): string {
  return hashOf(resource);
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}
