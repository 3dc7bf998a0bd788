/** One span from its start to its end, and what is kept of it then. */

import { McpctlError } from '../../core/errors.js';
import type { Attributes, FrameSpan, RequestSpan, Span } from '../../core/tracing.js';

export type AttributeValue = string | number | boolean;

export interface SpanEvent {
  /** Epoch milliseconds with fractions. */
  readonly at: number;
  readonly name: string;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

/** A span that has ended. Everything in it is safe to send. */
export interface SpanRecord {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly tracestate: string | undefined;
  readonly kind: 'client' | 'internal';
  readonly name: string;
  /** Epoch milliseconds with fractions. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** When its request was first handed to the transport; undefined = never. */
  readonly sentAt: number | undefined;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly events: readonly SpanEvent[];
  readonly droppedEvents: number;
  readonly isError: boolean;
}

export interface SpanOrigin {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly isSampled: boolean;
  readonly tracestate: string | undefined;
  readonly baggage: string | undefined;
  /** Epoch milliseconds at which the monotonic clock stood at 0: one for a whole trace, so that its spans fit into each other. */
  readonly epoch: number;
}

export interface SpanParts {
  /** Milliseconds of the monotonic clock. */
  readonly now: () => number;
  /** Without secrets and control characters, and short. */
  readonly safe: (text: string) => string;
  readonly onEnd: (span: LiveSpan) => void;
}

const maxEvents = 64;

export class LiveSpan implements Span {
  /** Some work was done under it. */
  hasChildren = false;
  isEnded = false;
  readonly #startedAt: number;
  #endedAt = 0;
  #sentAt: number | undefined;
  #method: string | undefined;
  #isError = false;
  #droppedEvents = 0;
  readonly #attributes: Record<string, AttributeValue> = {};
  readonly #events: SpanEvent[] = [];

  constructor(
    readonly origin: SpanOrigin,
    readonly about: RequestSpan | FrameSpan,
    readonly parts: SpanParts,
  ) {
    this.#startedAt = parts.now();
    this.set(about.attributes);
  }

  get isRequest(): boolean {
    return 'methods' in this.about;
  }

  set(attributes: Attributes): void {
    if (!this.isEnded) this.#put(this.#attributes, attributes);
  }

  event(name: string, attributes: Attributes = {}): void {
    if (this.isEnded) return;
    if (this.#events.length >= maxEvents) {
      this.#droppedEvents++;
      return;
    }
    const own: Record<string, AttributeValue> = {};
    this.#put(own, attributes);
    this.#events.push({ at: this.#at(this.parts.now()), name, attributes: own });
  }

  fail(type: string): void {
    if (this.isEnded) return;
    this.#isError = true;
    this.set({ 'error.type': type });
  }

  /** As a failure: by codes and numbers only. Messages quote servers, and those may quote what they were sent. */
  failed(error: unknown): void {
    const { code, details } = error instanceof McpctlError ? error : { code: 'INTERNAL', details: undefined };
    const { rpcCode, status } = details ?? {};
    const isAnswer = typeof rpcCode === 'number';
    this.fail(isAnswer ? String(rpcCode) : code);
    this.set({
      'mcpctl.error.code': code,
      'rpc.response.status_code': isAnswer ? String(rpcCode) : undefined,
      'http.response.status_code': typeof status === 'number' ? status : undefined,
    });
  }

  /** A request is handed to the transport now. */
  sending(method: string, id: unknown): void {
    if (this.isEnded || !('methods' in this.about) || !this.about.methods.includes(method)) return;
    this.#method = method;
    this.#sentAt ??= this.parts.now();
    if (typeof id === 'string' || typeof id === 'number') this.set({ 'jsonrpc.request.id': String(id) });
  }

  end(): void {
    if (this.isEnded) return;
    this.#endedAt = this.parts.now();
    if ('methods' in this.about) this.set({ 'mcp.method.name': this.#methodOf(this.about) });
    this.isEnded = true;
    this.parts.onEnd(this);
  }

  record(): SpanRecord {
    const { traceId, spanId, parentSpanId, tracestate } = this.origin;
    return {
      traceId,
      spanId,
      parentSpanId,
      tracestate,
      kind: this.isRequest ? 'client' : 'internal',
      name: this.parts.safe(this.#name()),
      startedAt: this.#at(this.#startedAt),
      endedAt: this.#at(this.#endedAt),
      sentAt: this.#sentAt === undefined ? undefined : this.#at(this.#sentAt),
      attributes: this.#attributes,
      events: this.#events,
      droppedEvents: this.#droppedEvents,
      isError: this.#isError,
    };
  }

  /** Undefined: nothing of the protocol. */
  #methodOf({ methods, unsent }: RequestSpan): string | undefined {
    return this.#method ?? (unsent === undefined ? methods[0] : undefined);
  }

  #name(): string {
    const { about } = this;
    if (!('methods' in about)) return about.name;
    const method = this.#methodOf(about) ?? about.unsent!;
    return about.target === undefined ? method : `${method} ${about.target}`;
  }

  #put(into: Record<string, AttributeValue>, attributes: Attributes): void {
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== undefined) into[name] = typeof value === 'string' ? this.parts.safe(value) : value;
    }
  }

  #at(monotonicMs: number): number {
    return this.origin.epoch + monotonicMs;
  }
}
