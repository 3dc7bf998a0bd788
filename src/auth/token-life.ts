/** The life of one stored login in this process: hands out its token, renews it in time and once for everybody, and knows when it has ended. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../core/clock.js';
import { formatDuration } from '../core/duration.js';
import { McpctlError } from '../core/errors.js';
import { isRenewable } from './credential.js';
import { stageOf } from './expiry.js';
import type { OAuthCredential } from './oauth.js';
import type { RenewalLock } from './renewal-lock.js';

export interface LifeParts {
  /** The configured name, for errors. */
  readonly server: string;
  readonly clock: Clock;
  readonly lock: RenewalLock;
  readonly store: {
    /** What is stored now; undefined when nothing is. */
    read(signal: AbortSignal): Promise<OAuthCredential | undefined>;
    /** Writes what is there once more: whether a new one could be kept. */
    probe(login: OAuthCredential, signal: AbortSignal): Promise<void>;
    /** It is safe once this resolves. */
    replace(login: OAuthCredential, signal: AbortSignal): Promise<void>;
  };
  /** Asks the authorization server. @throws McpctlError `AUTH_UNAVAILABLE`; `AUTH_FAILED` with its word in `details.error` */
  renew(login: OAuthCredential, signal: AbortSignal): Promise<OAuthCredential>;
  /** Of this process: a renewal belongs to everybody who waits for it, and none of them may cut it off. */
  readonly lifetime: AbortSignal;
}

/** After a failure the authorization server is left alone for this long, in milliseconds. */
const quietMs = 30_000;
/** A token that still works is not kept waiting longer for its successor, in milliseconds. */
const dueWaitMs = 2_000;

/** The refresh token is worth nothing any more; the second is GitHub's word. */
const endedWords: ReadonlySet<unknown> = new Set(['invalid_grant', 'bad_refresh_token']);
/** Of a client that registered itself: its registration is gone. */
const unknownClientWords: ReadonlySet<unknown> = new Set(['invalid_client', 'unauthorized_client']);

export class TokenLife {
  readonly #parts: LifeParts;
  #known: OAuthCredential;
  #renewal: Promise<OAuthCredential> | undefined;
  #quiet: { readonly error: McpctlError; readonly untilMs: number } | undefined;
  /** Given by the authorization server, and not stored yet: the one it takes the place of is spent. */
  #unsaved: { readonly login: OAuthCredential; readonly before: string } | undefined;

  constructor(parts: LifeParts, login: OAuthCredential) {
    this.#parts = parts;
    this.#known = login;
  }

  /** What was just read from the store. */
  saw(login: OAuthCredential): void {
    if (login.generation !== this.#known.generation) this.#quiet = undefined;
    this.#known = login;
  }

  /** Somebody asked for it: the next failure is a new one. */
  retryNow(): void {
    this.#quiet = undefined;
  }

  /** Resolves when nothing is being renewed. */
  async idle(): Promise<void> {
    await this.#renewal?.catch(() => {});
  }

  /**
   * The token for the next request.
   *
   * @throws McpctlError `AUTH_REQUIRED` (the login has ended), `AUTH_UNAVAILABLE`, `AUTH_FAILED`, `CREDENTIAL_STORE`; `signal.reason`
   */
  async token(signal: AbortSignal): Promise<string> {
    const login = this.#known;
    // Without a way to renew it the server is to say whether it is over: clocks can be wrong.
    const stage = isRenewable(login) ? stageOf(login, this.#parts.clock.date()) : 'fresh';
    if (stage === 'fresh') return login.accessToken;
    if (stage === 'over') return (await this.#renewed(login, signal)).accessToken;
    if (this.#quietError()) return login.accessToken;
    let cancel = () => {};
    const enough = new Promise<OAuthCredential>((resolve) => {
      cancel = this.#parts.clock.after(dueWaitMs, () => resolve(login));
    });
    const renewed = this.#renewed(login, signal).catch(() => {
      signal.throwIfAborted();
      return login;
    });
    return (await Promise.race([renewed, enough]).finally(cancel)).accessToken;
  }

  /**
   * The server refused this token (HTTP 401).
   *
   * @param isRepeat the request carried a new token already: another one would not help
   * @returns the token to send the request with once more
   * @throws as `token`
   */
  async refused(token: string | undefined, isRepeat: boolean, signal: AbortSignal): Promise<string> {
    const { server, clock, store, lifetime } = this.#parts;
    const login = this.#known;
    if (isRepeat) {
      const error = refusedLogin(server);
      if (login.accessToken === token) this.#quiet = { error, untilMs: clock.now() + quietMs };
      throw error;
    }
    // Renewed while the request was under way.
    if (login.accessToken !== token) return login.accessToken;
    if (isRenewable(login)) return (await this.#renewed(login, signal)).accessToken;
    const stored = await orAbort(store.read(lifetime), signal);
    if (!stored || stored.accessToken === token) throw refusedLogin(server);
    this.#known = stored;
    return stored.accessToken;
  }

  #quietError(): McpctlError | undefined {
    if (!this.#quiet) return undefined;
    const { error, untilMs } = this.#quiet;
    const leftMs = untilMs - this.#parts.clock.now();
    if (leftMs <= 0) return undefined;
    const { code, message, server, details, hint } = error;
    const told = `${message} (not tried again for ${formatDuration(Math.ceil(leftMs / 1000) * 1000)})`;
    return new McpctlError(code, told, {
      cause: error,
      server,
      hint,
      details: { ...details, retryAfterMs: leftMs },
      delivered: 'no',
    });
  }

  /** One renewal serves everybody who asks meanwhile. */
  #renewed(seen: OAuthCredential, signal: AbortSignal): Promise<OAuthCredential> {
    const quiet = this.#quietError();
    if (quiet) return Promise.reject(quiet);
    if (!this.#renewal) {
      const renewal = this.#renew(seen).finally(() => {
        this.#renewal = undefined;
      });
      // Whoever waits is told; with nobody left, nobody is.
      renewal.catch(() => {});
      this.#renewal = renewal;
    }
    return orAbort(this.#renewal, signal);
  }

  async #renew(seen: OAuthCredential): Promise<OAuthCredential> {
    const { server, clock, lifetime, lock } = this.#parts;
    const since = clock.date().getTime();
    try {
      this.#known = await lock.hold(lifetime, () => this.#renewInTurn(seen, since));
      this.#quiet = undefined;
      return this.#known;
    } catch (error) {
      if (!(error instanceof McpctlError)) throw error;
      const { code, message, hint, details, delivered } = error;
      const known =
        error.server === undefined ? new McpctlError(code, message, { cause: error, server, hint, details, delivered }) : error;
      if (code === 'AUTH_UNAVAILABLE' || code === 'AUTH_FAILED') this.#quiet = { error: known, untilMs: clock.now() + quietMs };
      throw known;
    }
  }

