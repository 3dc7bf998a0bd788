/** `ping`: one round trip to one server. */

import * as z from 'zod/mini';
import type { Run, Text } from '../command.js';

export const args = z.object({ server: z.string() });

export interface PingData {
  readonly server: string;
  readonly latencyMs: number;
  readonly protocol: { readonly version: string; readonly era: string } | null;
}

export const run: Run<typeof args, PingData> = async ({ server }, { manager, signal }) => {
  const latencyMs = await manager.ping(server, signal);
  return {
    data: { server, latencyMs: Math.round(latencyMs * 10) / 10, protocol: manager.snapshot([server])[0]?.protocol ?? null },
  };
};

export const text: Text<PingData> = ({ server, latencyMs, protocol }) =>
  `${server} answered in ${latencyMs} ms${protocol ? ` (MCP ${protocol.version})` : ''}`;
