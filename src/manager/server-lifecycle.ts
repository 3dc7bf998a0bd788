/** The effects around the state of one server: connects, notices loss, plans the next try, closes. Nothing here knows what a tool is. */

import type { ServerConfig } from '../config/schema.js';
import { isWaiting, untrustedError } from '../config/trust.js';
import type { Cancel } from '../core/clock.js';
import { McpctlError, toMcpctlError } from '../core/errors.js';
import type { Connection } from '../mcp/connection.js';
import { backoffMs, reconnectBackoff } from '../policy/backoff.js';
import { deadline } from '../policy/deadline.js';
import { runAttempt } from '../policy/policy.js';
import { CrashCounter } from './crash-loop.js';
import { closedError, crashLoopError, isExit, isRefusedByProxy, needsPerson } from './lifecycle-errors.js';
import type { ManagerParts } from './manager-parts.js';
import type { ConnectOptions, ServerLife } from './server-life.js';
import { type ErrorInfo, initialState, type ServerInput, type ServerState, transition } from './server-state.js';

/** A connection that lived this long ends a series of failures: the next loss begins with the shortest wait again. */
const stableMs = 30_000;

/**
 * After this a connection counts as closed, in milliseconds: 30 s of `stop.grace` and all that follows are over. What does not end is a mistake
 * of ours, and must not keep its server from ever being connected again.
 */
const closeMs = 45_000;

/** The turn of one server among those that are connecting at the same time, in milliseconds. */
const turnMs = 2000;

/** Who decides whether the server may be tried at all, and hears how each attempt went. */
export interface ConnectGate {
  /** Why the server is not tried now; undefined = it may be. */
  refusal(): McpctlError | undefined;
  /** Before an attempt. `isProbe`: a person insists. @throws McpctlError `CIRCUIT_OPEN` */
  enter(isProbe: boolean): Promise<void>;
  succeeded(): void;
  failed(error: McpctlError): void;
  /** Milliseconds until the next attempt has a chance; null = nobody knows, undefined = it has one now. */
  pauseMs(): number | null | undefined;
}

export interface LifecycleHooks {
  /** Absent: every attempt may be made. */
  readonly gate?: ConnectGate;
  /** Opens a connection; must end, and leave nothing behind, when the signal is aborted. */
  readonly open: (signal: AbortSignal) => Promise<Connection>;
  readonly onConnected: (connection: Connection) => void;
  /** The connection is no longer used; `reason` is why. */
  readonly onLost: (reason: McpctlError) => void;
}

interface Attempt {
  readonly done: Promise<Connection>;
  readonly abort: AbortController;
}

export class ServerLifecycle implements ServerLife {
  #state: ServerState;
  #connection: Connection | undefined;
  /** The attempt that is running, shared by everyone who waits for it. */
  #attempt: Attempt | undefined;
  /** What is being closed: a new process is not started before the old one is gone. */
  #closing: Promise<unknown>;
  #failures = 0;
  #connectedAt = 0;
  #lastError: ErrorInfo | null = null;
  #lastThrown: McpctlError | undefined;
  #cancelRetry: Cancel | undefined;
  #isDisposed = false;
  readonly #crashes: CrashCounter;

  /** @param after what has to be gone before this server may start: the one whose place it takes; never rejects */
  constructor(
    /** Replaced when options change that the connection does not depend on. */
    public config: ServerConfig,
    readonly parts: ManagerParts,
    readonly hooks: LifecycleHooks,
    after: Promise<unknown> = Promise.resolve(),
  ) {
    const at = this.#now();
    this.#state = initialState(config.enabled, at, isWaiting(config) ? errorInfo(untrustedError(config), at) : null);
    this.#crashes = new CrashCounter(parts.clock);
    this.#closing = after;
  }

  get state(): ServerState {
    return this.#state;
  }

  /** The live connection, if there is one. */
  get current(): Connection | undefined {
    return this.#connection;
  }

  /** Attempts that failed in a row. */
  get failures(): number {
    return this.#failures;
  }

  get lastError(): ErrorInfo | null {
    return this.#state.status === 'untrusted' ? this.#state.error : this.#lastError;
  }

