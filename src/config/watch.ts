/** Which files decide the configuration, and when they change: saved in place or by rename, linked, deleted, created later, their folders replaced. */
import { type BigIntStats, type FSWatcher, watch } from 'node:fs';
import { lstat, readlink, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import type { Cancel, Clock } from '../core/clock.js';
import { projectPlaces } from './project.js';
import type { Config } from './schema.js';
import { settingsFile } from './settings.js';

/** Absolute paths: the files read, the other spelling of the user's file, every place of a project file, and the settings. */
export function watchedPaths({ files, places }: Pick<Config, 'files' | 'places'>, cwd: string): string[] {
  const read = files.map(({ path }) => path);
  const settings = settingsFile(places.configDir);
  // With -c no other file is read.
  if (files.some(({ source }) => source === 'flag')) return [...read, settings];
  return [...new Set([...read, places.userFile, places.userToml, ...projectPlaces(cwd), settings])];
}

export interface WatchOptions {
  /** Absolute; they need not exist. */
  readonly paths: readonly string[];
  /** Something may have changed. Called once for a burst of saves; may be called when nothing is different after all. */
  readonly onChange: () => void;
  /** Told once when the system does not let us watch and the files are looked at now and then instead. */
  readonly onWarning: (message: string) => void;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
  /** Watches one folder; a test can make it fail. */
  readonly watchFolder?: (folder: string, onEvent: (event: string, name: string | null) => void) => FSWatcher;
}

export interface ConfigWatch extends AsyncDisposable {
  /** Replaces the watched paths; resolves when the new ones are watched. */
  update(paths: readonly string[]): Promise<void>;
  /** Resolves when the first look at all paths has been taken: what happens from then on is noticed. */
  readonly ready: Promise<void>;
}

/** Times in milliseconds. */
export const watchPace = {
  /** Quiet that ends a burst of saves. */
  quietMs: 100,
  /** The longest a burst can put the news off. */
  burstMs: 1_000,
  /** A file that is gone may be about to come back: some programs save by deleting first. */
  goneMs: 1_000,
  /** How often the files are looked at where watching does not work. */
  pollMs: 2_000,
  /** The same where it does: network folders, and links to folders, change without an event. */
  lookMs: 15_000,
} as const;

/** As many links in a row as Linux follows. */
const maxLinks = 40;

/**
 * Watches the folders of the files, never the files: a file that was replaced by rename, deleted or linked elsewhere takes its
 * watch with it, a folder tells of all of these. Where a folder is missing, the nearest one above it is watched until it is there.
 */
export function watchConfig(options: WatchOptions): ConfigWatch {
  return new FolderWatch(options);
}

interface Folder {
  /** Device and inode: another folder of the same name needs another watch. */
  readonly identity: string;
  readonly watcher: FSWatcher;
  /** Names inside it that matter. */
  names: ReadonlySet<string>;
}

class FolderWatch implements ConfigWatch {
  readonly ready: Promise<void>;
  readonly #options: WatchOptions;
  #paths: readonly string[];
  readonly #folders = new Map<string, Folder>();
  /** What the files were at the last look: path to signature, `''` for one that is not there. */
  #seen: ReadonlyMap<string, string> = new Map();
  /** What they were when news of them was told last. */
  #told: ReadonlyMap<string, string> = new Map();
  #looking: Promise<void> = Promise.resolve();
  #cancelNews: Cancel | undefined;
  #cancelPoll: Cancel | undefined;
  /** When the burst began that is going on. */
  #burstAt: number | undefined;
  #isPolling = false;
  #isClosed = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#paths = [...new Set(options.paths)];
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.ready = this.#look().then(() => {
      this.#told = this.#seen;
      this.#pollLater();
    });
    if (options.signal?.aborted) this.#close();
  }

  update(paths: readonly string[]): Promise<void> {
    this.#paths = [...new Set(paths)];
    return this.#look();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A look that is still going on, at a network folder for one, opens nothing any more.
    this.#close();
  }

  readonly #onAbort = () => this.#close();

  #close(): void {
    this.#isClosed = true;
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#cancelNews?.();
    this.#cancelPoll?.();
    for (const { watcher } of this.#folders.values()) watcher.close();
    this.#folders.clear();
  }

  /** Something happened to a name that matters: told after a quiet moment, or when the burst has lasted long enough. */
  #hint(): void {
    if (this.#isClosed) return;
    const { clock } = this.#options;
    this.#burstAt ??= clock.now();
    const waitMs = Math.max(0, Math.min(watchPace.quietMs, this.#burstAt + watchPace.burstMs - clock.now()));
    this.#newsIn(waitMs, () => void this.#settle());
  }

  #newsIn(waitMs: number, tell: () => void): void {
    this.#cancelNews?.();
    this.#cancelNews = this.#options.clock.after(waitMs, tell, { background: true });
  }

  /** Tells, unless a file is missing that may be about to come back. */
  async #settle({ isPatient = true } = {}): Promise<void> {
    this.#burstAt = undefined;
    await this.#look();
    if (this.#isClosed) return;
    const isGone = [...this.#seen].some(([path, signature]) => signature === '' && (this.#told.get(path) ?? '') !== '');
    if (isGone && isPatient) return this.#newsIn(watchPace.goneMs, () => void this.#settle({ isPatient: false }));
    this.#told = this.#seen;
    this.#options.onChange();
  }

  #pollLater(): void {
    if (this.#isClosed) return;
    const { clock } = this.#options;
    const waitMs = this.#isPolling ? watchPace.pollMs : watchPace.lookMs;
    this.#cancelPoll?.();
    this.#cancelPoll = clock.after(waitMs, () => void this.#poll(), { background: true });
  }

  async #poll(): Promise<void> {
    await this.#look();
    const isChanged = [...this.#seen].some(([path, signature]) => signature !== (this.#told.get(path) ?? signature));
    if (isChanged) this.#hint();
    this.#pollLater();
  }

  /** Brings the watches and `#seen` up to date; one look at a time. */
  #look(): Promise<void> {
    this.#looking = this.#looking.then(async () => {
      // What happened between finding a folder and watching it is seen by looking again.
      for (let round = 0; round < 3 && !this.#isClosed; round++) if (!(await this.#lookOnce())) return;
    });
    return this.#looking;
  }

  /** @returns whether another look is needed: a folder is watched that was not before, or vanished meanwhile */
  async #lookOnce(): Promise<boolean> {
    const wanted = new Map<string, Set<string>>();
    const seen = new Map<string, string>();
    for (const path of this.#paths) {
      for (const { folder, name } of await decidingNames(path)) wanted.set(folder, (wanted.get(folder) ?? new Set()).add(name));
      seen.set(path, signatureOf(await statOf(path)));
    }
    const identities = new Map<string, string>();
    for (const folder of wanted.keys()) identities.set(folder, identityOf(await statOf(folder)));
    if (this.#isClosed) return false;
    this.#seen = seen;
    for (const [path, folder] of this.#folders) {
      if (identities.get(path) === folder.identity) continue;
      folder.watcher.close();
      this.#folders.delete(path);
    }
    let isNew = false;
    for (const [path, names] of wanted) {
      const present = this.#folders.get(path);
      if (present) present.names = names;
      else if (this.#watch(path, identities.get(path)!, names)) isNew = true;
    }
    return isNew;
  }

  /** @returns whether another look is needed */
  #watch(path: string, identity: string, names: ReadonlySet<string>): boolean {
    const { watchFolder = watchWithNode } = this.#options;
    try {
      const watcher = watchFolder(path, (_, name) => {
        // Without a name, and with the folder's own, something happened to the folder itself.
        if (name === null || name === basename(path) || folder.names.has(name)) this.#hint();
      });
      const folder: Folder = { identity, watcher, names };
      watcher.on('error', (error: NodeJS.ErrnoException) => {
        watcher.close();
        if (this.#folders.get(path) === folder) this.#folders.delete(path);
        // Windows says EPERM when a watched folder is deleted.
        if (error.code !== 'EPERM') this.#failed(error);
        this.#hint();
      });
      this.#folders.set(path, folder);
      return true;
    } catch (error) {
      const isVanished = (error as NodeJS.ErrnoException).code === 'ENOENT';
      if (!isVanished) this.#failed(error as NodeJS.ErrnoException);
      return isVanished;
    }
  }

  /** A folder may not be watched: all of them are looked at more often from now on, with one warning. */
  #failed(error: NodeJS.ErrnoException): void {
    if (this.#isClosed || this.#isPolling) return;
    this.#isPolling = true;
    this.#pollLater();
    const why = error.code === 'EMFILE' || error.code === 'ENOSPC' ? 'the system has no watch left' : error.message;
    const seconds = watchPace.pollMs / 1000;
    this.#options.onWarning(`configuration files cannot be watched (${why}); looking at them every ${seconds} s instead`);
  }
}

