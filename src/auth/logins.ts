/** The logins of the configured servers. Costs a server without one a look into the index; the stores are loaded when there is one. */
import type { AccountRecord } from '../config/accounts.js';
import type { Env } from '../config/paths.js';
import type { CredentialStore, ServerConfig } from '../config/schema.js';
import type { Clock } from '../core/clock.js';
import { McpctlError } from '../core/errors.js';
import { AccountIndex } from './account-index.js';
import { type Credential, type CredentialKey, defaultAccount, resourceOf, secretsOf } from './credential.js';
import type { KeychainClient } from './keychain-client.js';
import type { LiveLogins } from './live-logins.js';
import { addressOf, canHaveToken, usableAddressOf } from './login-target.js';
import type { LoginResult, OAuthCredential } from './oauth.js';
import { ServerCredentials } from './server-credentials.js';
import type { StoreInfo, TokenStore } from './token-store.js';
import type { Patience } from './vault.js';

export interface LoginsOptions {
  readonly configDir: string;
  readonly stateDir: string;
  readonly env: Env;
  readonly clock: Clock;
  readonly pid: number;
  /** The program that talks to the keychain; absolute. */
  readonly keychainHelper: string;
  /** Whether somebody sits in front of this process, who could unlock a keychain. */
  readonly isAttended: boolean;
  /** The store that the configuration asks for; read at each use, because it can change. */
  readonly configured: () => CredentialStore;
  /** Told of every secret before it is used, so that it appears nowhere. */
  readonly onSecret: (secret: string) => void;
  readonly onWarning: (message: string) => void;
}

/** Who asks, and whether a person can unlock what is locked. */
export interface Asking {
  readonly signal: AbortSignal;
  readonly isAttended: boolean;
}

/** What is known of a login without a look at the login itself. */
export type KnownLogin = AccountRecord & { readonly account: string };

export interface SavedToken {
  readonly resource: string;
  readonly account: string;
  readonly store: AccountRecord['store'];
  /** The encrypted file, if it is that. */
  readonly file: string | null;
  /** Told once: tokens go into a file, because there is no keychain. */
  readonly announcement: string | null;
}

export interface EndedLogins {
  readonly resource: string;
  /** Those that were logged in. */
  readonly accounts: string[];
  /** Why a provider may still let one of them in. */
  readonly warnings: string[];
}

/** How long a keychain may take: to type its password, or where nobody can. In milliseconds. */
const patienceMs = { attended: 60_000, alone: 3_000 };

const stores: readonly string[] = ['auto', 'keychain', 'file', 'memory'] satisfies CredentialStore[];

interface Opened {
  readonly store: TokenStore;
  readonly client: KeychainClient;
  readonly live: LiveLogins;
}

export class Logins implements AsyncDisposable {
  readonly #options: LoginsOptions;
  readonly #index: AccountIndex;
  #opening: Promise<Opened> | undefined;

  constructor(options: LoginsOptions) {
    this.#options = options;
    this.#index = new AccountIndex(options.configDir, { clock: options.clock, pid: options.pid });
  }

  /** Reads the index anew. */
  refresh(): Promise<void> {
    return this.#index.refresh();
  }

  /** The login that this server would use, as of the last look at the index. */
  known(server: ServerConfig): KnownLogin | undefined {
    return canHaveToken(server) ? this.#inUse(server, this.#modeOr('auto')) : undefined;
  }

