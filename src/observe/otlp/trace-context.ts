/** The context of a trace as it travels: W3C Trace Context (level 1) and Baggage, read with suspicion and written. */

import type { TraceContext } from '../../core/tracing.js';

/** Where a span belongs that has its parent in another process. */
export interface RemoteParent {
  readonly traceId: string;
  readonly spanId: string;
  readonly isSampled: boolean;
  readonly tracestate: string | undefined;
  readonly baggage: string | undefined;
}

/** What W3C asks everybody to pass on; more may be dropped. In characters. */
const maxTracestate = 512;
/** It travels with every request, so only a small one is passed on. In characters. */
const maxBaggage = 1024;

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const printable = /^[\x20-\x7e]+$/;

/** @returns undefined for what is no valid `traceparent`; the rest counts for nothing then */
export function readContext(context: TraceContext | undefined): RemoteParent | undefined {
  const text = context?.traceparent;
  const match = typeof text === 'string' && text.length <= 256 ? form.exec(text.trim()) : null;
  if (!match) return undefined;
  const [, version, traceId, spanId, flags, more] = match;
  // Version 00 ends here; a later one may say more, and `ff` is none.
  if (version === 'ff' || (version === '00' && more !== undefined) || /^0+$/.test(traceId!) || /^0+$/.test(spanId!))
    return undefined;
  return {
    traceId: traceId!,
    spanId: spanId!,
    isSampled: (Number.parseInt(flags!, 16) & 1) === 1,
    tracestate: shortText(context!.tracestate, maxTracestate),
    baggage: shortText(context!.baggage, maxBaggage),
  };
}

function shortText(text: unknown, maxLength: number): string | undefined {
  return typeof text === 'string' && text.length <= maxLength && printable.test(text) ? text.trim() : undefined;
}

export function traceparentOf({ traceId, spanId, isSampled }: Pick<RemoteParent, 'traceId' | 'spanId' | 'isSampled'>): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`;
}
