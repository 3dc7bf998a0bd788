/** The address that the browser comes back to: a listener on 127.0.0.1 that lives as long as one login and believes nobody. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../core/clock.js';
import { McpctlError, rootMessage } from '../core/errors.js';
import { type ExpectedCallback, hasState, isAt } from './callback.js';

/** How long a person has for a login, in milliseconds. */
export const callbackLifeMs = 5 * 60_000;

/** How long a request's head may take; the browser sits on the same machine. In milliseconds. */
const headersMs = 5_000;
const maxSockets = 100;

export interface LoopbackOptions {
  readonly server: string;
  /** This port, or an error. */
  readonly port: number | null;
  /** This one where it is free, else any. */
  readonly preferredPort: number | null;
  readonly clock: Clock;
}

export interface Loopback extends AsyncDisposable {
  /** `http://127.0.0.1:<port>` */
  readonly origin: string;
  /**
   * The first request that belongs to the login; the port is closed with it. Whatever else comes is refused, and changes nothing.
   *
   * @throws McpctlError `TIMEOUT` after 5 minutes; `signal.reason`
   */
  receive(expected: Pick<ExpectedCallback, 'redirectUri' | 'state'>, signal: AbortSignal): Promise<URL>;
}

/**
 * Takes a port before anybody is sent to it. Never `localhost`: that name may lead elsewhere (RFC 8252, section 8.3).
 *
 * @throws McpctlError `AUTH_FAILED` when the port of the configuration is taken
 */
export async function openLoopback({ server, port, preferredPort, clock }: LoopbackOptions): Promise<Loopback> {
  let answer: (request: IncomingMessage, response: ServerResponse) => void = (_, response) => say(response, 404, pages.unknown);
  const web = createServer({ headersTimeout: headersMs, requestTimeout: headersMs }, (request, response) =>
    answer(request, response),
  );
  web.maxConnections = maxSockets;
  web.on('clientError', (_, socket) => socket.destroy());
  try {
    await listen(web, port ?? preferredPort ?? 0).catch((error: unknown) => {
      if (port !== null || preferredPort === null) throw error;
      return listen(web, 0);
    });
  } catch (error) {
    throw unavailable(server, port, error);
  }
  // An error of a socket is one client's trouble.
  web.on('error', () => {});
  const origin = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
  const host = origin.slice('http://'.length);
  const close = () => {
    web.close();
    web.closeAllConnections();
  };

  return {
    origin,
    receive: ({ redirectUri, state }, signal) =>
      new Promise((resolve, reject) => {
        const end = (settle: () => void) => {
          signal.removeEventListener('abort', onAbort);
          cancel();
          settle();
        };
        const onAbort = () => end(() => reject(signal.reason));
        const cancel = clock.after(callbackLifeMs, () => end(() => reject(tooLate(server))));
        if (signal.aborted) return onAbort();
        signal.addEventListener('abort', onAbort, { once: true });
        answer = (request, response) => {
          const hit = request.url?.startsWith('/') && !request.url.startsWith('//') ? new URL(origin + request.url) : undefined;
          const hosts = request.rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'host');
          if (hosts.length !== 1 || request.headers.host !== host || !hit) return say(response, 400, pages.refused);
          if (!isAt(hit, redirectUri)) return say(response, 404, pages.unknown);
          if (request.method !== 'GET') return say(response, 405, pages.refused);
          if (!hasState(hit, state)) return say(response, 400, pages.refused);
          answer = (_, late) => say(late, 404, pages.unknown);
          // Taken: nobody else gets in, and the browser keeps no socket to a program that ends soon.
          web.close();
          response.once('close', close);
          say(response, 200, pages.done);
          end(() => resolve(hit));
        };
      }),
    async [Symbol.asyncDispose]() {
      close();
    },
  };
}

function listen(web: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    web.once('error', reject);
    web.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      web.off('error', reject);
      resolve();
    });
  });
}

/** Nothing of a request is ever repeated: the pages are the same bytes for everybody. */
const pages = {
  done: page('mcpctl has got the answer', 'You can close this window. The terminal says how it went.'),
  refused: page('Not a login that mcpctl waits for', 'Nothing has happened. Use the address that the terminal shows.'),
  unknown: page('Nothing is here', 'Use the address that the terminal shows.'),
} as const;

function page(title: string, text: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>mcpctl</title><h1>${title}</h1><p>${text}</p></html>\n`;
}

function say(response: ServerResponse, status: number, text: string): void {
  response
    .writeHead(status, {
      'content-type': 'text/html; charset=utf-8',
      'content-length': Buffer.byteLength(text),
      'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
      connection: 'close',
    })
    .end(text);
}

function unavailable(server: string, port: number | null, error: unknown): McpctlError {
  if (port === null)
    return new McpctlError('AUTH_FAILED', `No port can be opened for the answer of the browser: ${rootMessage(error)}`, {
      server,
      cause: error,
      hint: `log in without one: mcpctl auth ${server} --start`,
      details: { reason: 'no-port' },
    });
  return new McpctlError(
    'AUTH_FAILED',
    `Port ${port}, which the login of "${server}" needs, cannot be used: ${rootMessage(error)}`,
    {
      server,
      cause: error,
      hint: 'end the program that listens there, or take another as oauth.callbackPort if the client may use one',
      details: { reason: 'port-taken', port },
    },
  );
}

function tooLate(server: string): McpctlError {
  return new McpctlError('TIMEOUT', `Nobody finished the login of "${server}" within ${callbackLifeMs / 60_000} minutes`, {
    server,
    hint: `to try again: mcpctl auth ${server}; to take longer: mcpctl auth ${server} --start`,
    details: { timeoutMs: callbackLifeMs },
  });
}