  /** Every account that is logged in to this server, as of the last look at the index. */
  accounts(server: ServerConfig): string[] {
    return canHaveToken(server) ? [...this.#index.of(resourceOf(server.definition.url), this.#modeOr('auto')).keys()] : [];
  }

  /** Who says for one connection who we are; undefined for a server that takes no stored token. */
  credentialsFor(server: ServerConfig): ServerCredentials | undefined {
    if (!canHaveToken(server)) return undefined;
    const resource = resourceOf(server.definition.url);
    return new ServerCredentials({
      server: server.name,
      find: async (signal) => {
        await this.#index.refresh();
        const mode = this.#mode();
        const used = this.#inUse(server, mode);
        if (!used) return undefined;
        const { live } = await this.#open();
        const patience = this.#patience({ signal, isAttended: this.#options.isAttended });
        return live.sourceFor(server, keyOf(used, resource), mode, patience).catch((error: unknown) => {
          throw ofServer(error, server.name);
        });
      },
      wantScopes: (scopes, signal) => {
        const account = this.#inUse(server, this.#modeOr('auto'))?.account ?? server.oauth.account ?? defaultAccount;
        return this.#index.wantScopes(resource, account, scopes, signal);
      },
    });
  }

  /** Somebody asked for this server: a renewal that failed a moment ago is tried again. */
  async retryNow(name: string): Promise<void> {
    (await this.#opening?.catch(() => undefined))?.live.retryNow(name);
  }

  /**
   * The login that is stored for an account (that in use by default), whether or not the server would use it; for the next one.
   *
   * @throws McpctlError `CREDENTIAL_STORE`
   */
  async storedLogin(
    server: ServerConfig,
    { account, ...asking }: Asking & { account?: string | undefined },
  ): Promise<OAuthCredential | undefined> {
    await this.#index.refresh();
    const mode = this.#mode();
    const resource = addressOf(server);
    const wanted = account ?? this.accountFor(server);
    const record = this.#index.of(resource, mode).get(wanted);
    if (!record) return undefined;
    const { live } = await this.#open();
    const credential = await live.read(keyOf({ ...record, account: wanted }, resource), mode, this.#patience(asking));
    return credential?.kind === 'oauth' ? credential : undefined;
  }

  /** The account that a login without a name is for: that of the configuration, that in use, or the usual one. */
  accountFor(server: ServerConfig): string {
    return server.oauth.account ?? this.#inUse(server, this.#modeOr('auto'))?.account ?? defaultAccount;
  }

  /** Scopes that the server asked for since the last login of an account. */
  async wantedScopes(server: ServerConfig, account: string): Promise<readonly string[]> {
    await this.#index.refresh();
    return this.#index.wantedScopes(addressOf(server), account);
  }

  /** @returns the address that a token for this server is stored for @throws McpctlError why it takes none */
  check(server: ServerConfig): string {
    return usableAddressOf(server);
  }

  /** Stores a token that the user brought along. @throws McpctlError `USAGE` for a server that takes none, and as `TokenStore.set` */
  save(server: ServerConfig, token: string, asking: Asking): Promise<SavedToken> {
    const account = server.oauth.account ?? defaultAccount;
    return this.#save(server, { account, issuer: null, client: null }, { kind: 'bearer', token }, asking);
  }

  /** Stores what a login ended with, in place of the one before. @throws as `save` */
  saveLogin(server: ServerConfig, { account, credential }: LoginResult, asking: Asking): Promise<SavedToken> {
    const { issuer, client } = credential;
    return this.#save(server, { account, issuer, client: client.clientId }, credential, asking);
  }

  async #save(
    server: ServerConfig,
    key: Omit<CredentialKey, 'resource'>,
    credential: Credential,
    asking: Asking,
  ): Promise<SavedToken> {
    const resource = usableAddressOf(server);
    const mode = this.#mode();
    for (const secret of secretsOf(credential)) this.#options.onSecret(secret);
    const [{ store, live }] = await Promise.all([this.#open(), this.#index.refresh()]);
    const { account } = key;
    const known = this.#index.of(resource, mode).get(account);
    const isFirst = !(await store.parts.file.exists());
    const put = () => store.set({ ...key, resource }, credential, mode, this.#patience(asking));
    // A renewal that is under way must not come after it.
    const isRenewed = known !== undefined && known.issuer !== null;
    const saved = await (isRenewed ? live.locked(keyOf({ ...known, account }, resource), mode, asking.signal, put) : put());
    if (credential.kind === 'oauth') await this.#index.wantScopes(resource, account, null, asking.signal).catch(() => {});
    const isFile = saved.store === 'file';
    const announcement = saved.reason !== null && (isFirst || known?.store === 'keychain') ? announce(saved.reason, store) : null;
    return { resource, account, store: saved.store, file: isFile ? store.parts.file.file : null, announcement };
  }

  /**
   * Ends what is stored for a server, the account in use or all of them: at the provider, then here. What the provider answers, or
   * that it does not, keeps nothing here.
   *
   * @throws McpctlError `CREDENTIAL_STORE`; `signal.reason`, and then it is stored still
   */
  async forget(server: ServerConfig, { allAccounts, ...asking }: Asking & { allAccounts: boolean }): Promise<EndedLogins> {
    const resource = addressOf(server);
    const mode = this.#mode();
    const [{ store, live }] = await Promise.all([this.#open(), this.#index.refresh()]);
    const known = store.list(resource, mode);
    const account = this.accountFor(server);
    // Also where the index has been lost: the usual entry is looked for.
    const usual = known.find((key) => key.account === account) ?? { issuer: null, resource, client: null, account };
    const keys = allAccounts ? [usual, ...known.filter((key) => key !== usual)] : [usual];
    const accounts: string[] = [];
    const warnings: string[] = [];
    for (const key of keys) {
      const end = async () => {
        if (key.issuer !== null) await this.#tellProvider(server, key, warnings, asking);
        return store.delete(key, mode, this.#patience(asking));
      };
      if (await (key.issuer === null ? end() : live.locked(key, mode, asking.signal, end))) accounts.push(key.account);
    }
    return { resource, accounts, warnings };
  }

  /** Needs the lock of the login. What goes wrong is a warning; @throws `signal.reason` */
  async #tellProvider(server: ServerConfig, key: CredentialKey, warnings: string[], asking: Asking): Promise<void> {
    const { live } = await this.#open();
    try {
      const login = await live.read(key, this.#mode(), this.#patience(asking));
      if (login?.kind === 'oauth') await live.revoke(server, login, asking.signal);
    } catch (error) {
      // What cannot be read can go all the same: a lost key is no reason to keep it.
      if (asking.signal.aborted || !(error instanceof McpctlError)) throw error;
      warnings.push(`${error.message}; it is deleted here, and may be good for a while at the provider`);
    }
  }

  /** Where tokens are kept here. */
  async describe({ writes = false, ...asking }: Asking & { writes?: boolean }): Promise<StoreInfo> {
    const mode = this.#mode();
    return (await this.#open()).store.describe(mode, this.#patience(asking), { writes });
  }

  /** The account of the configuration, else the one that logged in last; of another client than the configured one, none. */
  #inUse({ oauth, definition }: ServerConfig, mode: CredentialStore): KnownLogin | undefined {
    if (definition.type === 'stdio' || !URL.canParse(definition.url)) return undefined;
    let last: KnownLogin | undefined;
    for (const [account, record] of this.#index.of(resourceOf(definition.url), mode)) {
      if (oauth.account !== null && account !== oauth.account) continue;
      if (oauth.clientId !== null && record.client !== null && record.client !== oauth.clientId) continue;
      if (!last || record.savedAt > last.savedAt) last = { ...record, account };
    }
    return last;
  }

  /** The environment wins over the configuration. @throws McpctlError `CONFIG_INVALID` for a word that is no store */
  #mode(): CredentialStore {
    const { env, configured } = this.#options;
    const word = env.MCPCTL_CREDENTIAL_STORE || configured();
    if (stores.includes(word)) return word as CredentialStore;
    throw new McpctlError('CONFIG_INVALID', `MCPCTL_CREDENTIAL_STORE is one of ${stores.join(', ')}, not "${word}"`, {
      hint: 'correct it, or unset it: the configuration has credentials.store',
      delivered: 'no',
    });
  }

  #modeOr(other: CredentialStore): CredentialStore {
    try {
      return this.#mode();
    } catch {
      return other;
    }
  }

  #patience({ signal, isAttended }: Asking): Patience {
    return { signal, limitMs: isAttended ? patienceMs.attended : patienceMs.alone };
  }

  #open(): Promise<Opened> {
    this.#opening ??= this.#build();
    return this.#opening;
  }

  async #build(): Promise<Opened> {
    const [{ openStores }, { LiveLogins }] = await Promise.all([import('./open-stores.js'), import('./live-logins.js')]);
    const { store, client } = await openStores(this.#options, this.#index);
    return { store, client, live: new LiveLogins({ ...this.#options, store }) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = await this.#opening?.catch(() => undefined);
    await opened?.live[Symbol.asyncDispose]();
    await opened?.client[Symbol.asyncDispose]();
  }
}

function keyOf({ issuer, client, account }: KnownLogin, resource: string): CredentialKey {
  return { issuer, resource, client, account };
}

function ofServer(error: unknown, server: string): unknown {
  if (!(error instanceof McpctlError) || error.server !== undefined) return error;
  const { code, message, hint, details, delivered } = error;
  const told =
    details?.reason === 'missing'
      ? `it is in the keychain of another session; store it again here: mcpctl auth-save ${server}`
      : hint;
  return new McpctlError(code, `The token of "${server}": ${message}`, { server, cause: error, hint: told, details, delivered });
}

function announce(reason: string, { parts: { file } }: TokenStore): string {
  const { keyOrigin } = file;
  const how =
    keyOrigin === 'key-file'
      ? 'the key lies beside it, so this protects only against copies of the one file; MCPCTL_VAULT_PASSPHRASE protects more'
      : `with ${keyOrigin === 'key' ? 'MCPCTL_VAULT_KEY' : 'MCPCTL_VAULT_PASSPHRASE'}`;
  return `${reason}\ntokens are kept encrypted in ${file.file} (${how})`;
}
