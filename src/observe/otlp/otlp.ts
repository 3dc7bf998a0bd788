/** Traces and durations on their way to a collector: built from the environment, ended with the process, in nobody's way meanwhile. */

import { randomUUID } from 'node:crypto';
import type { Cancel } from '../../core/clock.js';
import { contextOf } from '../../core/tracing.js';
import type { Telemetry, TelemetryOptions } from '../telemetry.js';
import { Delivery } from './delivery.js';
import { OtlpTracer } from './otlp-tracer.js';
import { DurationOutlet, type OutletParts, SpanOutlet } from './outlets.js';
import { type OtlpSettings, readSettings, type Target } from './settings.js';

/** How long the end of the process may wait for the collector, in milliseconds, everything together. */
const endMs = 2_000;

/** What is odd in the environment is told when somebody listens: this long after the start, or at the end. In milliseconds. */
const tellMs = 500;

export class Otlp implements Telemetry {
  readonly tracer: OtlpTracer | undefined;
  readonly #options: TelemetryOptions;
  readonly #deliveries: Delivery[] = [];
  readonly #spans: SpanOutlet | undefined;
  readonly #durations: DurationOutlet | undefined;
  readonly #cancelTelling: Cancel;
  #problems: readonly string[];
  /** Collectors of which it was told that they take nothing. */
  readonly #told = new Set<string>();
  #trouble: { readonly place: string; readonly why: string } | undefined;
  /** Milliseconds of the monotonic clock; the process is ending. */
  #endsAt: number | undefined;

  static open(options: TelemetryOptions): Otlp {
    return new Otlp(options, readSettings(options.env, options));
  }

  constructor(options: TelemetryOptions, settings: OtlpSettings) {
    const { clock, env, redactor, version, longLived } = options;
    this.#options = options;
    this.#problems = settings.problems;
    this.#cancelTelling = clock.after(tellMs, () => this.#tellProblems(), { background: true });
    // What stays is one source of figures among others; a name for each single command would be a time series for each.
    const own = longLived ? { 'service.instance.id': randomUUID() } : {};
    const context = { resource: { ...own, ...settings.resource }, version };
    const partsOf = (target: Target): OutletParts => {
      for (const secret of secretsOf(target)) redactor.add(secret);
      const delivery = new Delivery(target, { clock, env });
      this.#deliveries.push(delivery);
      return { delivery, clock, settings, context, onTrouble: (place, why) => this.#onTrouble(place, why) };
    };
    const { traces, metrics } = settings;
    if (!traces && !metrics) return;
    this.#spans = traces && new SpanOutlet(partsOf(traces));
    const temporality = settings.temporality ?? (longLived ? 'cumulative' : 'delta');
    this.#durations = metrics && new DurationOutlet(partsOf(metrics), temporality);
    this.tracer = new OtlpTracer({
      clock,
      redactor,
      sampler: settings.sampler,
      parent: longLived ? undefined : contextOf(env),
      propagates: traces !== undefined,
      onSpan: (record) => this.#spans?.add(record),
      onRequest: (record) => this.#durations?.add(record),
    });
  }

  async flush(): Promise<void> {
    const { clock } = this.#options;
    this.#endsAt ??= clock.now() + endMs;
    let cancel = () => {};
    const limit = new Promise<void>((resolve) => {
      cancel = clock.after(Math.max(0, this.#endsAt! - clock.now()), resolve);
    });
    const sent = Promise.all([this.#spans?.send(), this.#durations?.flush()]);
    const isInTime = await Promise.race([sent.then(() => true), limit.then(() => false)]);
    cancel();
    if (!isInTime) this.#trouble ??= { place: this.#deliveries[0]!.place, why: `no answer within ${endMs / 1000} s` };
  }

  /** After everybody else: spans end with the work they are about. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.tracer?.endAll();
    await this.flush();
    this.#spans?.close();
    this.#durations?.close();
    this.#cancelTelling();
    this.#tellProblems();
    this.#tellEnd();
    await Promise.all(this.#deliveries.map((delivery) => delivery[Symbol.asyncDispose]()));
  }

  #onTrouble(place: string, why: string): void {
    this.#trouble ??= { place, why };
    // At the end one sentence says it all.
    if (this.#endsAt !== undefined || this.#told.has(place)) return;
    this.#told.add(place);
    this.#options.onWarning(
      `telemetry cannot be sent to ${place}: ${why}; calls go on, and what does not fit into the queue is dropped`,
    );
  }

  #tellEnd(): void {
    const dropped = this.#spans?.dropped ?? 0;
    if (dropped > 0) this.#trouble ??= { place: this.#deliveries[0]!.place, why: 'there were more spans than the queue takes' };
    if (!this.#trouble) return;
    const { place, why } = this.#trouble;
    const lost = dropped === 1 ? '1 span is lost' : `${dropped} spans are lost`;
    const { onWarning } = this.#options;
    if (!this.#told.has(place)) onWarning(`telemetry could not be sent to ${place}: ${why}${dropped === 0 ? '' : `; ${lost}`}`);
    else if (dropped > 0) onWarning(`telemetry: ${lost} that were for ${place}`);
  }

  #tellProblems(): void {
    for (const problem of this.#problems) this.#options.onWarning(`telemetry: ${problem}`);
    this.#problems = [];
  }
}

/** What a collector asks for is a secret, in a header or in the query of its URL. */
function* secretsOf({ url, headers }: Target): Generator<string> {
  for (const text of [...Object.values(headers), ...new URL(url).searchParams.values()]) {
    yield text;
    const word = /^\w+ (\S+)$/.exec(text)?.[1];
    if (word !== undefined) yield word;
  }
}
