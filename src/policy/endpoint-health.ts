/** How well one endpoint does, as a number that remembers: every failure counts, and is forgotten with time. */
import type { Clock } from '../core/clock.js';

export interface EndpointHealthOptions {
  /** How much one failure takes away, and one success gives back, of what is left to go: 0 to 1. */
  readonly failureShare: number;
  readonly successShare: number;
  /** Without news, half of what is missing comes back in this time, in milliseconds: who is not asked cannot prove anything. */
  readonly halfLifeMs: number;
  /** Below this score an endpoint is left out; above it, it returns with as large a part of the calls as its score says. */
  readonly ejectBelow: number;
}

/** Three failures in a row: left out for 8 s; five: for 28 s, which is Envoy's order of size for an ejection. */
export const endpointHealthDefaults: EndpointHealthOptions = {
  failureShare: 0.3,
  successShare: 0.2,
  halfLifeMs: 60_000,
  ejectBelow: 0.4,
};

export class EndpointHealth {
  #score = 1;
  #at: number;
  #failedAt = Number.NEGATIVE_INFINITY;
  #latencyMs: number | null = null;

  constructor(
    readonly clock: Clock,
    readonly options: EndpointHealthOptions = endpointHealthDefaults,
  ) {
    this.#at = clock.now();
  }

  /** 1 = nothing ever went wrong; 0 = nothing but failures. */
  get score(): number {
    const missing = (1 - this.#score) * 0.5 ** ((this.clock.now() - this.#at) / this.options.halfLifeMs);
    return 1 - missing;
  }

  /** Of answered calls, in milliseconds, the recent ones weighing more; null before the first. */
  get latencyMs(): number | null {
    return this.#latencyMs;
  }

  get isEjected(): boolean {
    return this.score < this.options.ejectBelow;
  }

  succeeded(durationMs: number): void {
    const score = this.score;
    this.#set(score + (1 - score) * this.options.successShare);
    this.#latencyMs = this.#latencyMs === null ? durationMs : this.#latencyMs * 0.8 + durationMs * 0.2;
  }

  /**
   * Only for what is the endpoint's own fault. What was under way when another failure came has most likely failed with it: an end takes
   * ten calls along, and is one failure all the same.
   *
   * @param startedAt of the request, by the clock
   */
  failed(startedAt: number): void {
    if (startedAt < this.#failedAt) return;
    this.#failedAt = this.clock.now();
    this.#set(this.score * (1 - this.options.failureShare));
  }

  #set(score: number): void {
    this.#score = score;
    this.#at = this.clock.now();
  }
}
