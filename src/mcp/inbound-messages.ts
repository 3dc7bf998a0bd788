/** A server's stdout → messages for the SDK: skips and counts nonsense, bounds time and memory, never leaves a call without its answer. */
import type { Readable } from 'node:stream';
import type { JSONRPCMessage } from '@modelcontextprotocol/client';
import type { Clock } from '../core/clock.js';
import { McpctlError } from '../core/errors.js';
import { type Answer, failedAnswer, wellFormed } from './answer.js';
import type { OversizeLine } from './framing.js';
import { decodeLine, type NotAMessage } from './json-line.js';
import { LineReader } from './line-reader.js';
import { type Envelope, type MessageId, readEnvelope } from './message-id.js';

export interface InboundOptions {
  readonly server: string;
  readonly clock: Clock;
  readonly maxMessageBytes: number;
  readonly onMessage: (message: JSONRPCMessage) => void;
  readonly onError: (error: Error) => void;
  readonly onWarning: (warning: string) => void;
  /** Answers a request of the server that cannot be handed on. */
  readonly reply: (message: JSONRPCMessage) => void;
}

/** What came in, and what of it was skipped. */
export interface InboundCounters {
  messages: number;
  /** Text, or JSON that is not JSON-RPC 2.0. */
  junkLines: number;
  /** Looked like a message, but was cut off or garbled. */
  brokenLines: number;
  batches: number;
  /** Answers to no call in flight: unknown, repeated, or later than the caller's patience. */
  unknownIds: number;
  oversizeLines: number;
  tooDeep: number;
}

/** A garbled copy of an answer may be a debug print; the real one follows at once or never. */
const brokenGraceMs = 500;
const quoteLength = 200;
/** How much of a line is searched for its id. */
const searchedLength = 4096;

export class InboundMessages {
  readonly counters: InboundCounters = {
    messages: 0,
    junkLines: 0,
    brokenLines: 0,
    batches: 0,
    unknownIds: 0,
    oversizeLines: 0,
    tooDeep: 0,
  };
  readonly #options: InboundOptions;
  readonly #reader: LineReader;
  /** Ids of our requests that wait for their answer. */
  readonly #inFlight = new Set<MessageId>();
  readonly #warned = new Set<string>();
  #firstJunk: string | null = null;
  /** The over-long line that is being thrown away has been attributed. */
  #oversizeSettled = false;
  #discarding = false;

