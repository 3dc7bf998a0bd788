/** What a REPL needs to know of a manager in another process: its names and tools for completion, its events for notices. */
import { Emitter } from '../core/events.js';
import type { Manager } from '../manager/manager.js';
import type { ManagerEvent } from '../manager/server-status.js';
import type { ToolShape } from './complete-schema.js';

/** One piece of news; JSON values only. */
export type News =
  /** What neither the screen nor the history may show. To its own user, who gave them: he reads the same files. */
  | { readonly type: 'secrets'; readonly secrets: readonly string[] }
  | { readonly type: 'servers'; readonly servers: readonly string[] }
  | { readonly type: 'tools'; readonly server: string; readonly tools: readonly ToolShape[] }
  | { readonly type: 'event'; readonly event: ManagerEvent };

/** What a REPL talks to: a manager of its own, or the mirror of another's. */
export interface ManagerView {
  readonly events: Pick<Emitter<ManagerEvent>, 'onAny'>;
  names(): readonly string[];
  knownTools(server: string): readonly ToolShape[] | undefined;
}

/** Events that a person at a prompt is told of; the others would only fill the pipe. */
const toldEvents: ReadonlySet<ManagerEvent['type']> = new Set<ManagerEvent['type']>([
  'server-state',
  'tools-changed',
  'warning',
  'breaker-changed',
  'config-changed',
  'config-problem',
  'approval-needed',
]);

/** Tells everything there is to know now, and every change from then on, until disposed of. */
export function tellNews(manager: Manager, tell: (news: News) => void): Disposable {
  const tellTools = (server: string) => {
    const tools = manager.knownTools(server);
    if (tools) tell({ type: 'tools', server, tools: tools.map(({ name, inputSchema }) => ({ name, inputSchema }) as ToolShape) });
  };
  let told: string | undefined;
  const tellServers = () => {
    const servers = manager.names();
    const names = servers.join('\n');
    if (names === told) return;
    told = names;
    tell({ type: 'servers', servers });
  };
  let secrets: Manager['config']['secrets'] | undefined;
  const tellSecrets = () => {
    if (manager.config.secrets === secrets) return;
    secrets = manager.config.secrets;
    tell({ type: 'secrets', secrets: [...secrets] });
  };
  tellSecrets();
  tellServers();
  for (const server of manager.names()) tellTools(server);
  return manager.events.onAny((event) => {
    tellSecrets();
    tellServers();
    // Before the event: a notice about a server counts its tools. A fresh connection may have to ask for them first.
    if (event.type === 'tools-changed' || (event.type === 'server-state' && event.to === 'connected')) tellTools(event.server);
    if (event.type === 'server-state' && event.to === 'connected') {
      const { server } = event;
      manager.listTools(server, new AbortController().signal).then(
        () => tellTools(server),
        () => {},
      );
    }
    if (toldEvents.has(event.type)) tell({ type: 'event', event });
  });
}

/** The same on the other side. */
export class ManagerMirror implements ManagerView {
  readonly events = new Emitter<ManagerEvent>();
  #servers: readonly string[] = [];
  readonly #tools = new Map<string, readonly ToolShape[]>();
  readonly #addSecret: (secret: string) => void;

  constructor({ addSecret }: { addSecret: (secret: string) => void }) {
    this.#addSecret = addSecret;
  }

  heard(news: News): void {
    switch (news.type) {
      case 'secrets':
        for (const secret of news.secrets) this.#addSecret(secret);
        break;
      case 'servers':
        this.#servers = news.servers;
        break;
      case 'tools':
        this.#tools.set(news.server, news.tools);
        break;
      case 'event':
        this.events.emit(news.event);
        break;
      default:
      // From a later version: nothing that this one could show.
    }
  }

  names(): readonly string[] {
    return this.#servers;
  }

  knownTools(server: string): readonly ToolShape[] | undefined {
    return this.#servers.includes(server) ? this.#tools.get(server) : undefined;
  }
}
