/** A `Response` over `node:http`: the same members as fetch's, without web streams until somebody touches `body`. */
import type { IncomingMessage } from 'node:http';
import type { ResponseBody } from './http-body.js';
import { ResponseHeaders } from './http-headers.js';

export interface HttpResponseInit {
  /** The URL that answered, after redirects, without its fragment. */
  readonly url: string;
  readonly redirected: boolean;
  /** `host:port`, for messages. */
  readonly host: string;
  /** A body that does not exist is `null` in `body` and empty everywhere else. */
  readonly hasBody: boolean;
}

export class HttpResponse implements Response {
  readonly type = 'basic';
  readonly status: number;
  readonly statusText: string;
  readonly ok: boolean;
  readonly url: string;
  readonly redirected: boolean;
  readonly headers: Headers;
  #bodyUsed = false;
  #stream: ReadableStream<Uint8Array> | undefined;

  constructor(
    private readonly message: IncomingMessage,
    private readonly source: ResponseBody,
    private readonly init: HttpResponseInit,
  ) {
    this.status = message.statusCode ?? 0;
    this.statusText = message.statusMessage ?? '';
    this.ok = this.status >= 200 && this.status <= 299;
    this.url = init.url;
    this.redirected = init.redirected;
    this.headers = new ResponseHeaders(message);
  }

  get bodyUsed(): boolean {
    return this.#bodyUsed || (this.#stream?.locked ?? false);
  }

  get body(): ReadableStream<Uint8Array> | null {
    if (!this.init.hasBody) return null;
    this.#stream ??= this.source.stream();
    return this.#stream;
  }

  async text(): Promise<string> {
    return decode(await this.#read());
  }

  /** @throws SyntaxError, as fetch does (the SDK looks for that name), without the body's text: it may hold secrets. */
  async json(): Promise<unknown> {
    const body = await this.#read();
    try {
      return JSON.parse(decode(body));
    } catch {
      throw new SyntaxError(`The answer of ${this.init.host} is not valid JSON (${body.length} bytes)`);
    }
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return new Uint8Array(await this.#read()).buffer;
  }

  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await this.#read());
  }

  async blob(): Promise<Blob> {
    return (await this.#standard()).blob();
  }

  async formData(): Promise<FormData> {
    return (await this.#standard()).formData();
  }

  /** @throws TypeError for an event stream, and for a body that has been touched: both halves could not be read fully. */
  clone(): HttpResponse {
    if (this.bodyUsed || this.#stream !== undefined) throw new TypeError('Response.clone: Body has already been consumed');
    if (this.source.isEventStream) throw new TypeError('Response.clone: an event stream cannot be cloned');
    return new HttpResponse(this.message, this.source, this.init);
  }

  async #read(): Promise<Buffer> {
    if (this.bodyUsed) throw new TypeError('Body is unusable: Body has already been read');
    this.#bodyUsed = true;
    return this.#stream === undefined ? this.source.collect() : collectStream(this.#stream);
  }

  async #standard(): Promise<Response> {
    return new Response(new Uint8Array(await this.#read()), { headers: new Headers([...this.headers]) });
  }
}

/** UTF-8 without its byte order mark, as fetch decodes. */
function decode(body: Buffer): string {
  const hasMark = body.length >= 3 && body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf;
  return body.toString('utf8', hasMark ? 3 : 0);
}

async function collectStream(stream: ReadableStream<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
