/** What those who work tell a tracer. Where nobody wants traces there is no tracer, and nothing of it is loaded. */

/** Values are made safe and short by the tracer; `undefined` is left out. */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Where a trace goes on that began elsewhere, as W3C Trace Context and Baggage write it. */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate?: string | undefined;
  readonly baggage?: string | undefined;
}

/** A piece of work while it runs. */
export interface Span {
  set(attributes: Attributes): void;
  event(name: string, attributes?: Attributes): void;
  /** It failed although nothing is thrown. @param type the value of `error.type` */
  fail(type: string): void;
}

/** A request of the protocol, with all of its tries. */
export interface RequestSpan {
  /** Named after that of these requests that was sent last; the first of them until then. */
  readonly methods: readonly [string, ...string[]];
  /** Its name when nothing was sent, where that is another thing. */
  readonly unsent?: string;
  /** Of what the request is about, e.g. a tool: part of the name. */
  readonly target?: string;
  readonly attributes: Attributes;
}

/** Work of ours around requests: told only when there were any. */
export interface FrameSpan {
  readonly name: string;
  readonly attributes: Attributes;
  /** Where the trace began, if not here. */
  readonly parent?: TraceContext | undefined;
}

export interface Tracer {
  /**
   * Runs `work` as a span: the child of the one around it, unless that has ended. It ends when the promise settles, as a failure
   * when it rejects. @throws what `work` throws
   */
  run<T>(span: RequestSpan | FrameSpan, work: (span: Span) => Promise<T>): Promise<T>;
  /** A message of the protocol as it is to be sent: with the context of the span around in `params._meta`, if there is one. */
  carry<M extends object>(message: M): M;
}

/** What the environment of a process says about where it was started (OpenTelemetry, "Environment Variables as Context Propagation Carriers"). */
export function contextOf(env: Readonly<Record<string, string | undefined>>): TraceContext | undefined {
  const { TRACEPARENT: traceparent, TRACESTATE: tracestate, BAGGAGE: baggage } = env;
  return traceparent ? { traceparent, tracestate, baggage } : undefined;
}
