/** Keeps credentials safe: chooses between keychain, encrypted file and memory, and keeps the index of accounts true to them. */
import { randomUUID } from 'node:crypto';
import type { AccountRecord } from '../config/accounts.js';
import type { CredentialStore } from '../config/schema.js';
import type { Clock } from '../core/clock.js';
import { McpctlError } from '../core/errors.js';
import type { AccountIndex } from './account-index.js';
import { type Credential, type CredentialKey, entryName, fromText, isRenewable, toText } from './credential.js';
import type { FileVault } from './file-vault.js';
import { isMissing, type Patience, type Vault, vaultError } from './vault.js';
import type { KeyOrigin } from './vault-key.js';

export interface TokenStoreParts {
  readonly keychain: Vault;
  readonly file: FileVault;
  readonly memory: Vault;
  readonly index: AccountIndex;
  readonly clock: Clock;
  /** The configuration folder: tokens of two of them do not mix. */
  readonly profile: string;
}

/** Where tokens go, as a person is to be told. */
export interface StoreInfo {
  /** What the configuration or the environment asks for. */
  readonly mode: CredentialStore;
  readonly store: Vault['kind'];
  /** The encrypted file. */
  readonly file: string | null;
  readonly key: KeyOrigin | null;
  /** Why it is the file, with `auto`. */
  readonly reason: string | null;
  /** Why it cannot be used at the moment. */
  readonly problem: {
    readonly code: string;
    readonly message: string;
    readonly hint: string | null;
    /** A `VaultTrouble`, where it is one. */
    readonly reason: string | null;
  } | null;
}

export class TokenStore {
  constructor(readonly parts: TokenStoreParts) {}

