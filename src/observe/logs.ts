/** The logs that a process writes: one for each server, and that of mcpctl itself. */

import { formatProblem } from '../config/position.js';
import type { ConfigProblem } from '../config/schema.js';
import type { Emitter } from '../core/events.js';
import type { ManagerEvent } from '../manager/server-status.js';
import { OwnLog, type OwnLogOptions } from './own-log.js';
import { ServerLogs } from './server-logs.js';

export interface LogsOptions extends OwnLogOptions {
  readonly version: string;
}

export class Logs implements AsyncDisposable {
  readonly #options: LogsOptions;
  readonly #servers: ServerLogs;
  readonly #own: OwnLog;

  constructor(options: LogsOptions) {
    this.#options = options;
    this.#servers = new ServerLogs(options);
    this.#own = new OwnLog(options);
  }

  /** @param fileOf the configuration file that defines a server, asked at every event: it may change while running */
  listen(events: Emitter<ManagerEvent>, fileOf: (server: string) => string | undefined): this {
    this.#servers.listen(events, fileOf);
    this.#own.listen(events);
    return this;
  }

  /** Of a process that stays: that it is there, and what is wrong with its configuration. */
  started(as: 'manager' | 'repl' | 'view', problems: readonly ConfigProblem[]): void {
    this.#own.tell({ type: 'started', version: this.#options.version, as });
    for (const problem of problems) this.#own.tell({ type: 'warning', server: null, message: formatProblem(problem) });
  }

  /** For the end of the process, when nothing can be waited for. */
  flushNow(): void {
    this.#servers.flushNow();
    this.#own.flushNow();
  }

  /** After the manager has closed its servers: their last words are part of it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#options.longLived) this.#own.tell({ type: 'ended' });
    await Promise.all([this.#servers[Symbol.asyncDispose](), this.#own[Symbol.asyncDispose]()]);
  }
}
