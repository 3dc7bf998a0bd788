/** `auth <server>`: a login from the wish to a connection that uses it. */
import type { EarlierLogin, LoginFlows, LoginRequest, StartedLogin } from '../auth/login.js';
import type { Logins, SavedToken } from '../auth/logins.js';
import type { LoginResult } from '../auth/oauth.js';
import type { Person } from '../auth/person.js';
import { McpctlError } from '../core/errors.js';
import type { ManagedServer } from './managed-server.js';
import { isUsable } from './server-set.js';
import type { ServerStatus } from './server-status.js';

export interface AuthorizeRequest extends Omit<LoginRequest, 'earlier'> {
  readonly account: string | null;
}

export interface AuthorizePerson extends Person {
  /** Somebody could unlock a keychain. */
  readonly isAttended: boolean;
}

/** What `auth <server>` says. Never a token. */
export interface Authorized {
  readonly server: string;
  readonly account: string;
  readonly issuer: string;
  readonly scopes: readonly string[];
  /** ISO 8601, UTC; null = nobody has said. */
  readonly expiresAt: string | null;
  readonly store: SavedToken['store'];
  /** Of the server, once it was connected with the login. */
  readonly status: ServerStatus['status'];
}

export interface AuthorizationParts {
  readonly server: ManagedServer;
  readonly flows: Pick<LoginFlows, 'login' | 'start' | 'complete'>;
  readonly logins: Pick<Logins, 'check' | 'refresh' | 'describe' | 'accountFor' | 'storedLogin' | 'wantedScopes' | 'saveLogin'>;
  /** Connects the server anew, and others of the same address in the background. */
  readonly reconnect: (resource: string, signal: AbortSignal) => Promise<void>;
  /** Listeners hear how the login went. */
  readonly told: <T>(work: () => Promise<T>) => Promise<T>;
}

/** A login, and why the server could not be connected with it all the same. */
export interface AuthorizeOutcome {
  readonly data: Authorized;
  readonly error: McpctlError | undefined;
}

/** A server that no scopes satisfy must not keep a person logging in. The specification asks for "a few". */
const maxLogins = 3;

/** The login of one server. */
export class Authorization {
  constructor(readonly parts: AuthorizationParts) {}

  /**
   * Logs in, stores it, connects. When the server then asks for more scopes, once more with those.
   *
   * @throws McpctlError as `LoginFlows.login` and `Logins.saveLogin`; `USAGE` for a server that takes no login
   */
  async login(request: AuthorizeRequest, person: AuthorizePerson): Promise<AuthorizeOutcome> {
    const { config } = this.parts.server;
    this.parts.logins.check(config);
    for (let round = 1; ; round++) {
      const earlier = await this.#earlier(request, person);
      const outcome = await this.#settle(() => this.parts.flows.login(config, { ...request, earlier }, person), person);
      const isEnough = round === maxLogins || request.scopes !== null || !asksForMore(outcome);
      if (isEnough) return outcome;
      person.note(`note: "${config.name}" asks for more scopes`);
    }
  }

  /** Begins a login that `complete` finishes, here or elsewhere. @throws as `LoginFlows.start` */
  async start(request: AuthorizeRequest, person: AuthorizePerson): Promise<StartedLogin> {
    const { config } = this.parts.server;
    this.parts.logins.check(config);
    return this.parts.flows.start(config, { ...request, earlier: await this.#earlier(request, person) }, person.signal);
  }

  /** @throws as `LoginFlows.complete` and `Logins.saveLogin` */
  async complete(wanted: { flow: string; callback: () => Promise<string> }, person: AuthorizePerson): Promise<AuthorizeOutcome> {
    const { config } = this.parts.server;
    this.parts.logins.check(config);
    return this.#settle(() => this.parts.flows.complete(config, wanted, person.signal), person);
  }

  async #earlier({ account: wanted }: AuthorizeRequest, { signal, isAttended }: AuthorizePerson): Promise<EarlierLogin> {
    const { server, logins } = this.parts;
    const { config } = server;
    await logins.refresh();
    // Before anybody logs in for a place that cannot keep it.
    const { problem } = await logins.describe({ signal, isAttended });
    if (problem)
      throw new McpctlError('CREDENTIAL_STORE', problem.message, { server: config.name, hint: problem.hint ?? undefined });
    const account = wanted ?? logins.accountFor(config);
    const login = await logins.storedLogin(config, { account, signal, isAttended }).catch((error: unknown) => {
      if (error instanceof McpctlError && error.details?.reason === 'damaged') return undefined;
      throw error;
    });
    return { account, login: login ?? null, wantedScopes: await logins.wantedScopes(config, account) };
  }

  async #settle(login: () => Promise<LoginResult>, { signal, isAttended, note }: AuthorizePerson): Promise<AuthorizeOutcome> {
    const { server, logins, reconnect, told } = this.parts;
    const { result, saved } = await told(async () => {
      const result = await login();
      return { result, saved: await logins.saveLogin(server.config, result, { signal, isAttended }) };
    });
    const { resource, account, store, announcement } = saved;
    if (announcement !== null) note(`note: ${announcement}`);
    const { issuer, scopes, expiresAt } = result.credential;
    let error: McpctlError | undefined;
    try {
      if (isUsable(server)) await reconnect(resource, signal);
    } catch (reason) {
      signal.throwIfAborted();
      if (!(reason instanceof McpctlError)) throw reason;
      error = reason;
    }
    const { name } = server.config;
    return { data: { server: name, account, issuer, scopes, expiresAt, store, status: server.life.state.status }, error };
  }
}

function asksForMore({ data, error }: AuthorizeOutcome): boolean {
  const wanted = error?.code === 'AUTH_REQUIRED' ? error.details?.scopes : undefined;
  return Array.isArray(wanted) && wanted.some((scope) => !data.scopes.includes(String(scope)));
}
