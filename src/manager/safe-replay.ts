/** Whether one call may be sent again, and what is told when nobody knows if it ran: a tool never runs twice without being asked. */

import type { TrustOptions } from '../config/schema.js';
import { McpctlError, notDelivered, toMcpctlError } from '../core/errors.js';
import type { Connection, Tool } from '../mcp/connection.js';
import type { Policy } from '../policy/policy.js';

export interface DeliveryOptions {
  readonly server: string;
  readonly tool: Tool;
  readonly trust: TrustOptions;
  /** The user wants it repeated whatever may have run. */
  readonly insist: boolean;
}

/** Codes that say that no answer came; every other error of a call that was sent is an answer, if not a good one. */
const unanswered: ReadonlySet<string> = new Set(['UNAVAILABLE', 'SERVER_EXITED']);

/** What is known of one logical call over all of its tries. */
export class Delivery {
  readonly #options: DeliveryOptions;
  /** How the first try was lost of which nobody knows whether it ran. */
  #lost: McpctlError | undefined;
  /** The last failure of the call itself; one of the way to it is another. */
  #failed: unknown;
  #sends = 0;
  /** The server has answered in this session. One adopted from memory may be gone, and that is a failure to connect. */
  #isThere = true;

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  /** Sends the call. Where an earlier try may have run, the tool is looked up first on this very connection. */
  async send<T>(connection: Connection, signal: AbortSignal, request: () => Promise<T>): Promise<T> {
    if (this.#lost && !this.#options.insist) await this.#confirm(connection, signal, this.#lost);
    this.#sends++;
    try {
      return await request();
    } catch (error) {
      this.#failed = error;
      this.#isThere = connection.verified;
      if (!(error instanceof McpctlError) || error.delivered !== 'no') this.#lost ??= toMcpctlError(error);
      throw error;
    }
  }

  /** For the retry policy: what was never delivered may be repeated; what may have run only when a repeat does no harm. */
  readonly mayRepeat = ({ details }: McpctlError): boolean => {
    const { insist, trust, tool } = this.#options;
    if (this.#lost === undefined) return this.#isThere || details?.status !== undefined;
    return insist || (trust.annotations && isRepeatable(tool));
  };

  /**
   * Tells what became of the call where the error alone would not.
   *
   * @throws McpctlError `OUTCOME_UNKNOWN` when a try may have run and no answer came, also when the way back to the server failed
   */
  readonly outcome: Policy = async (operation, attempt) => {
    try {
      return await operation(attempt);
    } catch (error) {
      throw this.#explain(toMcpctlError(error), attempt.signal.aborted);
    }
  };

  #explain(error: McpctlError, isAborted: boolean): McpctlError {
    if (error.code === 'OUTCOME_UNKNOWN' || error.code === 'CANCELLED' || error.code === 'INTERNAL') return error;
    if (error.code === 'TIMEOUT' && isAborted) return this.#late(error);
    if (!this.#lost) return error.delivered === 'no' ? error : notDelivered(error);
    const isAnswer = error === this.#failed && error.delivered !== 'no' && !unanswered.has(error.code);
    return isAnswer ? error : this.#unknown(this.#lost, error);
  }

  /** A deadline passed: while the server had the call, or before it was sent at all. */
  #late(error: McpctlError): McpctlError {
    const { code, message, server, hint, details } = error;
    const mayHaveRun = this.#lost !== undefined;
    return new McpctlError(code, message, {
      cause: error,
      server,
      hint: mayHaveRun ? `it may have run, or still be running: look before you repeat it; ${hint}` : hint,
      details: { ...details, outcome: mayHaveRun ? 'unknown' : 'not-run' },
      delivered: mayHaveRun ? 'maybe' : 'no',
    });
  }

  #unknown(lost: McpctlError, last: McpctlError): McpctlError {
    const { server, tool } = this.#options;
    const then = last === lost || last.message === lost.message ? '' : `; then: ${last.message}`;
    const often = this.#sends > 1 ? ` (sent ${this.#sends} times)` : '';
    return new McpctlError('OUTCOME_UNKNOWN', `${server}/${tool.name} may or may not have run${often}: ${lost.message}${then}`, {
      server,
      cause: last,
      hint: `look whether it was done: mcpctl logs ${server}, or a tool that reads; to send it again whatever happened: call with --retry-unsafe`,
      details: { ...lost.details, cause: lost.code, last: last.code, sent: this.#sends },
      delivered: 'maybe',
    });
  }

  /** Annotations count as they are now: the server that came back may be another version. */
  async #confirm(connection: Connection, signal: AbortSignal, lost: McpctlError): Promise<void> {
    const { tools } = await connection.listTools(signal);
    const { tool, server } = this.#options;
    const now = tools.find(({ name }) => name === tool.name);
    if (now && isRepeatable(now)) return;
    const why = now ? 'is no longer said to be repeatable' : 'is gone';
    throw this.#unknown(lost, new McpctlError('REQUEST_REFUSED', `the tool ${why}`, { server, delivered: 'no' }));
  }
}

/** Whether a tool says that a second run does no more than the first. One that says that it only reads and that it destroys says nothing. */
export function isRepeatable({ annotations = {} }: Tool): boolean {
  const { readOnlyHint, idempotentHint, destructiveHint } = annotations;
  return idempotentHint === true || (readOnlyHint === true && destructiveHint !== true);
}
