/** The logins of the configured servers. Costs a server without one a look into the index; the stores are loaded when there is one. */
import { realpath } from 'node:fs/promises';
import { platform } from 'node:os';
import { join } from 'node:path';
import type { AccountRecord } from '../config/accounts.js';
import type { Env } from '../config/paths.js';
import { type CredentialStore, hasAuthorization, type ServerConfig } from '../config/schema.js';
import { isWaiting, untrustedError } from '../config/trust.js';
import type { Clock } from '../core/clock.js';
import { McpctlError } from '../core/errors.js';
import { ensureFolder } from '../io/folders.js';
import { AccountIndex } from './account-index.js';
import { type CredentialKey, defaultAccount, resourceOf } from './credential.js';
import type { KeychainClient } from './keychain-client.js';
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
  /** Told of every token before it is used, so that it appears nowhere. */
  readonly onSecret: (secret: string) => void;
  readonly onWarning: (message: string) => void;
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

/** How long a keychain may take: to type its password, or where nobody can. In milliseconds. */
const patienceMs = { attended: 60_000, alone: 3_000 };

const stores: readonly string[] = ['auto', 'keychain', 'file', 'memory'] satisfies CredentialStore[];

export class Logins implements AsyncDisposable {
  readonly #options: LoginsOptions;
  readonly #index: AccountIndex;
  #opening: Promise<TokenStore> | undefined;
  #client: KeychainClient | undefined;

  constructor(options: LoginsOptions) {
    this.#options = options;
    this.#index = new AccountIndex(options.configDir, { clock: options.clock, pid: options.pid });
  }

  /** Reads the index anew. */
  refresh(): Promise<void> {
    return this.#index.refresh();
  }

  /** As of the last look at the index. */
  known(server: ServerConfig): KnownLogin | undefined {
    if (!canHaveToken(server)) return undefined;
    const record = this.#index.of(resourceOf(server.definition.url), this.#modeOr('auto')).get(defaultAccount);
    return record && { ...record, account: defaultAccount };
  }

