/** Logging in, from the first question to the server to a credential that can be stored: by browser, by code, or as a machine. */
import { randomBytes } from 'node:crypto';
import type { Env } from '../config/paths.js';
import type { ServerConfig } from '../config/schema.js';
import type { Clock } from '../core/clock.js';
import { McpctlError } from '../core/errors.js';
import { sanitizeLine } from '../core/sanitize.js';
import type { FetchLike } from '../io/http-fetch.js';
import { checkCallback, checkPasted } from './callback.js';
import { identify } from './client-identity.js';
import { beginCodeFlow, type CodeFlow, endCodeFlow } from './code-flow.js';
import { resourceOf } from './credential.js';
import { beginDeviceFlow, type DeviceFlow, endDeviceFlow, requireDeviceFlow } from './device-flow.js';
import { discover, probeChallenge } from './discovery.js';
import { type GrantParts, requestTokens } from './grants.js';
import { openLoopback } from './loopback.js';
import type { AuthorizationServer, ClientIdentity, LoginResult, OAuthCredential } from './oauth.js';
import { createOAuthFetch } from './oauth-fetch.js';
import { PendingFlows } from './pending-flows.js';
import { awaitAnswer, type Person } from './person.js';
import { scopesToAsk } from './scopes.js';

export interface LoginParts {
  readonly clock: Clock;
  readonly env: Env;
  readonly stateDir: string;
  /** Told of every secret before it is used, so that it appears nowhere. */
  readonly onSecret: (secret: string) => void;
}

export interface LoginRequest {
  readonly kind: 'browser' | 'device' | 'client-credentials';
  /** False: the address is only shown. */
  readonly opensBrowser: boolean;
  readonly scopes: readonly string[] | null;
  readonly earlier: EarlierLogin;
}

/** What is known from the login before. */
export interface EarlierLogin {
  /** Whose login it is, and is to be. */
  readonly account: string;
  /** What is stored of it; null = nothing. */
  readonly login: Pick<OAuthCredential, 'grant' | 'issuer' | 'client' | 'scopes'> | null;
  /** Scopes that requests would have needed since. */
  readonly wantedScopes: readonly string[];
}

/** A login that is finished elsewhere. */
export type StartedLogin = { readonly flow: string; readonly expiresAt: string } & (
  | { readonly authorizationUrl: string }
  | { readonly verificationUri: string; readonly verificationUriComplete: string | null; readonly userCode: string }
);

/** Written down, encrypted, between `--start` and `--complete`. */
interface PendingLogin {
  /** The address of the server it is for. */
  readonly address: string;
  readonly account: string;
  readonly as: AuthorizationServer;
  readonly client: ClientIdentity;
  readonly code?: CodeFlow;
  readonly device?: DeviceFlow;
}

const grantTypes = {
  browser: ['authorization_code', 'refresh_token'],
  device: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
  'client-credentials': ['client_credentials'],
} as const;

export class LoginFlows {
  readonly #parts: LoginParts;
  readonly #pending: PendingFlows;
  /** The server that a person is logging in to at the moment: two windows at once would be mixed up. */
  #busyWith: string | undefined;

  constructor(parts: LoginParts) {
    this.#parts = parts;
    this.#pending = new PendingFlows(parts);
  }