  /**
   * The credential, from the place where the index says it is: another place would give an older one.
   *
   * @throws McpctlError `CREDENTIAL_STORE`; `signal.reason`
   */
  async get(key: CredentialKey, mode: CredentialStore, patience: Patience): Promise<Credential | undefined> {
    const record = this.parts.index.of(key.resource, mode).get(key.account);
    if (!record) return undefined;
    const text = await this.parts[record.store].get(this.#nameOf(key), patience);
    if (text === undefined) return undefined;
    const credential = fromText(text);
    if (credential) return credential;
    throw vaultError('damaged', `What the ${nameOf(record.store)} has for this server is no token of mcpctl`, {
      hint: 'store it again',
    });
  }

  /**
   * Stores a credential in place of the one before. The index follows: what it names is there.
   *
   * @returns where it is now; with `reason` when that is the file for want of a keychain
   * @throws McpctlError `CREDENTIAL_STORE`, `CONFIG_INVALID` (index), `TIMEOUT` (lock); `signal.reason`
   */
  async set(
    key: CredentialKey,
    credential: Credential,
    mode: CredentialStore,
    patience: Patience,
  ): Promise<{ store: Vault['kind']; reason: string | null }> {
    const name = this.#nameOf(key);
    const { index, clock, file } = this.parts;
    const before = index.of(key.resource, mode).get(key.account);
    const put = (vault: Vault) => vault.set(name, toText(credential), patience);
    const { vault, reason } = await this.#firstUsable(mode, put);
    const { issuer, client, resource, account } = key;
    const record = { issuer, client, store: vault.kind, savedAt: clock.date().toISOString(), ...timesOf(credential) };
    await index.set(resource, account, record, patience.signal);
    // An older token, in the other place or of another client, is of no use to anybody but a thief.
    const oldName = before && this.#nameOf({ issuer: before.issuer, resource, client: before.client, account });
    if (before && oldName !== name) await this.parts[before.store].delete(oldName!, patience).catch(() => false);
    if (mode === 'auto' && vault.kind === 'keychain') await file.delete(name, patience).catch(() => false);
    return { store: vault.kind, reason };
  }

  /**
   * Puts another one in the place of a credential that is stored, wherever that is. It is safe once this resolves; the index follows
   * when it can, because nothing but what is shown depends on it.
   *
   * @throws McpctlError `CREDENTIAL_STORE`; `signal.reason`
   */
  async replace(key: CredentialKey, credential: Credential, mode: CredentialStore, patience: Patience): Promise<void> {
    const { index } = this.parts;
    const record = index.of(key.resource, mode).get(key.account);
    if (!record) throw vaultError('failed', 'The login was removed meanwhile', { hint: 'log in again' });
    await this.parts[record.store].set(this.#nameOf(key), toText(credential), patience);
    await index.set(key.resource, key.account, { ...record, ...timesOf(credential) }, patience.signal).catch(() => {});
  }

  /** The same bytes once more: whether a new credential could be kept, before the old one is spent. @throws as `replace` */
  async probe(key: CredentialKey, credential: Credential, mode: CredentialStore, patience: Patience): Promise<void> {
    const record = this.parts.index.of(key.resource, mode).get(key.account);
    if (record) await this.parts[record.store].set(this.#nameOf(key), toText(credential), patience);
  }

  /**
   * Removes the credentials of one address, from every place that may hold one.
   *
   * @returns the accounts that are logged out
   */
  async delete(key: CredentialKey, mode: CredentialStore, patience: Patience): Promise<boolean> {
    const { keychain, file, memory, index } = this.parts;
    const record = index.of(key.resource, mode).get(key.account);
    const name = this.#nameOf(key);
    let isDeleted = false;
    for (const vault of mode === 'auto' ? [keychain, file] : [{ keychain, file, memory }[mode]]) {
      try {
        isDeleted = (await vault.delete(name, patience)) || isDeleted;
      } catch (error) {
        // Only what is not known to be there may fail to go.
        if (vault.kind === record?.store || !(error instanceof McpctlError) || patience.signal.aborted) throw error;
      }
    }
    if (record) await index.set(key.resource, key.account, null, patience.signal);
    return isDeleted || record !== undefined;
  }

  /** The keys of what is stored for one address. Of a keychain nobody can ask for all entries without the risk to hang for ever. */
  list(resource: string, mode: CredentialStore): CredentialKey[] {
    const found = this.parts.index.of(resource, mode);
    return [...found].map(([account, { issuer, client }]) => ({ issuer, resource, client, account }));
  }

  /**
   * Where the next token would go. Looks for the keychain, but changes nothing; with `writes` an entry is stored there, read and
   * removed, because not every keychain that can be read can be written. Never throws but `signal.reason`.
   */
  async describe(mode: CredentialStore, patience: Patience, { writes = false } = {}): Promise<StoreInfo> {
    const about = (vault: Vault, reason: string | null): StoreInfo => {
      const isFile = vault.kind === 'file';
      const { file } = this.parts;
      return {
        mode,
        store: vault.kind,
        file: isFile ? file.file : null,
        key: isFile ? file.keyOrigin : null,
        reason,
        problem: null,
      };
    };
    try {
      // A name that nobody has.
      const { vault, reason } = await this.#firstUsable(mode, (candidate) =>
        writes && candidate.kind === 'keychain' ? tryOut(candidate, patience) : candidate.get('probe', patience),
      );
      return about(vault, reason);
    } catch (error) {
      if (patience.signal.aborted || !(error instanceof McpctlError)) throw error;
      const { code, message, hint = null, details } = error;
      const reason = typeof details?.reason === 'string' ? details.reason : null;
      return { ...about(this.parts[mode === 'auto' ? 'keychain' : mode], null), problem: { code, message, hint, reason } };
    }
  }

  /** With `auto` a machine without a keychain uses the file; a keychain that is only locked is never passed over. */
  async #firstUsable(
    mode: CredentialStore,
    use: (vault: Vault) => Promise<unknown>,
  ): Promise<{ vault: Vault; reason: string | null }> {
    const first = this.parts[mode === 'auto' ? 'keychain' : mode];
    try {
      await use(first);
      return { vault: first, reason: null };
    } catch (error) {
      if (mode !== 'auto' || !isMissing(error)) throw error;
      await use(this.parts.file);
      return { vault: this.parts.file, reason: error.message };
    }
  }

  #nameOf(key: CredentialKey): string {
    return entryName(key, this.parts.profile);
  }
}

async function tryOut(vault: Vault, patience: Patience): Promise<void> {
  const name = `probe ${randomUUID()}`;
  await vault.set(name, name, patience);
  const found = await vault.get(name, patience);
  await vault.delete(name, patience);
  if (found !== name) throw vaultError('failed', 'The keychain did not give back what was stored in it');
}

function timesOf(credential: Credential): Pick<AccountRecord, 'issuedAt' | 'expiresAt' | 'scopes' | 'renewable'> {
  if (credential.kind === 'bearer') return { issuedAt: null, expiresAt: null, scopes: [], renewable: false };
  const { issuedAt, expiresAt, scopes } = credential;
  return { issuedAt, expiresAt, scopes, renewable: isRenewable(credential) };
}

export function nameOf(store: Vault['kind']): string {
  return { keychain: 'keychain', file: 'encrypted file', memory: 'memory of this process' }[store];
}
