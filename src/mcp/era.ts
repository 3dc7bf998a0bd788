/** Which of the two protocol eras a server speaks, and how long that is believed without asking again. */

import type { DiscoverResult } from '@modelcontextprotocol/client';
import { McpctlError } from '../core/errors.js';

/** What was found out about a server, worth remembering between runs. */
export interface EraVerdict {
  /** `legacy`: `initialize` and sessions (up to 2025-11-25). `modern`: `server/discover`, stateless (from 2026-07-28). */
  readonly kind: 'legacy' | 'modern';
  readonly transport: 'stdio' | 'http' | 'sse';
  /** The answer to `server/discover`; modern only. */
  readonly discover?: DiscoverResult | undefined;
  /** Epoch milliseconds of the finding. */
  readonly at: number;
}

/** A legacy verdict never fails by itself when the server learns the new protocol, so it is doubted after a day. */
const believedForMs = 24 * 60 * 60 * 1000;

export type EraPlan =
  /** Ask: `server/discover` first, `initialize` when that is not answered in the modern way. */
  | { readonly kind: 'ask' }
  | { readonly kind: 'legacy' }
  | { readonly kind: 'modern'; readonly discover: DiscoverResult }
  /** The configuration says modern: no fallback. */
  | { readonly kind: 'pin-modern' };

/** How to open the connection, from the configuration and what is remembered. */
export function planEra(choice: 'auto' | 'legacy' | 'modern', remembered: EraVerdict | undefined, now: Date): EraPlan {
  const fresh = remembered && Math.abs(now.getTime() - remembered.at) < believedForMs ? remembered : undefined;
  if (choice === 'legacy') return { kind: 'legacy' };
  if (fresh?.kind === 'modern' && isUsable(fresh.discover)) return { kind: 'modern', discover: fresh.discover };
  if (choice === 'modern') return { kind: 'pin-modern' };
  return fresh?.kind === 'legacy' ? { kind: 'legacy' } : { kind: 'ask' };
}

/** The first revision of the modern era, and the one that is pinned. */
export const modernVersion = '2026-07-28';

/** A file may have been written by another version of mcpctl, or by somebody else. */
function isUsable(discover: DiscoverResult | undefined): discover is DiscoverResult {
  const { supportedVersions, capabilities } = (discover ?? {}) as { supportedVersions?: unknown; capabilities?: unknown };
  return (
    Array.isArray(supportedVersions) &&
    supportedVersions.includes(modernVersion) &&
    capabilities !== null &&
    typeof capabilities === 'object'
  );
}

/** Statuses with which a server refuses a message that it does not understand, before doing anything about it. */
export const notUnderstood: ReadonlySet<unknown> = new Set([400, 404, 405, 406, 415]);

/** Whether a connection opened on the strength of an older verdict failed because of it: then it is worth asking again. */
export function isStaleVerdict(error: unknown): boolean {
  if (!(error instanceof McpctlError)) return false;
  return typeof error.details?.rpcCode === 'number' || notUnderstood.has(error.details?.status);
}

/** How long a stdio server may take to answer `server/discover` before it is taken for an old one; over HTTP silence proves nothing. Milliseconds. */
export const probeTimeoutMs = 3000;
