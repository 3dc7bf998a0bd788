/** How long a program gets to leave by itself when it is stopped: less in a single command, once it was seen that it does not. */

import type { StopOptions, StoppedBy } from '../io/process-group.js';
import type { ManagerParts } from './manager-parts.js';

/** How long what was seen of a server is believed before it is looked at anew. */
const halfDayMs = 12 * 3_600_000;
/** What a server gets in a single command that did not leave at the end of its input the last time. */
const lingererMs = 5;

export interface PatienceSource {
  /** `stop.grace` of the configuration; null = nothing is said. */
  readonly graceMs: () => number | null;
  /** When it was seen that the server does not leave, in epoch milliseconds. */
  readonly lingers: () => number | undefined;
  readonly remember: (lingers: number | undefined) => void;
}

export class StopPatience {
  constructor(
    readonly parts: Pick<ManagerParts, 'clock' | 'stop' | 'longLived'>,
    readonly source: PatienceSource,
  ) {}

  /** Read when the server is stopped, by which time what is remembered of it is there. */
  stopOptions(): StopOptions {
    const { stop, longLived } = this.parts;
    const { graceMs } = this.source;
    const stdinMs = () => {
      const patience = graceMs() ?? stop.stdinMs;
      return longLived || graceMs() !== null || !this.#isLingering() ? patience : Math.min(patience, lingererMs);
    };
    return {
      termMs: stop.termMs,
      get stdinMs() {
        return stdinMs();
      },
    };
  }

  sawStop(by: StoppedBy): void {
    const { graceMs, lingers, remember } = this.source;
    if (this.parts.longLived || graceMs() !== null || this.#isLingering()) return;
    if (by !== 'input') remember(this.parts.clock.date().getTime());
    else if (lingers() !== undefined) remember(undefined);
  }

  #isLingering(): boolean {
    const lingers = this.source.lingers();
    return lingers !== undefined && this.parts.clock.date().getTime() - lingers < halfDayMs;
  }
}
