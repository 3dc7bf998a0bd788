/** Which logins are stored, known without a look into any store: the settings say it, and for the memory store this process does. */
import { type AccountRecord, accountsFor, rememberScopes, setAccount, wantedScopes } from '../config/accounts.js';
import type { CredentialStore } from '../config/schema.js';
import { readSettings, type WriteAccess } from '../config/settings.js';

export class AccountIndex {
  #settings: Readonly<Record<string, unknown>> = {};
  /** Address → account. */
  readonly #inMemory = new Map<string, Map<string, AccountRecord>>();

  constructor(
    readonly configDir: string,
    readonly access: WriteAccess,
  ) {}

  /** Reads the settings anew: another process may have stored or removed a login. */
  async refresh(): Promise<void> {
    // What is wrong with them is told by whoever loads the configuration.
    this.#settings = (await readSettings(this.configDir, this.access)).settings;
  }

  /** As of the last `refresh`; only those in a store that `mode` lets be used. */
  of(resource: string, mode: CredentialStore): ReadonlyMap<string, AccountRecord> {
    if (mode === 'memory') return this.#inMemory.get(resource) ?? new Map();
    const stored = [...accountsFor(this.#settings, resource)];
    return new Map(stored.filter(([, { store }]) => mode === 'auto' || store === mode));
  }

  /** `null` removes. @throws McpctlError `CONFIG_INVALID` when the settings cannot be written, `TIMEOUT` (lock) */
  async set(resource: string, account: string, record: AccountRecord | null, signal: AbortSignal): Promise<void> {
    const inMemory = this.#inMemory.get(resource) ?? new Map<string, AccountRecord>();
    if (record?.store === 'memory') {
      this.#inMemory.set(resource, inMemory.set(account, record));
      return;
    }
    inMemory.delete(account);
    if (record === null && !accountsFor(this.#settings, resource).has(account)) return;
    await setAccount(this.configDir, { resource, account, record }, { ...this.access, signal });
    await this.refresh();
  }

  /** What the server asked for since the last login, as of the last `refresh`. */
  wantedScopes(resource: string, account: string): readonly string[] {
    return wantedScopes(this.#settings, resource, account);
  }

  /** For the next login; `null` forgets them. @throws as `set` */
  async wantScopes(resource: string, account: string, scopes: readonly string[] | null, signal: AbortSignal): Promise<void> {
    if (scopes === null && this.wantedScopes(resource, account).length === 0) return;
    await rememberScopes(this.configDir, { resource, account, scopes }, { ...this.access, signal });
    await this.refresh();
  }
}
