/** A server and its authorization server on one origin of 127.0.0.1, which answer whatever a test wants: wrong metadata, nothing, or far too much. */
import type { IncomingHttpHeaders, RequestListener, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { listen, readBody, sendJson, startHttpServer, type TestServer } from './http-server.js';

export type Answer =
  | { readonly json: unknown; readonly status?: number; readonly headers?: Readonly<Record<string, string>> }
  | { readonly text: string; readonly status?: number; readonly headers?: Readonly<Record<string, string>> }
  | { readonly location: string; readonly status?: number }
  /** Never answers. */
  | 'stall'
  /** Sends the beginning of an answer, and no end. */
  | 'half'
  /** Sends one gigabyte, or as much as is taken. */
  | 'huge'
  /** Closes the connection. */
  | 'reset';

export interface SeenRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface HostileServer extends TestServer {
  /** By path, without query; whatever is not here is 404. */
  readonly answers: Map<string, Answer>;
  readonly seen: readonly SeenRequest[];
  /** Metadata of an authorization server that is in order. */
  metadata(overrides?: Readonly<Record<string, unknown>>, issuer?: string): Record<string, unknown>;
  /** Answers as a server in order does, without registration; its address is `/mcp`. */
  behave(overrides?: Readonly<Record<string, unknown>>): void;
}

const resourcePath = '/.well-known/oauth-protected-resource';
const serverPath = '/.well-known/oauth-authorization-server';

/** @param options.tls key and certificate; then the origin is `https://<name>:<port>` */
export async function startHostileServer(
  options: { tls?: { key: string; cert: string; name: string } } = {},
): Promise<HostileServer> {
  const answers = new Map<string, Answer>();
  const seen: SeenRequest[] = [];
  const listener: RequestListener = async (request, response) => {
    const { method = '', url: path = '', headers } = request;
    const body = await readBody(request);
    seen.push({ method, path, headers, body });
    give(response, answers.get(path.split('?')[0]!));
  };
  const { tls } = options;
  const web = tls ? await listen(createServer(tls, listener), 'connection') : await startHttpServer(listener);
  const url = tls ? `https://${tls.name}:${web.port}` : web.url;
  const metadata: HostileServer['metadata'] = (overrides = {}, issuer = url) => ({
    issuer,
    authorization_endpoint: `${url}/authorize`,
    token_endpoint: `${url}/token`,
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
    ...overrides,
  });
  return {
    port: web.port,
    url,
    sockets: web.sockets,
    get connections() {
      return web.connections;
    },
    answers,
    seen,
    metadata,
    behave(overrides) {
      answers.set(`${resourcePath}/mcp`, { json: { resource: `${url}/mcp`, authorization_servers: [url] } });
      answers.set(serverPath, { json: metadata(overrides) });
    },
    [Symbol.asyncDispose]: () => web[Symbol.asyncDispose](),
  };
}

function give(response: ServerResponse, answer: Answer | undefined): void {
  if (answer === 'stall') return;
  if (answer === undefined) response.writeHead(404).end();
  else if (answer === 'half') response.writeHead(200, { 'content-type': 'application/json' }).write('{"issuer":');
  else if (answer === 'reset') response.socket?.destroy();
  else if (answer === 'huge') sendGigabyte(response.writeHead(200, { 'content-type': 'application/json' }));
  else if ('location' in answer) response.writeHead(answer.status ?? 302, { location: answer.location }).end();
  else {
    for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value);
    if ('text' in answer) response.writeHead(answer.status ?? 200).end(answer.text);
    else sendJson(response, answer.json, answer.status);
  }
}

function sendGigabyte(response: ServerResponse): void {
  const chunk = Buffer.alloc(64 * 1024, ' ');
  let left = 1024 ** 3 / chunk.length;
  const more = () => {
    while (left-- > 0 && !response.destroyed) if (!response.write(chunk)) return void response.once('drain', more);
    response.end();
  };
  more();
}
