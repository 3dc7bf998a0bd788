/** Keeps a running manager on the configuration of the disk: watches the files, reloads, and tells what is wrong with them. */

import type { ConfigProblem } from '../config/schema.js';
import { type ConfigWatch, type WatchOptions, watchConfig, watchedPaths } from '../config/watch.js';
import type { Clock } from '../core/clock.js';
import { type McpctlError, toMcpctlError } from '../core/errors.js';
import type { Manager } from './manager.js';

export interface ConfigWatcherOptions {
  readonly manager: Pick<Manager, 'config' | 'reload' | 'events'>;
  /** Where project files are looked for. */
  readonly cwd: string;
  readonly clock: Clock;
  readonly watchFolder?: WatchOptions['watchFolder'];
}

/**
 * Begins at once. The files are read anew when they change; one that is broken is told with its line, and the last good
 * configuration stays in force. Nothing is ever written.
 */
export class ConfigWatcher implements AsyncDisposable {
  readonly #options: ConfigWatcherOptions;
  readonly #watch: Promise<ConfigWatch>;
  /** The problem that was told last; one message a problem, however often the file is saved. */
  #told: string | undefined;
  #isReloading = false;
  #isWanted = false;
  #isClosed = false;

  constructor(options: ConfigWatcherOptions) {
    this.#options = options;
    this.#watch = this.#begin();
  }

  /** Resolves when changes are noticed. */
  get ready(): Promise<void> {
    return this.#watch.then((watch) => watch.ready);
  }

  /** What is wrong with the files now; undefined = they are what is in force. */
  get problem(): string | undefined {
    return this.#told;
  }

  async #begin(): Promise<ConfigWatch> {
    const { manager, cwd, clock, watchFolder } = this.#options;
    const watch = watchConfig({
      paths: watchedPaths(manager.config, cwd),
      onChange: () => void this.#reload(),
      onWarning: (message) => manager.events.emit({ type: 'warning', server: null, message }),
      clock,
      ...(watchFolder ? { watchFolder } : {}),
    });
    // A file that was saved after it was read, and before it was watched, is noticed here.
    void watch.ready.then(() => this.#reload());
    return watch;
  }

  async #reload(): Promise<void> {
    this.#isWanted = true;
    if (this.#isReloading) return;
    this.#isReloading = true;
    while (this.#isWanted && !this.#isClosed) {
      this.#isWanted = false;
      await this.#reloadOnce();
    }
    this.#isReloading = false;
  }

  async #reloadOnce(): Promise<void> {
    const { manager, cwd } = this.#options;
    try {
      const { added, removed, changed } = await manager.reload();
      const isQuiet = added.length + removed.length + changed.length === 0;
      if (this.#told !== undefined && isQuiet) manager.events.emit({ type: 'config-changed', added, removed, changed });
      this.#told = undefined;
      await (await this.#watch).update(watchedPaths(manager.config, cwd));
    } catch (error) {
      if (!this.#isClosed) this.#tell(toMcpctlError(error));
    }
  }

  #tell(error: McpctlError): void {
    if (this.#told === error.message) return;
    this.#told = error.message;
    const problems = (error.details?.problems ?? []) as readonly ConfigProblem[];
    const first = problems.find(({ severity }) => severity === 'error');
    const { file = null, line = 0, column = 0 } = first ?? {};
    this.#options.manager.events.emit({ type: 'config-problem', message: error.message, file, line, column });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await (await this.#watch)[Symbol.asyncDispose]();
  }
}
