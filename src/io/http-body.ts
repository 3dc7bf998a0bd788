/** The body of one response: collected into one buffer, or handed on as it comes; bounded either way. */
import type { IncomingMessage } from 'node:http';
import { type ByteFlow, type ByteSink, type Encoding, startFlow } from './http-decode.js';
import { EventLimit } from './http-event-limit.js';

export interface ResponseBodyOptions {
  readonly encoding: Encoding;
  /** Most bytes of a collected body, or of one event of a stream, decompressed. */
  readonly maxBytes: number;
  /** A collected body over `maxBytes` is cut there instead of failing: enough for the text of an error. */
  readonly truncate: boolean;
  /** Nobody wants this body: it is let go by, and reads as empty once it is over or given up. */
  readonly discard?: boolean;
  /** Waits for its reader and is limited event by event. Anything else is collected at once, which frees the socket. */
  readonly isEventStream: boolean;
  readonly owner: BodyOwner;
}

/** The exchange that a body belongs to. */
export interface BodyOwner {
  /** The error that a reader gets for what the connection or decompression raised. */
  explain(error: unknown): unknown;
  tooLarge(what: 'answer' | 'event'): unknown;
  /** Called once, when no more bytes come for whatever reason. */
  bodyDone(): void;
}

interface Waiting {
  resolve(body: Buffer): void;
  reject(error: unknown): void;
}

type State =
  | { status: 'idle' }
  | { status: 'collecting'; chunks: Buffer[]; bytes: number; waiting: Waiting[] }
  | { status: 'streaming'; controller: ReadableStreamDefaultController<Uint8Array>; limit: EventLimit }
  | { status: 'done'; body: Buffer }
  | { status: 'streamed' }
  | { status: 'failed'; error: unknown };

const empty = Buffer.alloc(0);

export class ResponseBody implements ByteSink {
  #state: State = { status: 'idle' };
  #flow: ByteFlow | undefined;

  constructor(
    private readonly message: IncomingMessage,
    private readonly options: ResponseBodyOptions,
  ) {
    if (!options.isEventStream) {
      const announced = options.encoding === 'identity' ? Number(message.headers['content-length']) : Number.NaN;
      if (announced > options.maxBytes && !options.truncate) this.#over('answer');
      else this.#collect();
    }
  }

  get isEventStream(): boolean {
    return this.options.isEventStream;
  }

  /** The whole body. @throws what the owner's `explain` or `tooLarge` gave, or the reason of {@link abort}. */
  collect(): Promise<Buffer> {
    if (this.#state.status === 'idle') this.#collect();
    const state = this.#state;
    switch (state.status) {
      case 'done':
        return Promise.resolve(state.body);
      case 'failed':
        return Promise.reject(state.error);
      case 'collecting':
        return new Promise((resolve, reject) => state.waiting.push({ resolve, reject }));
      default:
        return Promise.reject(new TypeError('the body is already being read as a stream'));
    }
  }

  /** The body as a web stream. An event stream arrives as it comes and is held back by a slow reader. */
  stream(): ReadableStream<Uint8Array> {
    if (this.#state.status !== 'idle') return this.#streamOfCollected();
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#state = { status: 'streaming', controller, limit: new EventLimit(this.options.maxBytes) };
        this.#flow = startFlow(this.message, this.options.encoding, this);
      },
      pull: () => this.#flow?.resume(),
      cancel: () => this.#settle({ status: 'streamed' }),
    });
  }

  /** Ends the body with `reason`: its reader fails at once, the socket closes. Nothing happens once it is over. */
  abort(reason: unknown): void {
    const state = this.#state;
    if (state.status === 'done' || state.status === 'streamed' || state.status === 'failed') return;
    this.#settle({ status: 'failed', error: reason });
    if (state.status === 'collecting') for (const waiting of state.waiting) waiting.reject(reason);
    if (state.status === 'streaming') state.controller.error(reason);
  }

  data(chunk: Buffer): void {
    const state = this.#state;
    if (state.status === 'collecting') {
      const room = this.options.maxBytes - state.bytes;
      if (chunk.length > room) {
        if (this.options.truncate) this.#finish(state, this.options.discard ? empty : chunk.subarray(0, room));
        else this.#over('answer');
        return;
      }
      state.bytes += chunk.length;
      if (!this.options.discard) state.chunks.push(chunk);
    } else if (state.status === 'streaming') {
      if (!state.limit.accept(chunk)) {
        this.#over('event');
        return;
      }
      state.controller.enqueue(chunk);
      if ((state.controller.desiredSize ?? 0) <= 0) this.#flow?.pause();
    }
  }

  end(): void {
    const state = this.#state;
    if (state.status === 'collecting') this.#finish(state);
    if (state.status === 'streaming') {
      this.#state = { status: 'streamed' };
      state.controller.close();
      this.options.owner.bodyDone();
    }
  }

  fail(error: unknown): void {
    if (this.options.discard) this.giveUp();
    else this.abort(this.options.owner.explain(error));
  }

  /** Waits no longer for the end of a body that is being collected: what has come is all of it. */
  giveUp(): void {
    if (this.#state.status === 'collecting') this.#finish(this.#state, empty);
  }

  #collect(): void {
    this.#state = { status: 'collecting', chunks: [], bytes: 0, waiting: [] };
    this.#flow = startFlow(this.message, this.options.encoding, this);
  }

  /** @param cut the last bytes that still fit; what would follow is given up. */
  #finish({ chunks, waiting }: Extract<State, { status: 'collecting' }>, cut?: Buffer): void {
    if (cut !== undefined) chunks.push(cut);
    const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
    if (cut !== undefined) this.#settle({ status: 'done', body });
    else {
      this.#state = { status: 'done', body };
      this.options.owner.bodyDone();
    }
    for (const { resolve } of waiting) resolve(body);
  }

  #over(what: 'answer' | 'event'): void {
    this.abort(this.options.owner.tooLarge(what));
  }

  /** Ends before the body's own end: the rest of it cannot be skipped on a kept connection, so the socket goes. */
  #settle(state: State): void {
    this.#state = state;
    if (this.#flow === undefined) {
      this.message.on('error', () => {});
      this.message.destroy();
    } else this.#flow.destroy();
    this.options.owner.bodyDone();
  }

  #streamOfCollected(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const body = await this.collect();
        if (body.length > 0) controller.enqueue(body);
        controller.close();
      },
      cancel: () => this.abort(new TypeError('the body was cancelled')),
    });
  }
}
