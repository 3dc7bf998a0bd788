/** What a new configuration means for a server that exists: nothing, a switch, new options under the same connection, or a new server. */

import { isDeepStrictEqual } from 'node:util';
import type { ConfigProblem, ServerConfig } from '../config/schema.js';
import { isWaiting } from '../config/trust.js';

/** Names of servers, in the order of the configuration. */
export interface ConfigChange {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
}

/**
 * `same`: nothing that anybody would notice. `switched`: enabled or disabled. `adopted`: options that are looked up each time
 * they are used. `replaced`: what the connection was made from.
 */
export type ServerChange = 'same' | 'switched' | 'adopted' | 'replaced';

/** Where it stands and how it is shown: no news. */
const bookkeeping: ReadonlySet<string> = new Set<keyof ServerConfig>(['position', 'enabledInFile', 'shown']);

/** Looked up each time it is used. Whatever is not here, also what later versions add, belongs to the connection. */
const adoptable: ReadonlySet<string> = new Set<keyof ServerConfig>([
  'file',
  'source',
  'target',
  'timeouts',
  'health',
  'retry',
  'concurrency',
  'circuitBreaker',
  'trust',
  'endpoints',
  'balance',
  'tools',
]);

export function compareServers(before: ServerConfig, after: ServerConfig): ServerChange {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]) as ReadonlySet<keyof ServerConfig>;
  const differing = [...keys].filter((key) => !bookkeeping.has(key) && !isEqual(key, before, after));
  if (differing.length === 0) return 'same';
  if (differing.some((key) => key !== 'enabled' && !adoptable.has(key))) return 'replaced';
  if (isGroup(before) !== isGroup(after)) return 'replaced';
  return differing.every((key) => key === 'enabled') ? 'switched' : 'adopted';
}

/** One address or several: a server with several has a life made of theirs. */
const isGroup = ({ endpoints }: ServerConfig) => endpoints.length > 1;

function isEqual(key: keyof ServerConfig, before: ServerConfig, after: ServerConfig): boolean {
  // An approval given counts as much as one that was never needed.
  if (key === 'approval') return before.approval === after.approval || (!isWaiting(before) && !isWaiting(after));
  // Errors are equal when they say the same; their stacks never are.
  if (key === 'problem') return before.problem?.message === after.problem?.message;
  return isDeepStrictEqual(before[key], after[key]);
}

/** The warnings of a new configuration that the one before did not have, wherever they stood in the file. */
export function newWarnings(before: readonly ConfigProblem[], after: readonly ConfigProblem[]): ConfigProblem[] {
  const key = ({ file, path, message }: ConfigProblem) => JSON.stringify([file, path, message]);
  const known = new Set(before.map(key));
  return after.filter((problem) => problem.severity === 'warning' && !known.has(key(problem)));
}
