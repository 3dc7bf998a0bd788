/** Results of tools that may stand for a later call: of tools that the user has named and whose server says that nothing is lost. */

import { hashOf } from '../config/canonical.js';
import type { ServerConfig } from '../config/schema.js';
import type { CallToolResult, Tool } from '../mcp/connection.js';
import type { Cache } from '../policy/cache.js';
import type { ToolList } from './tool-cache.js';
import { globMatcher } from './tool-filter.js';

/** All results of one server together. */
export const maxResultBytes = 64 * 1024 ** 2;
/** A larger result is not kept. */
const maxOneBytes = 4 * 1024 ** 2;

/** How the keys of results begin. */
export const resultsKind = 'tools/call';
const prefix = `${resultsKind} `;

export interface ResultCall {
  readonly tool: Tool;
  readonly args: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
  /** With a time limit of its own nobody else waits for it, and it waits for nobody else. */
  readonly timeoutMs?: number | undefined;
  /** Asks the server although a result is kept. */
  readonly isAnew?: boolean | undefined;
}

export class ResultCache {
  /** False: nothing is kept, and every call goes to the server. */
  readonly isOn: boolean;
  readonly #isNamed: (tool: string) => boolean;
  /** Counts what made results worthless: an answer that was asked for before that is not kept. */
  #epoch = 0;

  constructor(
    readonly cache: Cache<ToolList | string>,
    readonly config: Pick<ServerConfig, 'hash' | 'cache'>,
    /** The login in force; undefined without one. */
    readonly login: () => string | undefined,
  ) {
    const { enabled, results } = config.cache;
    const globs = enabled && results ? results.tools.map(globMatcher) : [];
    this.isOn = globs.length > 0;
    this.#isNamed = (tool) => globs.some((fits) => fits(tool));
  }

  /**
   * The result of an equal call (same server, login, tool and arguments), or that of `send`, which is kept if it may be. Equal calls at
   * the same time are one. A tool that is not read-only makes what is kept of all others worthless.
   */
  async call(request: ResultCall, send: (signal: AbortSignal) => Promise<CallToolResult>): Promise<CallToolResult> {
    const { tool, args, signal, timeoutMs, isAnew = false } = request;
    const isReadOnly = tool.annotations?.readOnlyHint === true;
    if (!this.#isNamed(tool.name) || !(isReadOnly || tool.annotations?.idempotentHint === true)) {
      // Also when it failed: it may have done half of its work.
      return isReadOnly ? send(signal) : send(signal).finally(() => this.drop());
    }
    const { hash: server, cache } = this.config;
    // The name is for people; the hash decides.
    const key = `${prefix}${hashOf({ server, login: this.login() ?? null, tool: tool.name, args })} ${tool.name}`;
    let own: CallToolResult | undefined;
    const load = async (until: AbortSignal) => {
      let epoch = this.#epoch;
      try {
        own = await send(until);
      } finally {
        const isCurrent = epoch === this.#epoch;
        if (!isReadOnly) this.drop(key);
        if (isCurrent) epoch = this.#epoch;
      }
      const text = JSON.stringify(own);
      const bytes = Buffer.byteLength(text);
      const mayBeKept = epoch === this.#epoch && isComplete(own) && bytes <= maxOneBytes;
      return { value: text, bytes, ttlMs: mayBeKept ? cache.results!.ttlMs : 0 };
    };
    if (timeoutMs === undefined && !isAnew) {
      const text = await this.cache.fetch(key, load, signal);
      return own ?? JSON.parse(text as string);
    }
    const kept = isAnew ? undefined : this.cache.get(key);
    if (kept !== undefined) return JSON.parse(kept as string);
    this.cache.set(key, await load(signal));
    return own!;
  }

  /** Forgets every result, but not the one with this key. */
  drop(except?: string): void {
    this.#epoch++;
    this.cache.deleteWhere((key) => key.startsWith(prefix) && key !== except);
  }
}

/** The name of the tool in a key; undefined for the key of something else. */
export function toolOfKey(key: string): string | undefined {
  return key.startsWith(prefix) ? key.slice(key.indexOf(' ', prefix.length) + 1) : undefined;
}

/** An error may be gone the next time, and a question is not an answer. */
function isComplete(result: CallToolResult): boolean {
  const { resultType = 'complete' } = result as { resultType?: unknown };
  return result.isError !== true && resultType === 'complete';
}
