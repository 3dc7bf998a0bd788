/** One server under examination: what the steps so far found out about it, and what has to be closed at the end. */
import type { Socket } from 'node:net';
import type { AuthorizationServer, Challenge } from '../../auth/oauth.js';
import type { Config, HttpDefinition, ServerConfig } from '../../config/schema.js';
import { McpctlError } from '../../core/errors.js';
import { privateAddressGuard } from '../../io/address-guard.js';
import type { Target } from '../../io/http-request.js';
import type { HttpProxy } from '../../io/proxy.js';
import type { Connection } from '../../mcp/connection.js';
import type { ManagedServer } from '../managed-server.js';
import type { ManagerParts } from '../manager-parts.js';

export interface DoctorParts
  extends Pick<
    ManagerParts,
    'clock' | 'groups' | 'env' | 'stop' | 'clientVersion' | 'logins' | 'openConnection' | 'events' | 'longLived'
  > {
  readonly config: Config;
  /** @throws McpctlError `UNKNOWN_SERVER` */
  readonly find: (name: string) => ManagedServer;
}

/** How far the clock of somebody we asked is ahead of ours, in milliseconds. */
export interface Skew {
  readonly host: string;
  readonly aheadMs: number;
}

export class Subject implements AsyncDisposable {
  /** The first hop and the target, from `dns` on. */
  way: { readonly target: Target; readonly proxy: HttpProxy | undefined } | undefined;
  wayProblem: McpctlError | undefined;
  addresses: readonly string[] = [];
  /** To the first hop, later through it. */
  socket: Socket | undefined;
  /** The server wants a login, and this is what it says about it. */
  wantsLogin = false;
  challenge: Challenge | null = null;
  authorizationServer: AuthorizationServer | undefined;
  /** How long it took until a session was open, or was not to be had, in milliseconds. */
  openingMs = 0;
  readonly #closing = new AbortController();
  #opening: Promise<Connection> | undefined;

  constructor(
    readonly parts: DoctorParts,
    /** Of one endpoint. */
    readonly server: ServerConfig,
    /** Clocks that were seen. */
    readonly skews: Skew[],
  ) {}

  /** @throws when it is a program: then no step asks for it */
  get http(): HttpDefinition {
    const { definition } = this.server;
    if (definition.type === 'stdio') throw new McpctlError('INTERNAL', 'A program has no address');
    return definition;
  }

  /** The server as this manager has it. */
  get managed(): ManagedServer {
    return this.parts.find(this.server.name);
  }

  /** A program that runs already is not started a second time: not all of them can stand it. */
  get isRunning(): boolean {
    return this.server.definition.type === 'stdio' && this.managed.snapshot().status === 'connected';
  }

  guard() {
    return privateAddressGuard({ allowPrivate: true, configuredHost: new URL(this.http.url).hostname });
  }

  sawDate(host: string, date: string | Date | null): void {
    const at = date === null ? Number.NaN : new Date(date).getTime();
    if (!Number.isNaN(at)) this.skews.push({ host, aheadMs: at - this.parts.clock.date().getTime() });
  }

  /** Opens a session of our own, once. @throws McpctlError as `openConnection` */
  open(): Promise<Connection> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  async #open(): Promise<Connection> {
    const { clock, openConnection, logins, events, groups, env, stop, clientVersion } = this.parts;
    const { server } = this;
    const startedAt = clock.now();
    const limitMs = connectLimitMs(server);
    const cancel = clock.after(limitMs, () =>
      this.#closing.abort(new McpctlError('TIMEOUT', `Server "${server.name}" did not answer within ${limitMs / 1000} s`)),
    );
    try {
      return await openConnection({
        ...{ server, groups, env, stop, clock, clientVersion },
        // Nothing is taken for granted: what is remembered may be what is wrong.
        remembered: Promise.resolve(undefined),
        credentials: logins?.credentialsFor(server),
        signal: this.#closing.signal,
        onStderr: (line, isCut) => events.emit({ type: 'server-stderr', server: server.name, line, isCut }),
      });
    } finally {
      this.openingMs = clock.now() - startedAt;
      cancel();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket?.destroy();
    this.#closing.abort(new McpctlError('CANCELLED', 'The examination is over'));
    const opened = await this.#opening?.catch(() => undefined);
    await opened?.[Symbol.asyncDispose]();
  }
}

/** How long a session may take to open, as for every other command. */
export function connectLimitMs({ definition, timeouts }: ServerConfig): number {
  return definition.type === 'stdio' ? timeouts.initializeMs : timeouts.connectMs + timeouts.initializeMs;
}
