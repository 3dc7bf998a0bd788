/** Figures and health over HTTP: `/metrics`, `/health`, `/health/live`, `/health/ready`. Reads only, for this machine unless there is a token. */

import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isLoopback, type MetricsOptions } from '../config/metrics-endpoint.js';
import { McpctlError, rootMessage } from '../core/errors.js';
import type { Redactor } from '../core/redact.js';
import { toSafeJson } from '../core/sanitize.js';
import { contentType } from '../observe/exposition.js';
import type { Observation } from '../observe/observation.js';

export interface HttpEndpointOptions {
  readonly options: MetricsOptions;
  /** Told where the endpoint is. */
  readonly observation: Pick<Observation, 'exposition' | 'health' | 'endpoint'>;
  readonly redactor: Pick<Redactor, 'redact' | 'redactData'>;
}

/** A client is one that reads a few kilobytes now and then. */
const bounds = { headersTimeout: 5_000, requestTimeout: 10_000, maxHeaderSize: 8 * 1024 } as const;
const maxConnections = 64;
/** A connection on which nothing moves is one whose client does not read: it may not keep the place of others. In milliseconds. */
const stalledMs = 5_000;

interface Answer {
  readonly status: number;
  readonly type?: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export class HttpEndpoint implements AsyncDisposable {
  readonly #server: Server;
  readonly #options: HttpEndpointOptions;
  readonly #token: Buffer | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: HttpEndpointOptions) {
    this.#options = options;
    const { token } = options.options;
    this.#token = token === null ? undefined : digest(token);
    this.#server = createServer({ ...bounds }, (request, response) => void this.#serve(request, response));
    this.#server.maxConnections = maxConnections;
    this.#server.timeout = stalledMs;
    // Or thousands of requests in one packet would all be answered.
    this.#server.maxRequestsPerSocket = 1;
  }

  /**
   * Listens.
   *
   * @throws McpctlError `CONFIG_INVALID` when that is not allowed, `UNAVAILABLE` when it cannot be done (the port is taken)
   */
  static async open(options: HttpEndpointOptions): Promise<HttpEndpoint> {
    const { host, port, token, problem } = options.options;
    if (problem) throw problem;
    if (token === null && !isLoopback(host)) throw openToAll(host);
    const endpoint = new HttpEndpoint(options);
    await new Promise<void>((resolve, reject) => {
      endpoint.#server.once('error', (error: NodeJS.ErrnoException) => reject(cannotListen(error, host, port)));
      endpoint.#server.listen(port, host, resolve);
    });
    endpoint.#server.removeAllListeners('error').on('error', () => {});
    // A name means what the machine says that it means.
    if (token === null && !isLoopback(endpoint.#address.address)) {
      await endpoint[Symbol.asyncDispose]();
      throw openToAll(host);
    }
    options.observation.endpoint = endpoint.url;
    return endpoint;
  }

  /** Without a path. */
  get url(): string {
    const { address, port, family } = this.#address;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  get #address(): AddressInfo {
    return this.#server.address() as AddressInfo;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume();
    let answer: Answer;
    try {
      answer = this.#refusal(request) ?? (await this.#answer(request));
    } catch (error) {
      answer = problem(500, this.#options.redactor.redact(rootMessage(error)).slice(0, 200));
    }
    const { status, type = 'application/json; charset=utf-8', body, headers } = answer;
    response.writeHead(status, {
      'content-type': type,
      'content-length': Buffer.byteLength(body),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'",
      connection: 'close',
      ...headers,
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  /** Who may not ask, or not like that. A page in a browser must not read what is here, whatever name it found for this machine. */
  #refusal({ method, url = '', headers, rawHeaders }: IncomingMessage): Answer | undefined {
    const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host');
    if (hosts.length !== 1) return problem(400, 'one Host header is needed');
    if (!url.startsWith('/')) return problem(400, 'the target has to be a path');
    if (headers.origin !== undefined) return problem(403, 'not for pages in a browser');
    if (headers['sec-fetch-site'] === 'cross-site' || headers['sec-fetch-site'] === 'same-site')
      return problem(403, 'not for pages in a browser');
    if (!this.#isOurs(headers.host!)) return problem(403, 'this Host is not known here');
    if (this.#token && !this.#isToken(headers.authorization))
      return { ...problem(401, 'a token is needed'), headers: { 'www-authenticate': 'Bearer realm="mcpctl"' } };
    if (method !== 'GET' && method !== 'HEAD') return { ...problem(405, 'only GET and HEAD'), headers: { allow: 'GET, HEAD' } };
    return undefined;
  }

  /** On an address that other machines reach, the token decides: it is known there by many names. */
  #isOurs(host: string): boolean {
    const name = /^(?<name>\[[\da-f:.]+\]|[\w.-]+)(?::\d{1,5})?$/i.exec(host)?.groups?.name?.toLowerCase();
    if (name === undefined) return false;
    if (!isLoopback(this.#address.address)) return true;
    return isLoopback(name.replace(/^\[(.*)\]$/, '$1'));
  }

  #isToken(header: string | undefined): boolean {
    const given = /^Bearer +(.+)$/i.exec(header ?? '')?.[1];
    return given !== undefined && timingSafeEqual(digest(given), this.#token!);
  }

  async #answer({ url = '' }: IncomingMessage): Promise<Answer> {
    const { observation, redactor } = this.#options;
    const health = async () => redactor.redactData(await observation.health());
    switch (url.split('?')[0]) {
      case '/metrics':
        return { status: 200, type: contentType, body: await observation.exposition() };
      case '/health/live':
        return json(200, { status: 'alive' });
      case '/health/ready': {
        const { ready, status } = await health();
        return json(ready ? 200 : 503, { ready, status });
      }
      case '/health': {
        const report = await health();
        return json(report.status === 'unhealthy' ? 503 : 200, report);
      }
      default:
        return problem(404, 'there are /metrics, /health, /health/live and /health/ready');
    }
  }

  /** Safe to call twice. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
    return this.#closing;
  }
}

const digest = (text: string) => createHash('sha256').update(text).digest();
const json = (status: number, body: unknown): Answer => ({ status, body: `${toSafeJson(body, 2)}\n` });
const problem = (status: number, message: string): Answer => json(status, { error: message });

function openToAll(host: string): McpctlError {
  return new McpctlError('CONFIG_INVALID', `metrics.host ${host} can be reached from other machines, and there is no token`, {
    hint: 'set "token" in "metrics", or take "host" out',
  });
}

function cannotListen(error: NodeJS.ErrnoException, host: string, port: number): McpctlError {
  const where = `${host}:${port}`;
  const what =
    error.code === 'EADDRINUSE'
      ? `${where} is taken by another program`
      : error.code === 'EACCES'
        ? `${where} may not be used by this user`
        : `cannot listen on ${where}: ${rootMessage(error)}`;
  return new McpctlError('UNAVAILABLE', `Figures and health cannot be offered: ${what}`, {
    cause: error,
    hint: 'choose another "port" in "metrics" of the configuration, or "enabled": false',
    details: { host, port, code: error.code ?? null },
  });
}
