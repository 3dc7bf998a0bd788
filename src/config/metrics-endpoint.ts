/** Where figures and health are offered over HTTP: what can be said about it, and what holds when nobody says anything. */
import { isIPv4 } from 'node:net';
import type { McpctlError } from '../core/errors.js';

export interface MetricsOptions {
  /** Null: nobody has said; a manager in the background offers them then, and a REPL does not. */
  readonly enabled: boolean | null;
  /** Whether a file says anything about it: what nobody asked for fails nothing. */
  readonly isConfigured: boolean;
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  /** What a reader has to send as its bearer token; null = nothing. */
  readonly token: string | null;
  /** Why nothing can be offered: CONFIG_INVALID, e.g. for a missing variable. */
  readonly problem?: McpctlError;
}

/** This machine only; the port that tools for metrics expect. */
export const defaultMetrics: MetricsOptions = {
  enabled: null,
  isConfigured: false,
  host: '127.0.0.1',
  port: 9090,
  token: null,
};

/** Whether an address to listen on can be reached from this machine only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