const watchWithNode: NonNullable<WatchOptions['watchFolder']> = (folder, onEvent) =>
  watch(folder, { persistent: false }, onEvent);

/**
 * The names that decide what `path` is: itself in its folder; when it is a link, what it leads to, link by link; when a folder
 * is missing, the first missing name in the nearest folder that is there.
 */
async function decidingNames(path: string): Promise<{ folder: string; name: string }[]> {
  const names: { folder: string; name: string }[] = [];
  for (let current = path, links = 0; links < maxLinks; links++) {
    let [folder, name] = [dirname(current), basename(current)];
    while (!(await statOf(folder))?.isDirectory() && dirname(folder) !== folder)
      [folder, name] = [dirname(folder), basename(folder)];
    names.push({ folder, name });
    const target = await readlink(current).catch(() => undefined);
    if (target === undefined) break;
    current = resolve(dirname(current), target);
  }
  return names;
}

function statOf(path: string): Promise<BigIntStats | undefined> {
  return stat(path, { bigint: true }).catch(() => lstat(path, { bigint: true }).catch(() => undefined));
}

function identityOf(stats: BigIntStats | undefined): string {
  return stats ? `${stats.dev}:${stats.ino}` : '';
}

/** Changes with everything that can happen to a file; `''` = it is not there. A link that leads nowhere is not there either. */
function signatureOf(stats: BigIntStats | undefined): string {
  if (!stats || stats.isSymbolicLink()) return '';
  return `${identityOf(stats)}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`;
}