  /**
   * Logs in while somebody waits for it.
   *
   * @throws McpctlError `AUTH_FAILED`, `AUTH_DENIED`, `AUTH_UNAVAILABLE`, `TIMEOUT`; `signal.reason`
   */
  async login(server: ServerConfig, request: LoginRequest, person: Person): Promise<LoginResult> {
    if (request.kind === 'client-credentials') return this.#asMachine(server, request, person);
    if (this.#busyWith !== undefined) throw busy(this.#busyWith, server.name);
    this.#busyWith = server.name;
    try {
      return await (request.kind === 'device'
        ? this.#byDevice(server, request, person)
        : this.#inBrowser(server, request, person));
    } finally {
      this.#busyWith = undefined;
    }
  }

  /** Begins a login that `complete` finishes, in this process or another. Shows nothing and opens nothing. @throws as `login` */
  async start(server: ServerConfig, request: LoginRequest, signal: AbortSignal): Promise<StartedLogin> {
    await using ground = await this.#ground(server, request, signal);
    const common = { address: addressOf(server), account: request.earlier.account, as: ground.as };
    if (request.kind === 'device') {
      requireDeviceFlow(ground);
      const parts = await this.#known(ground, request, null);
      const device = await beginDeviceFlow(parts, ground.scopes);
      const lifeMs = Date.parse(device.expiresAt) - this.#parts.clock.date().getTime();
      const pending: PendingLogin = { ...common, client: parts.client, device };
      const { userCode, verificationUri, verificationUriComplete } = device;
      return { verificationUri, verificationUriComplete, userCode, ...(await this.#pending.keep(pending, lifeMs)) };
    }
    // Only to find a port that is free: the browser shows an error there, and the address that it shows is what is needed.
    const { redirectUri, parts } = await this.#withCallback(ground, request, async (found) => found);
    const { url, flow } = beginCodeFlow(parts, { redirectUri, scopes: ground.scopes });
    const pending: PendingLogin = { ...common, client: parts.client, code: flow };
    return { authorizationUrl: url, ...(await this.#pending.keep(pending)) };
  }

  /**
   * Finishes a login that `start` began.
   *
   * @param callback the address that the browser ended at, or the code; asked for only when the flow needs one
   * @throws McpctlError as `login`; `USAGE` when it is none of this server, finished already, or too late
   */
  async complete(
    server: ServerConfig,
    { flow, callback }: { flow: string; callback: () => Promise<string> },
    signal: AbortSignal,
  ): Promise<LoginResult> {
    const { content } = await this.#pending.read(flow);
    const pending = content as PendingLogin;
    const { as, client, account, code, device } = pending;
    if (pending.address !== addressOf(server)) throw otherServer(server.name);
    // Something else that was pasted leaves the flow as it is.
    const answer = code && checkPasted(await callback(), { ...code.expected, server: server.name });
    const claimed = await this.#pending.claim(flow);
    try {
      await using http = createOAuthFetch({ server, env: this.#parts.env, clock: this.#parts.clock, signal });
      const parts: GrantParts = { ...this.#grantParts(server, http.fetch), as, client };
      const credential = code
        ? await endCodeFlow(answer!, code, parts)
        : await endDeviceFlow(device!, parts, { signal, atOnce: true });
      await claimed.remove();
      return { account, credential };
    } catch (error) {
      const isOver = !signal.aborted && !(error instanceof McpctlError && error.code === 'AUTH_UNAVAILABLE');
      await (isOver ? claimed.remove() : claimed.putBack());
      throw error;
    }
  }

  async #inBrowser(server: ServerConfig, request: LoginRequest, person: Person): Promise<LoginResult> {
    const { signal } = person;
    await using ground = await this.#ground(server, request, signal);
    return await this.#withCallback(ground, request, async ({ redirectUri, parts, loopback }) => {
      const { url, flow } = beginCodeFlow(parts, { redirectUri, scopes: ground.scopes });
      const { expected } = flow;
      const answer = await awaitAnswer({
        url,
        intro: `Log in to "${server.name}" (${shortIssuer(ground.as)}) in the browser:`,
        opensBrowser: request.opensBrowser,
        person,
        fromBrowser: async (until) => checkCallback(await loopback.receive(expected, until), expected),
        fromPaste: (text) => checkPasted(text, expected),
      });
      return { account: request.earlier.account, credential: await endCodeFlow(answer, flow, parts) };
    });
  }

  async #byDevice(server: ServerConfig, request: LoginRequest, { signal, note }: Person): Promise<LoginResult> {
    await using ground = await this.#ground(server, request, signal);
    requireDeviceFlow(ground);
    const parts = await this.#known(ground, request, null);
    const device = await beginDeviceFlow(parts, ground.scopes);
    const { userCode, verificationUri, verificationUriComplete } = device;
    const complete = verificationUriComplete === null ? '' : `\nor open:  ${verificationUriComplete}`;
    note(
      `Log in to "${server.name}" (${shortIssuer(ground.as)}) with any browser:\nopen:     ${verificationUri}\nand enter: ${userCode}${complete}`,
      { isNeeded: true },
    );
    return { account: request.earlier.account, credential: await endDeviceFlow(device, parts, { signal }) };
  }

  async #asMachine(server: ServerConfig, request: LoginRequest, { signal }: Person): Promise<LoginResult> {
    await using ground = await this.#ground(server, request, signal);
    const parts = await this.#known(ground, request, null);
    if (parts.client.authMethod === 'none') throw noSecret(server.name);
    const { scopes } = ground;
    const parameters = scopes.length > 0 ? { scope: scopes.join(' ') } : {};
    const credential = await requestTokens({ kind: 'client_credentials', parameters, scopes }, parts);
    return { account: request.earlier.account, credential };
  }

  /** What every way begins with: who gives logins for this server, and for what. */
  async #ground(server: ServerConfig, request: LoginRequest, signal: AbortSignal) {
    const http = createOAuthFetch({ server, env: this.#parts.env, clock: this.#parts.clock, signal });
    try {
      const { fetch } = http;
      const challenge = await probeChallenge(server, { fetch, signal });
      const as = await discover(server, { fetch, challenge, signal, needsPkce: request.kind === 'browser' });
      const scopes = scopesToAsk({
        wished: request.scopes,
        earlier: [...(earlierOf(request, as)?.scopes ?? []), ...request.earlier.wantedScopes],
        challenged: challenge?.scopes ?? [],
        configured: server.oauth.scopes,
        as,
        renewable: request.kind !== 'client-credentials',
      });
      return { server, as, scopes, fetch, signal, [Symbol.asyncDispose]: () => http[Symbol.asyncDispose]() };
    } catch (error) {
      await http[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Who we are to this issuer; registers where that is the way. */
  async #known({ server, as, fetch, signal }: Ground, request: LoginRequest, redirectUri: string | null): Promise<GrantParts> {
    const { env, clock } = this.#parts;
    const client = await identify(server, as, {
      fetch,
      known: earlierOf(request, as)?.client ?? null,
      knownIssuer: request.earlier.login?.issuer ?? null,
      redirectUri,
      grantTypes: grantTypes[request.kind],
      env,
      signal,
      clock,
    });
    if (client.clientSecret !== null) this.#parts.onSecret(client.clientSecret);
    return { ...this.#grantParts(server, fetch), as, client };
  }

  /**
   * Runs `work` while a port is held for the answer of the browser.
   *
   * A client that registered itself did so with one port and a random path. Providers differ in whether they overlook another port, so
   * that very port is taken again where it is free, and where it is not, a new client is registered with the one that was got. Other
   * clients were registered by a person, with the path `/callback`.
   */
  async #withCallback<T>(
    ground: Ground,
    request: LoginRequest,
    work: (callback: {
      redirectUri: string;
      parts: GrantParts;
      loopback: Awaited<ReturnType<typeof openLoopback>>;
    }) => Promise<T>,
  ): Promise<T> {
    const { server, as } = ground;
    const registered = earlierOf(request, as)?.client.redirectUri ?? null;
    await using loopback = await openLoopback({
      server: server.name,
      port: server.oauth.callbackPort,
      preferredPort: registered === null ? null : Number(new URL(registered).port),
      clock: this.#parts.clock,
    });
    const isOurs = registered?.startsWith(`${loopback.origin}/`) ?? false;
    const own = isOurs ? registered! : `${loopback.origin}/callback/${randomBytes(16).toString('base64url')}`;
    const parts = await this.#known(ground, request, own);
    return await work({ redirectUri: parts.client.redirectUri ?? `${loopback.origin}/callback`, parts, loopback });
  }

  #grantParts(server: ServerConfig, fetch: FetchLike): Pick<GrantParts, 'server' | 'fetch' | 'clock' | 'onSecret'> {
    const { clock, onSecret } = this.#parts;
    return { server, fetch, clock, onSecret };
  }
}

interface Ground {
  readonly server: ServerConfig;
  readonly as: AuthorizationServer;
  readonly scopes: readonly string[];
  readonly fetch: FetchLike;
  readonly signal: AbortSignal;
}

/** The login that was made in the same way at the same issuer: what was given for one is of no use to another. */
function earlierOf({ kind, earlier: { login } }: LoginRequest, { issuer }: AuthorizationServer): EarlierLogin['login'] {
  return login && login.issuer === issuer && login.grant === kinds[kind] ? login : null;
}

const kinds = { browser: 'authorization_code', device: 'device_code', 'client-credentials': 'client_credentials' } as const;

function addressOf({ definition }: ServerConfig): string {
  return 'url' in definition ? resourceOf(definition.url) : '';
}

function shortIssuer({ issuer }: AuthorizationServer): string {
  return sanitizeLine(issuer, 200);
}

function busy(other: string, server: string): McpctlError {
  return new McpctlError('AUTH_UNAVAILABLE', `Somebody is logging in to "${other}" here already`, {
    server,
    hint: 'finish that login, or end it with Ctrl-C, and try again',
    details: { reason: 'busy', server: other },
  });
}

function otherServer(server: string): McpctlError {
  return new McpctlError('USAGE', `That login was begun for another server, or "${server}" has another address by now`, {
    server,
    hint: `begin a new one: mcpctl auth ${server} --start`,
    details: { reason: 'other-server' },
  });
}

function noSecret(server: string): McpctlError {
  return new McpctlError('AUTH_FAILED', `"${server}" cannot be logged in to as a machine: this client has no secret and no key`, {
    server,
    hint: 'set oauth.clientId with oauth.clientSecret, or oauth.privateKeyFile, in the configuration of the server',
    details: { step: 'client', missing: 'clientSecret' },
  });
}
