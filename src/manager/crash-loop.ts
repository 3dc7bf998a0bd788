/** Notices a server that keeps dying: five exits within a minute, and nobody starts it again until asked to. */

import type { Clock } from '../core/clock.js';

export const crashLoop = { exits: 5, withinMs: 60_000 } as const;

export class CrashCounter {
  #exits: number[] = [];

  constructor(readonly clock: Clock) {}

  /** Counts `count` exits that happened now. @returns whether that makes it a crash loop. */
  record(count = 1): boolean {
    const now = this.clock.now();
    this.#exits = this.#exits.filter((at) => now - at < crashLoop.withinMs);
    for (let i = 0; i < count; i++) this.#exits.push(now);
    return this.#exits.length >= crashLoop.exits;
  }

  reset(): void {
    this.#exits = [];
  }
}
