/** The servers of the configuration in force: found by name, taken over when a new one comes, waited for when they go. */

import type { Config, ServerConfig } from '../config/schema.js';
import { McpctlError } from '../core/errors.js';
import { didYouMean } from '../core/suggest.js';
import type { ConfigChange, ServerChange } from './config-change.js';
import { ManagedServer } from './managed-server.js';
import type { ManagerParts } from './manager-parts.js';

/** How long calls may go on when the configuration takes their server away, in milliseconds: nobody waits for that at a prompt. */
export const leaveMs = 5_000;

/** How long calls may go on when everything ends, in milliseconds. */
const drainMs = 500;

export interface TakenOver extends ConfigChange {
  /** Servers that are new, made anew or switched: those that may have to be connected now. */
  readonly fresh: readonly ManagedServer[];
}

export class ServerSet implements AsyncDisposable {
  /** In the order of the configuration. */
  #servers = new Map<string, ManagedServer>();
  /** Servers that the configuration has no more, until they are gone. */
  readonly #leaving = new Map<ManagedServer, Promise<void>>();

  constructor(
    config: Config,
    readonly parts: ManagerParts,
  ) {
    for (const [name, server] of config.servers) this.#servers.set(name, new ManagedServer(server, parts));
  }

  names(): string[] {
    return [...this.#servers.keys()];
  }

  all(): ManagedServer[] {
    return [...this.#servers.values()];
  }

  find(name: string): ManagedServer | undefined {
    return this.#servers.get(name);
  }

  /** @throws McpctlError `UNKNOWN_SERVER` */
  get(name: string): ManagedServer {
    const server = this.#servers.get(name);
    if (server) return server;
    const names = this.names();
    const hint =
      didYouMean(name, names) ??
      (names.length > 0 ? `the servers are: ${names.join(', ')}` : 'no server is configured; mcpctl config path shows where');
    throw new McpctlError('UNKNOWN_SERVER', `There is no server "${name}"`, { hint, details: { servers: names } });
  }

  /**
   * Makes the servers those of `config`, at once. What it does not touch goes on undisturbed, connections and calls included.
   * A server that goes lets its calls end for `leaveMs`; the one in its place starts after that.
   */
  takeOver(config: Config, compareServers: (before: ServerConfig, after: ServerConfig) => ServerChange): TakenOver {
    const before = this.#servers;
    const removed = new Map(before);
    const [added, changed, fresh]: [string[], string[], ManagedServer[]] = [[], [], []];
    this.#servers = new Map();
    for (const [name, next] of config.servers) {
      const present = before.get(name);
      removed.delete(name);
      if (!present) {
        added.push(name);
        fresh.push(this.#put(new ManagedServer(next, this.parts, this.#goneOf(name))));
        continue;
      }
      const change = compareServers(present.config, next);
      const isSwitched = present.config.enabled !== next.enabled;
      if (change !== 'same') changed.push(name);
      if (change === 'replaced') {
        // What was switched for this session only outlives a change of anything else.
        const enabled = isSwitched ? next.enabled : isEnabled(present);
        this.#letGo(present, 'changed');
        const server = this.#put(new ManagedServer({ ...next, enabled }, this.parts, this.#goneOf(name)));
        server.adopt(next);
        fresh.push(server);
      } else {
        this.#put(present).adopt(next);
        if (!isSwitched) continue;
        fresh.push(present);
        if (next.enabled) present.life.enable();
        else void present.life.disable();
      }
    }
    for (const server of removed.values()) this.#letGo(server, 'removed');
    return { added, changed, removed: [...removed.keys()], fresh };
  }

  #put(server: ManagedServer): ManagedServer {
    this.#servers.set(server.config.name, server);
    return server;
  }

  #letGo(server: ManagedServer, why: 'changed' | 'removed'): void {
    const { name } = server.config;
    const reason = new McpctlError('UNAVAILABLE', `Server "${name}" was ${why} in the configuration during the call`, {
      server: name,
      hint: why === 'changed' ? `mcpctl status ${name}, then run it again if it may run twice` : 'mcpctl servers',
      delivered: 'maybe',
    });
    const gone = server.leave(leaveMs, reason).finally(() => this.#leaving.delete(server));
    this.#leaving.set(server, gone);
  }

  /** Resolves when every earlier server of this name is gone. */
  async #goneOf(name: string): Promise<void> {
    await Promise.allSettled([...this.#leaving].flatMap(([server, gone]) => (server.config.name === name ? [gone] : [])));
  }

  /** Lets calls end for a moment, cancels the rest, and closes every server in parallel. */
  async [Symbol.asyncDispose](): Promise<void> {
    const servers = [...this.#servers.values(), ...this.#leaving.keys()];
    const closing = new McpctlError('CANCELLED', 'mcpctl is closing', { delivered: 'maybe' });
    await Promise.allSettled(servers.map((server) => server.calls.drain(this.parts.clock, drainMs, closing)));
    await Promise.allSettled(servers.map((server) => server[Symbol.asyncDispose]()));
  }
}

function isEnabled({ life }: ManagedServer): boolean {
  return life.state.status !== 'disabled';
}

/** Neither switched off nor waiting for an approval. */
export function isUsable({ life }: ManagedServer): boolean {
  return life.state.status !== 'disabled' && life.state.status !== 'untrusted';
}
