/** Hands one message to a collector over HTTP, and says what became of it. */

import type { Clock } from '../../core/clock.js';
import { McpctlError } from '../../core/errors.js';
import type { HttpFetch } from '../../io/http-fetch.js';
import { retryAfterMs } from '../../io/retry-after.js';
import type { TelemetryEnvironment } from '../telemetry.js';
import { toProtobuf } from './protobuf.js';
import type { Target } from './settings.js';

/** `never`: the collector does not take this message, however often it is sent. */
export type Delivered =
  | { readonly outcome: 'ok' }
  | { readonly outcome: 'later'; readonly why: string; readonly retryAfterMs?: number | undefined }
  | { readonly outcome: 'never'; readonly why: string };

/** Answers after which a message may be sent again (OTLP 1.x, "Retryable Response Codes"). */
const retryable: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** What a collector answers is not read; this much may come with its headers. In bytes. */
const maxAnswerBytes = 64 * 1024;

export class Delivery implements AsyncDisposable {
  readonly #target: Target;
  readonly #clock: Clock;
  readonly #env: TelemetryEnvironment;
  #http: Promise<HttpFetch> | undefined;

  constructor(target: Target, { clock, env }: { clock: Clock; env: TelemetryEnvironment }) {
    this.#target = target;
    this.#clock = clock;
    this.#env = env;
  }

  /** Where it goes, for a person: a path or query may hold a key. */
  get place(): string {
    return new URL(this.#target.url).origin;
  }

  /** Never rejects. */
  async post(message: object): Promise<Delivered> {
    const { url, headers, timeoutMs, encoding } = this.#target;
    const limit = new AbortController();
    const cancel = this.#clock.after(timeoutMs, () =>
      limit.abort(new McpctlError('TIMEOUT', `no answer within ${timeoutMs} ms`)),
    );
    try {
      // A single command sends when its answer is out, and only then needs what speaks HTTP.
      this.#http ??= this.#open();
      const { fetch } = await this.#http;
      const response = await fetch(url, {
        method: 'POST',
        headers: { ...headers, 'content-type': encoding === 'json' ? 'application/json' : 'application/x-protobuf' },
        body: encoding === 'json' ? JSON.stringify(message) : (toProtobuf(message) as Uint8Array<ArrayBuffer>),
        // The headers may say who we are: they are for this address alone.
        redirect: 'manual',
        signal: limit.signal,
      });
      // However long it is, the status says it all. That costs a new connection for the next message, a few seconds later.
      await response.body?.cancel().catch(() => {});
      if (response.ok) return { outcome: 'ok' };
      const why = `it answered with HTTP ${response.status}`;
      return retryable.has(response.status)
        ? { outcome: 'later', why, retryAfterMs: retryAfterMs(response.headers, this.#clock.date()) }
        : { outcome: 'never', why };
    } catch (error) {
      return { outcome: 'later', why: error instanceof Error ? error.message : String(error) };
    } finally {
      cancel();
    }
  }

  async #open(): Promise<HttpFetch> {
    const [{ createHttpFetch }, { privateAddressGuard }] = await Promise.all([
      import('../../io/http-fetch.js'),
      import('../../io/address-guard.js'),
    ]);
    const { url, timeoutMs } = this.#target;
    return createHttpFetch({
      maxBodyBytes: maxAnswerBytes,
      connectTimeoutMs: timeoutMs,
      addressGuard: privateAddressGuard({ allowPrivate: true, configuredHost: new URL(url).hostname }),
      env: this.#env,
      clock: this.#clock,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#http)?.[Symbol.asyncDispose]();
  }
}
