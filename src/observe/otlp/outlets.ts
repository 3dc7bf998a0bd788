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
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined;
    });
    return this.#sending;
  }

  async #send(): Promise<void> {
    const { delivery, settings, context, onTrouble } = this.#parts;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, settings.spanBatch);
      const answer = await delivery.post(tracesMessage(batch, context));
      if (answer.outcome !== 'ok') onTrouble(delivery.place, answer.why);
      if (answer.outcome === 'later') return this.#later(answer);
      this.#failures = 0;
      this.#waiting.splice(0, batch.length);
      if (answer.outcome === 'never') this.dropped += batch.length;
    }
  }

  #later({ retryAfterMs }: Extract<Delivered, { outcome: 'later' }>): void {
    const { spanDelayMs } = this.#parts.settings;
    this.#failures++;
    this.#sendIn(Math.min(longestWaitMs, Math.max(retryAfterMs ?? 0, spanDelayMs * 2 ** Math.min(this.#failures, 10))));
  }

  #sendIn(ms: number): void {
    if (this.#sending && this.#failures === 0) return;
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
  #sending: Promise<void> | undefined;
  #cancelTimer: Cancel | undefined;
  #isClosed = false;

  constructor(parts: OutletParts, temporality: 'cumulative' | 'delta') {
    this.#parts = parts;
    this.#temporality = temporality;
    this.#from = parts.clock.date().getTime();
  }

  add(span: SpanRecord): void {
    this.#durations.add(span);
    this.#cancelTimer ??= this.#parts.clock.after(this.#parts.settings.metricIntervalMs, () => void this.send(), {
      background: true,
    });
  }

  /** Sends what was counted. Never rejects. */
  send(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined;
    });
    return this.#sending;
  }

  async #send(): Promise<void> {
    const { delivery, clock, context, onTrouble } = this.#parts;
    const temporality = this.#temporality;
    const histograms = temporality === 'delta' ? this.#durations.take() : this.#durations.all;
    if (histograms.length === 0) return;
    const [from, to] = [this.#from, clock.date().getTime()];
    const answer = await delivery.post(metricsMessage(histograms, { from, to, temporality }, context));
    if (answer.outcome !== 'ok') onTrouble(delivery.place, answer.why);
    if (temporality === 'cumulative') return;
    if (answer.outcome === 'later' && !this.#isClosed) this.#durations.putBack(histograms);
    else this.#from = to;
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelTimer?.();
  }
}
