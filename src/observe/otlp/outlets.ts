/** What waits to be sent: spans in a bounded queue, durations as sums. Nobody waits for either, and what is too much is dropped and counted. */

import type { Cancel, Clock } from '../../core/clock.js';
import type { Delivered, Delivery } from './delivery.js';
import { Durations } from './durations.js';
import { type MessageContext, metricsMessage, tracesMessage } from './messages.js';
import type { OtlpSettings } from './settings.js';
import type { SpanRecord } from './span.js';

export interface OutletParts {
  readonly delivery: Delivery;
  readonly clock: Clock;
  readonly settings: OtlpSettings;
  readonly context: MessageContext;
  /** A message was not taken. */
  readonly onTrouble: (place: string, why: string) => void;
}

/** After a failure the next try waits longer and longer, up to this, in milliseconds. */
const longestWaitMs = 60_000;

export class SpanOutlet {
  /** Spans that nobody will ever see. */
  dropped = 0;
  readonly #parts: OutletParts;
  #waiting: SpanRecord[] = [];
  #sending: Promise<void> | undefined;
  #cancelTimer: Cancel | undefined;
  #failures = 0;

  constructor(parts: OutletParts) {
    this.#parts = parts;
  }

  add(span: SpanRecord): void {
    const { spanQueue, spanBatch, spanDelayMs } = this.#parts.settings;
    if (this.#waiting.length >= spanQueue) {
      this.dropped++;
      return;
    }
    this.#waiting.push(span);
    if (this.#waiting.length >= spanBatch && this.#failures === 0) void this.send();
    else this.#sendIn(spanDelayMs);
  }

  /** Sends until nothing waits or something is not taken. Never rejects. */
  send(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#sending ??= this.#send().then((nextMs) => {
      this.#sending = undefined;
      if (this.#waiting.length > 0) this.#sendIn(nextMs);
    });
    return this.#sending;
  }

  /** @returns when to send what is left, or has come meanwhile, in milliseconds */
  async #send(): Promise<number> {
    const { delivery, settings, context, onTrouble } = this.#parts;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, settings.spanBatch);
      const answer = await delivery.post(tracesMessage(batch, context));
      if (answer.outcome !== 'ok') onTrouble(delivery.place, answer.why);
      if (answer.outcome === 'later') return this.#waitAfter(answer);
      this.#failures = 0;
      this.#waiting.splice(0, batch.length);
      if (answer.outcome === 'never') this.dropped += batch.length;
    }
    return settings.spanDelayMs;
  }

  #waitAfter({ retryAfterMs }: Extract<Delivered, { outcome: 'later' }>): number {
    const { spanDelayMs } = this.#parts.settings;
    this.#failures++;
    return Math.min(longestWaitMs, Math.max(retryAfterMs ?? 0, spanDelayMs * 2 ** Math.min(this.#failures, 10)));
  }

  #sendIn(ms: number): void {
    // What comes while something is sent goes with it, or waits as long as the collector has to be left alone.
    if (this.#sending) return;
    this.#cancelTimer ??= this.#parts.clock.after(ms, () => void this.send(), { background: true });
  }

  /** Gives up what still waits. */
  close(): void {
    this.#cancelTimer?.();
    this.dropped += this.#waiting.length;
    this.#waiting = [];
  }
}

export class DurationOutlet {
  readonly #parts: OutletParts;
  readonly #temporality: 'cumulative' | 'delta';
  readonly #durations = new Durations();
  #from: number;
  /** Something was counted that no collector has taken. */
  #isNew = false;
  #sending: Promise<void> | undefined;
  #cancelTimer: Cancel | undefined;
  #isClosed = false;

  constructor(parts: OutletParts, temporality: 'cumulative' | 'delta') {
    this.#parts = parts;
    this.#temporality = temporality;
    this.#from = parts.clock.date().getTime();
  }

  add(span: SpanRecord): void {
    if (!this.#durations.add(span)) return;
    this.#isNew = true;
    this.#sendSoon();
  }

  /** Sends everything, also what is counted while a message is under way. Never rejects. */
  async flush(): Promise<void> {
    await this.#sending;
    await this.send();
  }

  /** Sends what was counted, unless that was taken already. Never rejects. */
  send(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined;
      if (this.#isNew) this.#sendSoon();
    });
    return this.#sending;
  }

  async #send(): Promise<void> {
    if (!this.#isNew) return;
    this.#isNew = false;
    const { delivery, clock, context, onTrouble } = this.#parts;
    const temporality = this.#temporality;
    const histograms = temporality === 'delta' ? this.#durations.take() : this.#durations.all;
    const [from, to] = [this.#from, clock.date().getTime()];
    const answer = await delivery.post(metricsMessage(histograms, { from, to, temporality }, context));
    if (answer.outcome !== 'ok') onTrouble(delivery.place, answer.why);
    if (answer.outcome === 'later') this.#isNew = true;
    if (temporality === 'cumulative') return;
    if (answer.outcome === 'later') this.#durations.putBack(histograms);
    else this.#from = to;
  }

  #sendSoon(): void {
    if (this.#isClosed) return;
    this.#cancelTimer ??= this.#parts.clock.after(this.#parts.settings.metricIntervalMs, () => void this.send(), {
      background: true,
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelTimer?.();
  }
}
