/** What is remembered of one server between runs, as this process knows it: read once, written down at every news. */

import type { ServerConfig } from '../config/schema.js';
import { isWaiting } from '../config/trust.js';
import { McpctlError } from '../core/errors.js';
import type { ServerMemories, ServerMemory } from '../state/server-memory.js';

/** How long what was seen of a server is believed before it is looked at anew. */
export const halfDayMs = 12 * 3_600_000;

export class ServerRecall {
  #memory: ServerMemory = {};
  /** Resolves when what earlier runs knew has been read. */
  readonly ready: Promise<ServerMemory>;

  constructor(
    readonly config: ServerConfig,
    readonly memories: ServerMemories,
  ) {
    // What was learnt of a definition that is not approved is not offered: its tools could be called by nobody.
    const reading = isWaiting(config) ? Promise.resolve<ServerMemory>({}) : memories.read(config.hash);
    this.ready = reading.then((memory) => {
      this.#memory = memory;
      return memory;
    });
  }

  /** Empty before it has been read. */
  get memory(): ServerMemory {
    return this.#memory;
  }

  remember(news: { readonly [K in keyof ServerMemory]?: ServerMemory[K] | undefined }): void {
    const { era } = news;
    const known = this.#memory.era;
    // A verdict that is already known is written again only when half of the day it is believed for has passed.
    const isOldNews =
      era !== undefined && known?.kind === era.kind && known.transport === era.transport && era.at - known.at < halfDayMs;
    if (isOldNews) return;
    const next = { ...this.#memory, ...news };
    if (next.era === undefined) delete next.era;
    if (next.lingers === undefined) delete next.lingers;
    this.#memory = next as ServerMemory;
    void this.memories.write(this.config.hash, this.#memory);
  }

  /**
   * Forgets the list of tools, also one of before an approval was taken back.
   *
   * @returns whether one was on the disk
   * @throws McpctlError `CONFIG_INVALID` when the file cannot be written
   */
  async forgetTools(): Promise<boolean> {
    await this.ready;
    const { name, hash } = this.config;
    const onDisk = await this.memories.read(hash);
    const { tools, ...kept } = isWaiting(this.config) ? onDisk : this.#memory;
    if (!isWaiting(this.config)) this.#memory = kept;
    const isThere = tools !== undefined || onDisk.tools !== undefined;
    if (isThere && !(await this.memories.write(hash, kept))) {
      throw new McpctlError('CONFIG_INVALID', `What is remembered of "${name}" in ${this.memories.dir} cannot be written`, {
        server: name,
        hint: 'make that folder writable, and see that its disk is not full',
      });
    }
    return isThere;
  }
}
