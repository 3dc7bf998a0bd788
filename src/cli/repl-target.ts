/** What a REPL is the front of: a manager of its own, or the one that runs already. */
import { formatProblem } from '../config/position.js';
import type { Config } from '../config/schema.js';
import type { Redactor } from '../core/redact.js';
import { sanitizeLine } from '../core/sanitize.js';
import type { ManagerFrame } from '../io/control-channel.js';
import type { Manager } from '../manager/manager.js';
import { type AttachOptions, attach } from './attach.js';
import { ManagerMirror, type ManagerView, type News } from './manager-news.js';

export interface ReplTarget {
  readonly view: ManagerView;
  /** What a person is told first, one line each. */
  readonly greeting: readonly string[];
  /** What is odd in the configuration. */
  readonly warnings: readonly string[];
  /** Begins to connect, once somebody listens to the events. */
  start(): void;
  /** Settles when the manager has gone, without our doing; never for one's own. */
  readonly lost: Promise<void>;
  close(): void;
}

export function ownTarget({ config, manager }: { config: Config; manager: Manager }): ReplTarget {
  const { servers, problems } = config;
  return {
    view: manager,
    greeting: [
      servers.size === 0
        ? noServers(config)
        : `${servers.size === 1 ? '1 server' : `${servers.size} servers`}: ${listNames(manager.names())}`,
    ],
    // An error here concerns one server, which tells it itself.
    warnings: problems.filter(({ severity }) => severity === 'warning').map(formatProblem),
    start: () => manager.start(),
    lost: new Promise(() => {}),
    close: () => {},
  };
}

/** The manager that runs already; undefined when there is none that can be asked. */
export async function attachedTarget(options: AttachOptions, redactor: Pick<Redactor, 'add'>): Promise<ReplTarget | undefined> {
  const mirror = new ManagerMirror({ addSecret: (secret) => redactor.add(secret) });
  let lose = () => {};
  const lost = new Promise<void>((resolve) => {
    lose = resolve;
  });
  let first = () => {};
  const named = new Promise<void>((resolve) => {
    first = resolve;
  });
  const attached = await attach(options, {
    onFrame: (frame: ManagerFrame) => {
      if (frame.t !== 'news') return;
      const news = frame.news as News;
      mirror.heard(news);
      if (news.type === 'servers') first();
    },
    onClose: () => {
      first();
      lose();
    },
  });
  if (!('channel' in attached)) return undefined;
  const { record, channel, problem } = attached;
  void channel.send({ t: 'watch' });
  // The servers come first: they are there to be completed at the first key.
  await named;
  const names = mirror.names();
  return {
    view: mirror,
    greeting: [
      `attached to the manager (process ${record.pid}, since ${record.startedAt.slice(0, 19).replace('T', ' ')} UTC)`,
      names.length === 0
        ? 'It has no servers.'
        : `${names.length === 1 ? '1 server' : `${names.length} servers`}: ${listNames(names)}`,
    ],
    warnings: problem === null ? [] : [`the manager works with its last good configuration: ${problem}`],
    start: () => {},
    lost,
    close: () => channel.end(),
  };
}

/** What a newcomer needs: the line to type, or the file to write where no line does it. */
function noServers({ files, places }: Pick<Config, 'files' | 'places'>): string {
  const given = files.filter(({ source }) => source === 'flag').at(-1);
  return given
    ? `No servers in ${sanitizeLine(given.path)}. docs/configuration.md shows how an entry looks.`
    : `No servers yet. Add one to ${sanitizeLine(places.userFile)}, for example:\n  add files npx -y @modelcontextprotocol/server-filesystem .`;
}

const maxListed = 12;

function listNames(names: readonly string[]): string {
  const shown = names.slice(0, maxListed).map((name) => sanitizeLine(name, 60));
  return `${shown.join(', ')}${names.length > maxListed ? ` and ${names.length - maxListed} more` : ''}`;
}