  /**
   * A live connection: the present one, the one being made, or a new one. `isProbe`: a person wants to know, whatever was before.
   *
   * @throws McpctlError saying why there is none.
   */
  connection(signal: AbortSignal, { isProbe = false }: ConnectOptions = {}): Connection | Promise<Connection> {
    signal.throwIfAborted();
    if (this.#connection) return this.#connection;
    const { name } = this.config;
    if (this.#state.status === 'disabled') {
      throw new McpctlError('SERVER_DISABLED', `Server "${name}" is disabled`, {
        server: name,
        hint: `mcpctl enable ${name}`,
        delivered: 'no',
      });
    }
    if (this.#state.status === 'untrusted') throw untrustedError(this.config);
    // Nobody but `reconnect` starts a server that keeps dying.
    if (this.#state.status === 'error' && this.#lastThrown?.code === 'CRASH_LOOP') throw this.#lastThrown;
    // The next attempt is planned; whoever comes before that is told so, and nothing changes.
    const refused = this.#state.status === 'error' && !isProbe ? this.hooks.gate?.refusal() : undefined;
    if (refused) throw refused;
    return withSignal(this.connect({ isProbe }), signal);
  }

  /** Starts an attempt, or joins the one that is running. */
  connect({ isProbe = false }: ConnectOptions = {}): Promise<Connection> {
    if (this.#attempt) return this.#attempt.done;
    if (this.#isDisposed) return Promise.reject(closedError(this.config.name));
    if (isWaiting(this.config)) return Promise.reject(untrustedError(this.config));
    this.#cancelRetry?.();
    this.#dispatch({ type: 'connect', at: this.#now(), attempt: this.#failures + 1 });
    if (this.#state.status !== 'connecting') return Promise.reject(this.#lastThrown ?? closedError(this.config.name));
    const abort = new AbortController();
    const done = this.#run(this.#state.generation, abort.signal, isProbe);
    this.#attempt = { done, abort };
    done.catch(() => {});
    return done;
  }

  /** Closes what is there and connects anew. A user's wish: waiting times and the count of crashes begin again. */
  async reconnect(signal: AbortSignal): Promise<void> {
    this.#forgive();
    await this.close();
    await withSignal(this.connect({ isProbe: true }), signal);
  }

  enable(): void {
    this.#forgive();
    this.#dispatch({ type: 'enable', at: this.#now() });
  }

  async disable(): Promise<void> {
    this.#dispatch({ type: 'disable', at: this.#now() });
    await this.close();
  }

  #forgive(): void {
    this.#failures = 0;
    this.#crashes.reset();
  }

  async #run(generation: number, signal: AbortSignal, isProbe: boolean): Promise<Connection> {
    const { clock, connects } = this.parts;
    const { gate } = this.hooks;
    let startedAt = clock.now();
    let isTried = false;
    try {
      if (this.config.problem) throw this.config.problem;
      await this.#closing;
      await gate?.enter(isProbe);
      isTried = true;
      let opening: Promise<Connection> | undefined;
      await connects.run(signal, async () => {
        // The time a server had to queue for its turn is not held against it.
        startedAt = clock.now();
        opening = this.#openInTime(signal);
        await this.#settledOrSlow(opening);
      });
      const opened = await opening!;
      if (signal.aborted || this.#state.generation !== generation) {
        // Somebody closed, disabled or reconnected meanwhile: this session is nobody's.
        await opened[Symbol.asyncDispose]();
        throw signal.reason ?? closedError(this.config.name);
      }
      this.#attempt = undefined;
      gate?.succeeded();
      this.#adopt(opened, clock.now() - startedAt, generation);
      return opened;
    } catch (error) {
      const known = toMcpctlError(error);
      if (this.#state.generation === generation && !signal.aborted) {
        this.#attempt = undefined;
        if (isTried) gate?.failed(known);
        this.#fail(known, generation, clock.now() - startedAt);
        throw this.#lastThrown ?? known;
      }
      throw known;
    }
  }

  /** A server that is slow to answer does not keep the others from starting: its turn ends, its attempt goes on. */
  async #settledOrSlow(opening: Promise<unknown>): Promise<void> {
    let cancel = () => {};
    const slow = new Promise<void>((resolve) => {
      cancel = this.parts.clock.after(turnMs, resolve);
    });
    await Promise.race([opening.catch(() => {}), slow]);
    cancel();
  }

  #openInTime(signal: AbortSignal): Promise<Connection> {
    const { definition, timeouts, name } = this.config;
    const totalMs = definition.type === 'stdio' ? timeouts.initializeMs : timeouts.connectMs + timeouts.initializeMs;
    let opening: Promise<Connection> | undefined;
    const bound = deadline(
      { idleMs: totalMs, totalMs, what: `connect ${name}`, server: name, hint: this.#patienceHint() },
      this.parts.clock,
    );
    return runAttempt(signal, (first) =>
      bound((current) => {
        opening = this.hooks.open(current.signal);
        // The deadline does not wait for the clean-up; the next attempt, and the end of the process, do.
        return withSignal(opening, current.signal);
      }, first),
    ).catch((error: unknown) => {
      if (opening) this.#closeAfter(opening.then((late) => late[Symbol.asyncDispose]()));
      throw error;
    });
  }

  /** One more connection to the same server, which belongs to whoever asks for it. @throws McpctlError saying why there is none */
  another(signal: AbortSignal): Promise<Connection> {
    return this.#openInTime(signal);
  }

  #patienceHint(): string {
    const { name, definition } = this.config;
    const longer = (key: string) =>
      `if it only needs longer: "timeouts": { "${key}": "2m" } for this server in the configuration`;
    return definition.type === 'stdio' ? `what it said: mcpctl logs ${name}; ${longer('initialize')}` : longer('connect');
  }

  #adopt(connection: Connection, durationMs: number, generation: number): void {
    this.#connection = connection;
    this.#connectedAt = this.parts.clock.now();
    this.#dispatch({ type: 'connected', at: this.#now(), generation }, durationMs);
    this.hooks.onConnected(connection);
    void connection.closed.then((reason) => this.lost(connection, reason));
  }

  /** The connection ended, or is given up. A connection that is not the present one changes nothing. */
  lost(connection: Connection, reason: McpctlError): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#closeAfter(connection[Symbol.asyncDispose]());
    if (this.parts.clock.now() - this.#connectedAt >= stableMs) this.#failures = 0;
    this.hooks.onLost(reason);
    const cause = reason.details?.reason;
    if (cause !== 'session-lost' && cause !== 'era-changed') {
      this.#fail(reason, this.#state.generation, null);
      return;
    }
    // The server is there, it only forgot us: a new session at once, without a failure on its record.
    this.#lastError = errorInfo(reason, this.#now());
    this.#dispatch({ type: 'close', at: this.#now() });
    if (this.parts.longLived) void this.connect().catch(() => {});
  }

  /** Books a failure, and plans the next try where there is to be one. */
  #fail(error: McpctlError, generation: number, durationMs: number | null): void {
    const at = this.#now();
    if (error.code !== 'CIRCUIT_OPEN') this.#failures++;
    const isCrashLoop = isExit(error) && this.#crashes.record(Number(error.details?.starts ?? 1));
    const known = isCrashLoop ? crashLoopError(error, this.config.name) : error;
    this.#lastThrown = known;
    const info = errorInfo(known, at);
    this.#lastError = info;
    if (known.code === 'AUTH_REQUIRED') {
      this.#dispatch({ type: 'auth-required', at, generation, error: info }, durationMs);
      return;
    }
    // A locked keychain opens by a person's hand; asking again and again would only put one dialog after the other.
    const isHopeless = isCrashLoop || needsPerson.has(known.code) || isRefusedByProxy(known);
    const { clock, random, longLived } = this.parts;
    const backoff = { ...reconnectBackoff, jitter: this.config.reconnect.jitter };
    const pauseMs = this.hooks.gate?.pauseMs();
    const nextMs = pauseMs === undefined ? backoffMs(this.#failures, backoff, random) : pauseMs;
    const waitMs = longLived && !isHopeless && !this.#isDisposed ? nextMs : null;
    const retryAt = waitMs === null ? null : new Date(clock.date().getTime() + waitMs).toISOString();
    this.#dispatch({ type: 'failed', at, generation, error: info, attempt: this.#failures, retryAt }, durationMs);
    if (waitMs !== null) this.#cancelRetry = clock.after(waitMs, () => void this.connect().catch(() => {}), { background: true });
  }

  /** Ends the attempt and the connection, and waits until nothing of them is left. */
  async close(): Promise<void> {
    this.#cancelRetry?.();
    const attempt = this.#attempt;
    this.#attempt = undefined;
    const connection = this.#connection;
    this.#connection = undefined;
    this.#dispatch({ type: 'close', at: this.#now() });
    attempt?.abort.abort(closedError(this.config.name));
    if (connection) {
      this.hooks.onLost(closedError(this.config.name));
      this.#closeAfter(connection[Symbol.asyncDispose]());
    }
    await attempt?.done.catch(() => {});
    await this.#closing;
  }

  #closeAfter(closing: PromiseLike<unknown>): void {
    const { clock } = this.parts;
    let cancel = () => {};
    const limit = new Promise<void>((resolve) => {
      cancel = clock.after(closeMs, resolve);
    });
    const bounded = Promise.race([Promise.resolve(closing).catch(() => {}), limit]).finally(() => cancel());
    this.#closing = Promise.all([this.#closing, bounded]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    await this.close();
  }

  #dispatch(input: ServerInput, durationMs: number | null = null): void {
    const from = this.#state;
    const to = transition(from, input);
    if (to === from) return;
    this.#state = to;
    this.parts.events.emit({
      type: 'server-state',
      server: this.config.name,
      from: from.status,
      to: to.status,
      error: 'error' in to ? to.error : null,
      retryAt: to.status === 'error' ? to.retryAt : null,
      durationMs,
    });
  }

  #now(): string {
    return this.parts.clock.date().toISOString();
  }
}

/** `promise`, or the reason of the signal as soon as it is aborted; the work behind it goes on for others. */
export function withSignal<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function errorInfo({ code, message, hint }: McpctlError, at: string): ErrorInfo {
  return { code, message, hint: hint ?? null, at };
}