  /** Needs the lock. Another process may have done it by now, or failed. */
  async #renewInTurn(seen: OAuthCredential, since: number): Promise<OAuthCredential> {
    const { server, clock, lifetime, lock, store, renew } = this.#parts;
    const stored = await store.read(lifetime);
    if (!stored) throw endedLogin(server, 'it was removed from the store');
    if (this.#unsaved) {
      const { login, before } = this.#unsaved;
      if (stored.generation === before) await store.replace(login, lifetime);
      this.#unsaved = undefined;
      if (stored.generation === before) return login;
    }
    const isOther = stored.generation !== seen.generation;
    if (isOther && (!isRenewable(stored) || stageOf(stored, clock.date()) !== 'over')) return stored;
    if (!isRenewable(stored)) throw endedLogin(server, 'it can no longer be renewed');
    const failed = await lock.failureSince(since, stored.generation);
    if (failed) throw sharedFailure(server, failed.code);
    await store.probe(stored, lifetime);
    let login: OAuthCredential;
    try {
      login = await renew(stored, lifetime);
    } catch (error) {
      lifetime.throwIfAborted();
      if (!(error instanceof McpctlError)) throw error;
      const hasEnded = endedBy(error, stored);
      if (hasEnded) return this.#end(stored, error);
      await lock.noteFailure({ generation: stored.generation, code: error.code });
      throw error;
    }
    this.#unsaved = { login, before: stored.generation };
    await store.replace(login, lifetime);
    this.#unsaved = undefined;
    return login;
  }

  /**
   * The refresh token was refused. Only this very one is forgotten: who logged in meanwhile stays logged in. Who we are to the
   * authorization server, and the access token, which may work for a while, are kept.
   */
  async #end(rejected: OAuthCredential, error: McpctlError): Promise<OAuthCredential> {
    const { server, clock, lifetime, store } = this.#parts;
    const stored = await store.read(lifetime);
    if (stored && stored.generation !== rejected.generation) return stored;
    const { client } = rejected;
    const isUnknown = unknownClientWords.has(error.details?.error);
    this.#known = {
      ...rejected,
      client: isUnknown ? { ...client, secretExpiresAt: clock.date().toISOString() } : client,
      refreshToken: null,
      generation: randomUUID(),
    };
    if (stored) await store.replace(this.#known, lifetime);
    throw endedLogin(server, error.message, error);
  }
}

function endedBy({ details }: McpctlError, { grant, client }: OAuthCredential): boolean {
  if (grant === 'client_credentials') return false;
  return endedWords.has(details?.error) || (client.source === 'dcr' && unknownClientWords.has(details?.error));
}

function refusedLogin(server: string): McpctlError {
  return new McpctlError('AUTH_REQUIRED', `Server "${server}" refuses the login that is stored for it (HTTP 401)`, {
    server,
    hint: `log in anew: mcpctl auth ${server}`,
    details: { status: 401 },
    delivered: 'no',
  });
}

function endedLogin(server: string, why: string, cause?: unknown): McpctlError {
  return new McpctlError('AUTH_REQUIRED', `The login of "${server}" has ended: ${why}`, {
    server,
    cause,
    hint: `log in anew: mcpctl auth ${server}`,
    delivered: 'no',
  });
}

function sharedFailure(server: string, code: 'AUTH_UNAVAILABLE' | 'AUTH_FAILED'): McpctlError {
  return new McpctlError(code, `The login of "${server}" could not be renewed: another mcpctl tried it just now, in vain`, {
    server,
    hint: code === 'AUTH_FAILED' ? `log in anew: mcpctl auth ${server}` : 'the login is kept; try again in a while',
    details: { step: 'renewal' },
    delivered: 'no',
  });
}

/** `promise`, or the reason of the signal as soon as it is aborted; the work behind it goes on for others. */
function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