  /**
   * The token to send to a server; undefined when none is stored.
   *
   * @throws McpctlError `CREDENTIAL_STORE` when one is stored and cannot be had; `signal.reason`
   */
  async tokenFor(server: ServerConfig, signal: AbortSignal): Promise<string | undefined> {
    if (!canHaveToken(server)) return undefined;
    await this.#index.refresh();
    const mode = this.#mode();
    const resource = resourceOf(server.definition.url);
    const record = this.#index.of(resource, mode).get(defaultAccount);
    if (!record) return undefined;
    const store = await this.#open();
    const key = { issuer: record.issuer, resource, client: record.client, account: defaultAccount };
    const credential = await store.get(key, mode, this.#patience(signal, this.#options.isAttended)).catch((error: unknown) => {
      throw ofServer(error, server.name);
    });
    if (credential) this.#options.onSecret(credential.token);
    return credential?.token;
  }

  /** @returns the address that a token for this server is stored for @throws McpctlError why it takes none */
  check(server: ServerConfig): string {
    const resource = addressOf(server);
    if (server.definition.type !== 'stdio' && hasAuthorization(server.definition.headers)) throw hasItsOwn(server);
    return resource;
  }

  /** Stores a token that the user brought along. @throws McpctlError `USAGE` for a server that takes none, and as `TokenStore.set` */
  async save(
    server: ServerConfig,
    token: string,
    { signal, isAttended }: { signal: AbortSignal; isAttended: boolean },
  ): Promise<SavedToken> {
    const resource = this.check(server);
    const mode = this.#mode();
    this.#options.onSecret(token);
    const [store] = await Promise.all([this.#open(), this.#index.refresh()]);
    const key: CredentialKey = { issuer: null, resource, client: null, account: defaultAccount };
    const known = this.#index.of(resource, mode).get(defaultAccount);
    const isFirst = !(await store.parts.file.exists());
    const saved = await store.set(key, { kind: 'bearer', token }, mode, this.#patience(signal, isAttended));
    const isFile = saved.store === 'file';
    const announcement = saved.reason !== null && (isFirst || known?.store === 'keychain') ? announce(saved.reason, store) : null;
    return { resource, account: key.account, store: saved.store, file: isFile ? store.parts.file.file : null, announcement };
  }

  /** Removes what is stored for a server: the usual account, or all of them. @returns the accounts that were there */
  async forget(
    server: ServerConfig,
    { allAccounts, signal, isAttended }: { allAccounts: boolean; signal: AbortSignal; isAttended: boolean },
  ): Promise<{ resource: string; accounts: string[] }> {
    const resource = addressOf(server);
    const mode = this.#mode();
    const [store] = await Promise.all([this.#open(), this.#index.refresh()]);
    const known = store.list(resource, mode);
    // Also where the index has been lost: the usual entry is looked for.
    const usual = known.find(({ account }) => account === defaultAccount) ?? {
      issuer: null,
      resource,
      client: null,
      account: defaultAccount,
    };
    const keys = allAccounts ? [usual, ...known.filter(({ account }) => account !== defaultAccount)] : [usual];
    const accounts: string[] = [];
    for (const key of keys) if (await store.delete(key, mode, this.#patience(signal, isAttended))) accounts.push(key.account);
    return { resource, accounts };
  }

  /** Where tokens are kept here. */
  async describe({ signal, isAttended }: { signal: AbortSignal; isAttended: boolean }): Promise<StoreInfo> {
    const mode = this.#mode();
    return (await this.#open()).describe(mode, this.#patience(signal, isAttended));
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

  #patience(signal: AbortSignal, isAttended: boolean): Patience {
    return { signal, limitMs: isAttended ? patienceMs.attended : patienceMs.alone };
  }

  #open(): Promise<TokenStore> {
    this.#opening ??= this.#build();
    return this.#opening;
  }

  async #build(): Promise<TokenStore> {
    const { configDir, stateDir, env, clock, pid, keychainHelper: helper, onWarning } = this.#options;
    const [{ TokenStore }, { KeychainClient }, { KeychainVault, windowsEntryBytes }, { FileVault }, { MemoryVault }, profile] =
      await Promise.all([
        import('./token-store.js'),
        import('./keychain-client.js'),
        import('./keychain-vault.js'),
        import('./file-vault.js'),
        import('./vault.js'),
        realFolder(configDir),
      ]);
    this.#client = new KeychainClient({ helper, env, clock });
    return new TokenStore({
      keychain: new KeychainVault(this.#client, platform() === 'win32' ? windowsEntryBytes : undefined),
      file: new FileVault({ file: join(stateDir, 'credentials.json'), env, clock, pid, onWarning }),
      memory: new MemoryVault(),
      index: this.#index,
      clock,
      profile,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opening?.catch(() => {});
    await this.#client?.[Symbol.asyncDispose]();
  }
}

/** A server that a stored token can be sent to: over HTTP, usable, and without an Authorization header of its own. */
function canHaveToken(server: ServerConfig): server is ServerConfig & { definition: { url: string } } {
  const { definition, problem } = server;
  return definition.type !== 'stdio' && problem === undefined && !isWaiting(server) && !hasAuthorization(definition.headers);
}

/** @throws McpctlError why no token can be stored for it */
function addressOf(server: ServerConfig): string {
  const { name, definition, problem } = server;
  if (isWaiting(server)) throw untrustedError(server);
  if (problem) throw problem;
  if (definition.type === 'stdio') {
    throw new McpctlError('USAGE', `Server "${name}" is a program; a token is for a server with a URL`, {
      server: name,
      hint: `a program gets its secrets by "env" in its configuration: mcpctl config explain ${name}`,
    });
  }
  return resourceOf(definition.url);
}

function hasItsOwn({ name, file, position }: ServerConfig): McpctlError {
  return new McpctlError('USAGE', `Server "${name}" has an Authorization header of its own, which is sent instead of any token`, {
    server: name,
    hint: `take "Authorization" out of ${file}:${position.line}, then store the token`,
  });
}

/** Under its real name, which a folder has only once it is there. */
async function realFolder(path: string): Promise<string> {
  await ensureFolder(path).catch(() => {});
  return realpath(path).catch(() => path);
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