  constructor(options: InboundOptions) {
    this.#options = options;
    this.#reader = new LineReader({
      clock: options.clock,
      onLine: (line) => this.#take(line),
      maxLineBytes: options.maxMessageBytes,
      onOversize: (line, ended) => this.#oversize(line, ended),
    });
  }

  /** The first text on stdout that was no message, shortened; for the diagnosis of a server that never speaks MCP. */
  get firstJunk(): string | null {
    return this.#firstJunk;
  }

  /** Reads until the end. Resolves when the last message has been handed on; never rejects. */
  read(stdout: Readable): Promise<void> {
    return this.#reader.read(stdout);
  }

  /** Takes note of a message of ours, so that its answer is known when it comes. */
  sent(message: JSONRPCMessage): void {
    if (!('method' in message)) return;
    if ('id' in message) this.#inFlight.add(message.id);
    else if (message.method === 'notifications/cancelled') this.#inFlight.delete(message.params?.requestId as MessageId);
  }

  /** From now on the output is read, so that the server does not block on it, and thrown away. */
  discard(): void {
    this.#discarding = true;
    this.#inFlight.clear();
    this.#reader.discard();
  }

  #take(line: string): 'notification' | undefined {
    const decoded = decodeLine(line);
    if (typeof decoded === 'string') {
      this.#skip(decoded, line);
      return undefined;
    }
    if (!Array.isArray(decoded)) return this.#receive(decoded as JSONRPCMessage);
    let kind: 'notification' | undefined;
    for (const message of decoded) kind = this.#receive(message) ?? kind;
    return kind;
  }

  #receive(message: JSONRPCMessage): 'notification' | undefined {
    this.counters.messages++;
    if ('method' in message) {
      this.#hand(message);
      return 'id' in message ? undefined : 'notification';
    }
    const answer = message as Answer;
    const id = this.#answered(answer);
    if (id === undefined) {
      this.counters.unknownIds++;
      return undefined;
    }
    const usable = wellFormed(id === answer.id ? answer : { ...answer, id });
    if (usable) this.#hand(usable);
    else this.#hand(failedAnswer(id, this.#protocolError('sent an answer with neither a result nor an error')));
    return undefined;
  }

  /** The call that is answered, which is then no longer in flight. */
  #answered({ id, error }: Answer): MessageId | undefined {
    if (typeof id === 'number') return this.#inFlight.delete(id) ? id : undefined;
    if (typeof id === 'string') {
      if (this.#inFlight.delete(id)) return id;
      return /^[0-9]{1,15}$/.test(id) && this.#inFlight.delete(Number(id)) ? Number(id) : undefined; // some servers make ids strings
    }
    // Without an id: a server that could not read the request says so like this.
    const only = typeof error === 'object' && error !== null ? this.#onlyCall() : undefined;
    if (only !== undefined) this.#inFlight.delete(only);
    return only;
  }

  #hand(message: JSONRPCMessage): void {
    try {
      this.#options.onMessage(message);
    } catch (error) {
      this.#options.onError(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #skip(kind: NotAMessage, line: string): void {
    const { server } = this.#options;
    switch (kind) {
      case 'blank':
        return;
      case 'junk':
      case 'invalid':
        this.counters.junkLines++;
        this.#firstJunk ??= line.slice(0, quoteLength);
        this.#warnOnce(
          'junk',
          `Server "${server}" writes to stdout what is no MCP message; its logs belong on stderr. First: ${this.#firstJunk}`,
        );
        return;
      case 'batch':
        this.counters.batches++;
        this.#warnOnce('batch', `Server "${server}" sends JSON-RPC batches, which MCP does not have; they are ignored`);
        return;
      case 'too-deep': {
        this.counters.tooDeep++;
        this.#fail(visible(line), this.#protocolError('sent a message nested deeper than 1000 levels'));
        return;
      }
      case 'broken': {
        this.counters.brokenLines++;
        this.#firstJunk ??= line.slice(0, quoteLength);
        this.#warnOnce(
          'broken',
          `Server "${server}" mixes other text into its messages on stdout; its logs belong on stderr. First: ${this.#firstJunk}`,
        );
        const { id, hasMethod } = visible(line.slice(Math.max(0, line.indexOf('{"jsonrpc"'))));
        if (id === undefined || hasMethod || !this.#inFlight.has(id)) return;
        const error = this.#protocolError('sent a garbled answer: other text is mixed into its messages on stdout');
        this.#options.clock.after(brokenGraceMs, () => this.#fail({ id, hasMethod }, error), { background: true });
      }
    }
  }

  #oversize({ head, tail, bytes }: OversizeLine, ended: boolean): void {
    const { server, maxMessageBytes } = this.#options;
    if (!ended) {
      this.counters.oversizeLines++;
      this.#oversizeSettled = false;
    }
    if (this.#oversizeSettled) return;
    const error = new McpctlError('TOO_LARGE', `Server "${server}" sent a message of more than ${maxMessageBytes} bytes`, {
      server,
      delivered: 'maybe',
      hint: `ask for less, or raise "maxMessageBytes" of ${server}`,
      details: { limitBytes: maxMessageBytes, ...(ended ? { bytes } : {}) },
    });
    const envelope = readEnvelope(head, tail);
    const only = envelope.id === undefined && !envelope.hasMethod ? this.#onlyCall() : undefined;
    this.#oversizeSettled = this.#fail(only === undefined ? envelope : { id: only, hasMethod: false }, error) || ended;
    if (ended && envelope.id === undefined && only === undefined)
      this.#warnOnce('oversize', `${error.message}, which was skipped`);
  }

  /** Ends the call that a lost message answers; a lost request of the server is refused. Returns whether it is known what was lost. */
  #fail({ id, hasMethod }: Envelope, error: McpctlError): boolean {
    if (hasMethod) {
      this.#warnOnce(error.code, error.message);
      if (id !== undefined) this.#options.reply({ jsonrpc: '2.0', id, error: { code: -32600, message: error.message } });
    } else if (id !== undefined && !this.#discarding) {
      if (this.#inFlight.delete(id)) this.#hand(failedAnswer(id, error));
      else this.counters.unknownIds++;
    }
    return hasMethod || id !== undefined;
  }

  #onlyCall(): MessageId | undefined {
    return this.#inFlight.size === 1 ? (this.#inFlight.values().next().value as MessageId) : undefined;
  }

  #protocolError(what: string): McpctlError {
    const { server } = this.#options;
    return new McpctlError('PROTOCOL', `Server "${server}" ${what}`, {
      server,
      delivered: 'maybe',
      hint: 'this is a fault of the server; look for a newer version of it',
    });
  }

  #warnOnce(kind: string, warning: string): void {
    if (this.#warned.has(kind)) return;
    this.#warned.add(kind);
    this.#options.onWarning(warning);
  }
}

const visible = (line: string): Envelope => readEnvelope(line.slice(0, searchedLength), line.slice(-searchedLength));
