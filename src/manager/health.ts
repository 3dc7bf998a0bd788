/** Asks a connected server for a sign of life now and then. Never in the way of a call, and never fooled by a busy server. */

import type { HealthOptions } from '../config/schema.js';
import type { Cancel, Clock, Random } from '../core/clock.js';
import { McpctlError, toMcpctlError } from '../core/errors.js';

/** This many checks in a row without an answer, while nobody waits for a call, mean that the server is gone. */
const deadAfterFailures = 3;

/** Checks of many servers are spread over this fraction of the interval. */
const spread = 0.1;

export interface HealthMonitorOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Asked each time: the configuration may change. */
  readonly options: () => HealthOptions;
  /** One round trip. @returns milliseconds */
  readonly check: (signal: AbortSignal) => Promise<number>;
  readonly onResult: (ok: boolean, latencyMs: number | null) => void;
  readonly isBusy: () => boolean;
  readonly onDead: (error: McpctlError) => void;
}

export class HealthMonitor {
  #cancelTimer: Cancel | undefined;
  #running: AbortController | undefined;
  #isOn = false;
  /** Checks that failed in a row. */
  failures = 0;
  /** ISO 8601, UTC. */
  lastCheckedAt: string | null = null;

  constructor(readonly parts: HealthMonitorOptions) {}

  start(): void {
    this.#isOn = true;
    this.failures = 0;
    this.#schedule();
  }

  stop(): void {
    this.#isOn = false;
    this.#cancelTimer?.();
    this.#running?.abort();
    this.#running = undefined;
    this.failures = 0;
  }

  /** Something was answered just now: as good as a check. */
  sawLife(): void {
    this.failures = 0;
    this.lastCheckedAt = this.parts.clock.date().toISOString();
  }

  /** Does not wait for the turn of the clock. */
  checkSoon(): void {
    if (this.#isOn && !this.#running) void this.#check();
  }

  #schedule(): void {
    const { clock, random, options } = this.parts;
    this.#cancelTimer?.();
    const waitMs = options().intervalMs * (1 - spread + 2 * spread * random());
    this.#cancelTimer = clock.after(waitMs, () => void this.#check(), { background: true });
  }

  async #check(): Promise<void> {
    const { clock, check, onResult, isBusy, onDead } = this.parts;
    const { timeoutMs } = this.parts.options();
    this.#cancelTimer?.();
    const running = new AbortController();
    this.#running = running;
    const late = new McpctlError('TIMEOUT', `no sign of life for ${timeoutMs} ms`);
    const cancelLimit = clock.after(timeoutMs, () => running.abort(late));
    let failure: McpctlError | undefined;
    let latencyMs: number | null = null;
    try {
      latencyMs = await check(running.signal);
    } catch (error) {
      failure = toMcpctlError(error);
    } finally {
      cancelLimit();
    }
    if (this.#running !== running) return;
    this.#running = undefined;
    this.lastCheckedAt = clock.date().toISOString();
    this.failures = failure ? this.failures + 1 : 0;
    onResult(!failure, latencyMs);
    if (failure && this.failures >= deadAfterFailures && !isBusy()) onDead(failure);
    else if (this.#isOn) this.#schedule();
  }
}
