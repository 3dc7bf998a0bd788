/** Answers a server's announcements that its tools have changed: few lists for many announcements, and news only of real changes. */

import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../core/clock.js';
import type { Tool } from '../mcp/connection.js';
import { Debounced } from '../policy/debounce.js';
import type { ToolList } from './tool-cache.js';

/**
 * Announcements come in bursts: one list for a burst, and fewer and fewer for a server that does not stop: at most 10 in a
 * minute, one a minute when the list stays as it was.
 */
const relistPace = { quietMs: 300, apartMs: 1000, maxApartMs: 8000, idleRuns: 5, idleApartMs: 60_000 };

export interface ToolChangesOptions {
  readonly clock: Clock;
  /** The list as it is known now. */
  readonly known: () => readonly Tool[] | undefined;
  /** The list as the server has it now; undefined when it cannot be asked. */
  readonly list: () => Promise<ToolList> | undefined;
  /** Told of a list that is another one than before the announcement. */
  readonly onNew: (list: ToolList) => void;
}

export class ToolChanges {
  readonly #relist: Debounced;
  /** What was known when the change was announced: somebody may fetch the new list before we do. */
  #before: readonly Tool[] | undefined;

  constructor(readonly options: ToolChangesOptions) {
    this.#relist = new Debounced(relistPace, options.clock, () => this.#listAgain());
  }

  announced(): void {
    this.#before ??= this.options.known();
    this.#relist.trigger();
  }

  cancel(): void {
    this.#relist.cancel();
  }

  /** @returns whether there was anything new, or no answer to tell it by */
  async #listAgain(): Promise<boolean> {
    const { list, onNew } = this.options;
    const listing = list();
    if (!listing) return true;
    const before = this.#before;
    this.#before = undefined;
    const found = await listing.catch(() => undefined);
    if (!found || isDeepStrictEqual(before, found.tools)) return false;
    onNew(found);
    return true;
  }
}
