/** The logins that this process uses: reads them, renews them, ends them. Loaded when a server turns out to have one. */
import type { Env } from '../config/paths.js';
import type { CredentialStore, ServerConfig } from '../config/schema.js';
import type { Clock } from '../core/clock.js';
import { McpctlError } from '../core/errors.js';
import type { HttpFetch } from '../io/http-fetch.js';
import { type Credential, type CredentialKey, entryName, secretsOf } from './credential.js';
import type { OAuthCredential } from './oauth.js';
import { FileRenewalLock, MemoryLock, type RenewalLock } from './renewal-lock.js';
import { fits, type Source } from './server-credentials.js';
import { TokenLife } from './token-life.js';
import type { TokenStore } from './token-store.js';
import type { Patience } from './vault.js';

export interface LiveLoginsOptions {
  readonly store: TokenStore;
  readonly stateDir: string;
  readonly env: Env;
  readonly clock: Clock;
  readonly pid: number;
  readonly onSecret: (secret: string) => void;
}

/** Under a lock that others wait for a store gets this long, in milliseconds: it has just answered, or will not. */
const lockedStoreMs = 5_000;
/** At the end of the process an answer of the authorization server may still come, and with it the only refresh token there is. */
const lastWordMs = 2_000;

export class LiveLogins implements AsyncDisposable {
  readonly #options: LiveLoginsOptions;
  readonly #lifetime = new AbortController();
  readonly #inMemory = new MemoryLock();
  /** By server and entry. */
  readonly #lives = new Map<string, { readonly server: ServerConfig; readonly life: TokenLife }>();

  constructor(options: LiveLoginsOptions) {
    this.#options = options;
  }

  /** @throws McpctlError `CREDENTIAL_STORE`; `signal.reason` */
  async read(key: CredentialKey, mode: CredentialStore, patience: Patience): Promise<Credential | undefined> {
    const credential = await this.#options.store.get(key, mode, patience);
    for (const secret of credential ? secretsOf(credential) : []) this.#options.onSecret(secret);
    return credential;
  }

  /** What a connection of this server sends; undefined when nothing is stored that fits its configuration. @throws as `read` */
  async sourceFor(
    server: ServerConfig,
    key: CredentialKey,
    mode: CredentialStore,
    patience: Patience,
  ): Promise<Source | undefined> {
    const credential = await this.read(key, mode, patience);
    if (credential === undefined || credential.kind === 'bearer') return credential;
    if (!fits(credential, server.oauth)) return undefined;
    const id = `${server.name} ${this.#nameOf(key)}`;
    const known = this.#lives.get(id);
    if (known?.server === server) {
      known.life.saw(credential);
      return { kind: 'login', life: known.life };
    }
    const life = this.#lifeOf(server, key, mode, credential);
    this.#lives.set(id, { server, life });
    return { kind: 'login', life };
  }

  /** A person asks: what failed before is tried again at once. */
  retryNow(name: string): void {
    for (const { server, life } of this.#lives.values()) if (server.name === name) life.retryNow();
  }

  /** Runs `work` while nobody renews this login. @throws McpctlError `AUTH_UNAVAILABLE` when somebody does so for too long */
  locked<T>(key: CredentialKey, mode: CredentialStore, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    return this.#lock(key, mode).hold(signal, work);
  }

  /** Tells the provider that this login is over. @throws McpctlError `AUTH_UNAVAILABLE`, `AUTH_FAILED`; `signal.reason` */
  async revoke(server: ServerConfig, login: OAuthCredential, signal: AbortSignal): Promise<void> {
    const { revoke } = await import('./openid.js');
    await this.#asking(server, signal, (parts) => revoke(this.#withOwnSecret(login, server), parts));
  }

  #lifeOf(server: ServerConfig, key: CredentialKey, mode: CredentialStore, first: OAuthCredential): TokenLife {
    const { store, clock } = this.#options;
    const patience = (signal: AbortSignal) => ({ signal, limitMs: lockedStoreMs });
    const parts = {
      server: server.name,
      clock,
      lock: this.#lock(key, mode),
      store: {
        read: async (signal: AbortSignal) => {
          const credential = await this.read(key, mode, patience(signal));
          return credential?.kind === 'oauth' ? credential : undefined;
        },
        probe: (login: OAuthCredential, signal: AbortSignal) => store.probe(key, login, mode, patience(signal)),
        replace: (login: OAuthCredential, signal: AbortSignal) => store.replace(key, login, mode, patience(signal)),
      },
      renew: async (login: OAuthCredential, signal: AbortSignal) => {
        const { renew } = await import('./openid.js');
        const renewed = await this.#asking(server, signal, (openid) =>
          renew(this.#withOwnSecret(login, server), { ...openid, now: () => clock.date() }),
        );
        // A secret of the configuration is not stored.
        return { ...renewed, client: login.client };
      },
      lifetime: this.#lifetime.signal,
    };
    return new TokenLife(parts, first);
  }

  async #asking<T>(
    server: ServerConfig,
    signal: AbortSignal,
    ask: (parts: {
      fetch: HttpFetch['fetch'];
      privateKeyFile: string | null;
      onSecret: (secret: string) => void;
      server: string;
    }) => Promise<T>,
  ): Promise<T> {
    const { createOAuthFetch } = await import('./oauth-fetch.js');
    const { env, clock, onSecret } = this.#options;
    await using http = createOAuthFetch({ server, env, clock, signal });
    try {
      return await ask({ fetch: http.fetch, privateKeyFile: server.oauth.privateKeyFile, onSecret, server: server.name });
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  }

  /** The configuration knows the secret of a client that it names; what was stored with the login may be an older one. */
  #withOwnSecret(login: OAuthCredential, { oauth }: ServerConfig): OAuthCredential {
    const { client } = login;
    const secret = oauth.clientSecret ?? (oauth.clientSecretEnv === null ? undefined : this.#options.env[oauth.clientSecretEnv]);
    return secret && client.source === 'static' ? { ...login, client: { ...client, clientSecret: secret } } : login;
  }

  #lock(key: CredentialKey, mode: CredentialStore): RenewalLock {
    if (mode === 'memory') return this.#inMemory;
    const { stateDir, clock, pid } = this.#options;
    return new FileRenewalLock({ stateDir, id: this.#nameOf(key).split(' ').at(-1)!, clock, pid });
  }

  #nameOf(key: CredentialKey): string {
    return entryName(key, this.#options.store.parts.profile);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const idle = Promise.all([...this.#lives.values()].map(({ life }) => life.idle()));
    let cancel = () => {};
    const enough = new Promise<void>((resolve) => {
      cancel = this.#options.clock.after(lastWordMs, resolve);
    });
    await Promise.race([idle, enough]).finally(cancel);
    this.#lifetime.abort(new McpctlError('CANCELLED', 'mcpctl is closing'));
    await idle;
  }
}
