/** The life of a server with several addresses, made of theirs: it is there as long as one of them is. */

import type { McpctlError } from '../core/errors.js';
import type { Connection } from '../mcp/connection.js';
import type { Endpoint } from './endpoint.js';
import type { ConnectOptions, ServerLife } from './server-life.js';
import type { ErrorInfo, ServerState, ServerStatusName } from './server-state.js';

/** The first of these that an endpoint has is what the server as a whole is. */
const precedence: readonly ServerStatusName[] = [
  'disabled',
  'untrusted',
  'connected',
  'connecting',
  'needs-auth',
  'error',
  'disconnected',
];

export interface GroupParts {
  /** Asked each time: endpoints come and go. In the order of the configuration. */
  readonly endpoints: () => readonly Endpoint[];
  /** The one to ask next, of those that this caller has not tried. */
  readonly pick: (tried: ReadonlySet<string>) => Endpoint | undefined;
  /** All are kept connected, not only the one that is needed now. */
  readonly keepsAll: () => boolean;
}

export class GroupLife implements ServerLife {
  constructor(readonly parts: GroupParts) {}

  get state(): ServerState {
    return this.#foremost().life.state;
  }

  get current(): Connection | undefined {
    return this.#lives().find(({ current }) => current)?.current;
  }

  get failures(): number {
    return this.#foremost().life.failures;
  }

  /** Of the endpoint that failed last. */
  get lastError(): ErrorInfo | null {
    const errors = this.#lives().flatMap(({ lastError }) => lastError ?? []);
    return errors.reduce<ErrorInfo | null>((last, error) => (last && last.at >= error.at ? last : error), null);
  }

  connection(signal: AbortSignal, options?: ConnectOptions): Connection | Promise<Connection> {
    signal.throwIfAborted();
    if (this.parts.keepsAll()) this.#connectAll(options);
    return this.current ?? this.#first(signal, options);
  }

  connect(options?: ConnectOptions): Promise<Connection> {
    if (this.parts.keepsAll()) this.#connectAll(options);
    return this.#first(new AbortController().signal, options);
  }

  /** One after the other, the best first: an address that is down costs a caller its turn and nothing more. */
  async #first(signal: AbortSignal, options?: ConnectOptions): Promise<Connection> {
    const tried = new Set<string>();
    let failure: unknown;
    for (;;) {
      const endpoint = this.parts.pick(tried) ?? this.parts.endpoints().find(({ id }) => !tried.has(id));
      if (!endpoint) throw failure;
      tried.add(endpoint.id);
      try {
        return await endpoint.life.connection(signal, options);
      } catch (error) {
        signal.throwIfAborted();
        failure ??= error;
      }
    }
  }

  #connectAll(options?: ConnectOptions): void {
    for (const life of this.#lives()) if (life.state.status === 'disconnected') void life.connect(options).catch(() => {});
  }

  async reconnect(signal: AbortSignal): Promise<void> {
    const done = await Promise.allSettled(this.#lives().map((life) => life.reconnect(signal)));
    const [first] = done as [PromiseSettledResult<void>, ...PromiseSettledResult<void>[]];
    if (first.status === 'rejected' && done.every(({ status }) => status === 'rejected')) throw first.reason;
  }

  enable(): void {
    for (const life of this.#lives()) life.enable();
  }

  async disable(): Promise<void> {
    await Promise.all(this.#lives().map((life) => life.disable()));
  }

  lost(connection: Connection, reason: McpctlError): void {
    for (const life of this.#lives()) life.lost(connection, reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#lives().map((life) => life[Symbol.asyncDispose]()));
  }

  #foremost(): Endpoint {
    const rank = ({ life }: Endpoint) => precedence.indexOf(life.state.status);
    return this.parts.endpoints().reduce((best, endpoint) => (rank(endpoint) < rank(best) ? endpoint : best));
  }

  #lives(): ServerLife[] {
    return this.parts.endpoints().map(({ life }) => life);
  }
}
