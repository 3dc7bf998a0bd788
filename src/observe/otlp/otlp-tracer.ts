/** Makes spans: which is the parent of which, which are kept, and what a request carries of them. */

import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../core/clock.js';
import { cancelled } from '../../core/errors.js';
import type { Redactor } from '../../core/redact.js';
import { sanitizeLine } from '../../core/sanitize.js';
import type { FrameSpan, RequestSpan, Span, TraceContext, Tracer } from '../../core/tracing.js';
import type { SamplerSettings } from './settings.js';
import { LiveSpan, type SpanOrigin, type SpanParts, type SpanRecord } from './span.js';
import { type RemoteParent, readContext, traceparentOf } from './trace-context.js';

export interface TracerOptions {
  readonly clock: Clock;
  readonly redactor: Redactor;
  readonly sampler: SamplerSettings;
  /** The trace that this process belongs to. */
  readonly parent: TraceContext | undefined;
  /** False: spans are only measured, and no request tells of them. */
  readonly propagates: boolean;
  /** A span that is to be sent. */
  readonly onSpan: (record: SpanRecord) => void;
  /** Every span of a request, also those that are not sent. */
  readonly onRequest: (record: SpanRecord) => void;
}

/** The longest text in a span, in characters. */
const maxText = 256;

interface Message {
  readonly method?: unknown;
  readonly id?: unknown;
  readonly params?: { readonly _meta?: Readonly<Record<string, unknown>> };
}

export class OtlpTracer implements Tracer {
  readonly #options: TracerOptions;
  readonly #remote: RemoteParent | undefined;
  readonly #around = new AsyncLocalStorage<LiveSpan>();
  readonly #live = new Set<LiveSpan>();
  readonly #parts: SpanParts;

  constructor(options: TracerOptions) {
    this.#options = options;
    this.#remote = readContext(options.parent);
    this.#parts = {
      now: () => options.clock.now(),
      // Redacted before it is cut: half of a secret is one that nobody recognises.
      safe: (text) => sanitizeLine(options.redactor.redact(text), maxText),
      onEnd: (span) => this.#ended(span),
    };
  }

  run<T>(options: RequestSpan | FrameSpan, work: (span: Span) => Promise<T>): Promise<T> {
    const span = this.#start(options);
    const end = (error?: unknown) => {
      if (error !== undefined) span.failed(error);
      span.end();
    };
    try {
      return this.#around.run(span, work, span).then(
        (result) => {
          end();
          return result;
        },
        (error: unknown) => {
          end(error ?? cancelled());
          throw error;
        },
      );
    } catch (error) {
      end(error);
      throw error;
    }
  }

  carry<M extends object>(message: M): M {
    const { method, id, params } = message as Message;
    const span = this.#current();
    if (typeof method !== 'string' || !span) return message;
    span.sending(method, id);
    if (!this.#options.propagates) return message;
    const { origin } = span;
    const { tracestate, baggage } = origin;
    const context = { traceparent: traceparentOf(origin), ...(tracestate && { tracestate }), ...(baggage && { baggage }) };
    return { ...message, params: { ...params, _meta: { ...params?._meta, ...context } } };
  }

  /** For the end of the process: whatever still runs ends now, as cancelled. */
  endAll(): void {
    // Children began later than their parents, and end first.
    for (const span of [...this.#live].reverse()) {
      span.failed(cancelled());
      span.end();
    }
  }

  /** Whoever is called back later, e.g. by a timer, still has the span around it that ran when that was set up. */
  #current(): LiveSpan | undefined {
    const span = this.#around.getStore();
    return span?.isEnded === false ? span : undefined;
  }

  #start(options: RequestSpan | FrameSpan): LiveSpan {
    const around = this.#current();
    if (around) around.hasChildren = true;
    const remote = ('parent' in options ? readContext(options.parent) : undefined) ?? (around ? undefined : this.#remote);
    const origin = remote || !around ? this.#root(remote) : childOf(around.origin);
    const span = new LiveSpan(origin, options, this.#parts);
    this.#live.add(span);
    return span;
  }

  /** The first span of a trace in this process. */
  #root(remote: RemoteParent | undefined): SpanOrigin {
    const { clock, sampler } = this.#options;
    const traceId = remote?.traceId ?? newId(16);
    return {
      traceId,
      spanId: newId(8),
      parentSpanId: remote?.spanId,
      isSampled: remote && sampler.followsParent ? remote.isSampled : isKept(traceId, sampler.ratio),
      tracestate: remote?.tracestate,
      baggage: remote?.baggage,
      epoch: clock.date().getTime() - clock.now(),
    };
  }

  #ended(span: LiveSpan): void {
    this.#live.delete(span);
    const isSent = span.origin.isSampled && (span.isRequest || span.hasChildren);
    if (!span.isRequest && !isSent) return;
    const record = span.record();
    if (span.isRequest) this.#options.onRequest(record);
    if (isSent) this.#options.onSpan(record);
  }
}

function childOf({ spanId, ...origin }: SpanOrigin): SpanOrigin {
  return { ...origin, spanId: newId(8), parentSpanId: spanId };
}

function newId(bytes: 8 | 16): string {
  for (;;) {
    const id = randomBytes(bytes).toString('hex');
    if (!/^0+$/.test(id)) return id;
  }
}

/** By its last 52 bits, which are random: all who see the trace decide alike (W3C Trace Context, level 2, "Random Trace ID Flag"). */
function isKept(traceId: string, ratio: number): boolean {
  return Number.parseInt(traceId.slice(-13), 16) < ratio * 2 ** 52;
}
