/** The logins of a manager's servers: kept, made, ended and listed; a server whose login has changed is connected anew. */

import { resourceOf } from '../auth/credential.js';
import type { EndedLogins, SavedToken } from '../auth/logins.js';
import type { StoreInfo } from '../auth/token-store.js';
import { McpctlError, toMcpctlError } from '../core/errors.js';
import type { Authorization } from './authorize.js';
import type { ManagerParts } from './manager-parts.js';
import { isUsable, type ServerSet } from './server-set.js';
import type { ManagerEvent, ServerStatus } from './server-status.js';

/** What `auth` shows. */
export interface LoginList {
  readonly store: StoreInfo;
  readonly servers: readonly (ServerStatus['auth'] & {
    readonly server: string;
    readonly target: string;
    /** Until the present token ends; null when nobody has said. */
    readonly expiresInMs: number | null;
    /** Logged in as well, and not used now. */
    readonly otherAccounts: readonly string[];
    readonly store: SavedToken['store'] | null;
  })[];
}

export interface ManagerLoginsParts extends Pick<ManagerParts, 'logins' | 'loginFlows' | 'clock' | 'longLived' | 'events'> {
  readonly servers: ServerSet;
  readonly remembered: () => Promise<void>;
  readonly reconnect: (name: string, signal: AbortSignal) => Promise<void>;
}

type LoginChange = Extract<ManagerEvent, { type: 'login-changed' }>;

export class ManagerLogins {
  readonly #parts: ManagerLoginsParts;

  constructor(parts: ManagerLoginsParts) {
    this.#parts = parts;
  }

  /** @throws McpctlError why no token can be stored for this server */
  checkToken(name: string): void {
    this.#logins().check(this.#parts.servers.get(name).config);
  }

  /** Stores a token for a server. A manager that stays connects anew with it, without waiting. @throws as `Logins.save` */
  async saveToken(name: string, token: string, options: { signal: AbortSignal; isAttended: boolean }): Promise<SavedToken> {
    const { config } = this.#parts.servers.get(name);
    const saved = await this.#told(name, 'token', () => this.#logins().save(config, token, options));
    this.#loginChanged(saved.resource);
    return saved;
  }

  /** The login of a server, for `auth`. @throws McpctlError `UNKNOWN_SERVER` */
  async authorization(name: string): Promise<Authorization> {
    const server = this.#parts.servers.get(name);
    const logins = this.#logins();
    const [{ Authorization }, flows] = await Promise.all([import('./authorize.js'), this.#parts.loginFlows?.()]);
    if (!flows) throw new McpctlError('INTERNAL', 'This manager was built without a way to log in');
    const reconnect = (resource: string, signal: AbortSignal) => {
      this.#loginChanged(resource, name);
      return this.#parts.reconnect(name, signal);
    };
    const told = <T>(work: () => Promise<T>) => this.#told(name, 'login', work);
    return new Authorization({ server, flows, logins, reconnect, told });
  }

  /** Ends what is stored for a server. @throws as `Logins.forget` */
  async logout(name: string, options: { allAccounts: boolean; signal: AbortSignal; isAttended: boolean }): Promise<EndedLogins> {
    const { config } = this.#parts.servers.get(name);
    const ended = await this.#told(name, 'logout', () => this.#logins().forget(config, options));
    if (ended.accounts.length > 0) this.#loginChanged(ended.resource);
    return ended;
  }

  /** Where tokens are kept, and what is stored for each server that can have one. */
  async list(options: { signal: AbortSignal; isAttended: boolean }): Promise<LoginList> {
    await this.#parts.remembered();
    const servers = this.#parts.servers.all().filter(({ config }) => config.definition.type !== 'stdio');
    const store = await this.#logins().describe(options);
    return {
      store,
      servers: servers.map((server) => {
        const { name, target, auth } = server.snapshot();
        const leftMs = auth.expiresAt === null ? null : Date.parse(auth.expiresAt) - this.#parts.clock.date().getTime();
        const store = this.#logins().known(server.config)?.store ?? null;
        const otherAccounts = this.#logins()
          .accounts(server.config)
          .filter((account) => account !== auth.account);
        return { server: name, target, ...auth, expiresInMs: leftMs === null ? null : Math.max(leftMs, 0), otherAccounts, store };
      }),
    };
  }

  /** Tells listeners how it went. */
  async #told<T>(server: string, what: LoginChange['what'], work: () => Promise<T>): Promise<T> {
    const tell = (outcome: LoginChange['outcome']) => this.#parts.events.emit({ type: 'login-changed', server, what, outcome });
    try {
      const result = await work();
      tell('ok');
      return result;
    } catch (error) {
      tell(toMcpctlError(error).code);
      throw error;
    }
  }

  #logins(): NonNullable<ManagerParts['logins']> {
    if (this.#parts.logins) return this.#parts.logins;
    throw new McpctlError('INTERNAL', 'This manager was built without a place for logins');
  }

  /** Sessions that were opened with another token, or none, are of no use any more. */
  #loginChanged(resource: string, besides?: string): void {
    if (!this.#parts.longLived) return;
    for (const server of this.#parts.servers.all()) {
      const { definition } = server.config;
      if (server.config.name === besides || definition.type === 'stdio' || !isUsable(server) || !isFor(resource, definition.url))
        continue;
      const { signal } = new AbortController();
      void this.#parts.reconnect(server.config.name, signal).catch(() => {});
    }
  }
}

/** Whether a server's address is that of a login. One that is no URL has none. */
function isFor(resource: string, url: string): boolean {
  return URL.canParse(url) && resourceOf(url) === resource;
}
