/** A forward proxy on 127.0.0.1 that remembers what it saw: CONNECT, and requests with a whole URL; it refuses, hangs or hangs up on demand. */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { listen, type TestServer } from './http-server.js';

/** One request to the proxy. */
export interface ProxySight {
  readonly method: string;
  /** `host:port` of a CONNECT, else the whole URL. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** What the client sent through the tunnel so far, as Latin-1. */
  passed: string;
}

export interface ConnectProxyOptions {
  /** Where `host:port` really is: a port of this machine. What is not listed is answered with 502. */
  readonly routes?: Readonly<Record<string, number>>;
  /** Refuses with 407 whoever does not send exactly this. */
  readonly authorization?: string;
  /** Speaks TLS to its clients. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

export interface ConnectProxy extends TestServer {
  readonly seen: ProxySight[];
  /** What it does with the next requests: `work`, answer with a status, say nothing, hang up, or say what is no HTTP. */
  mode: 'work' | number | 'hang' | 'close' | 'garbage';
}

export async function startConnectProxy({ routes = {}, authorization, tls }: ConnectProxyOptions = {}): Promise<ConnectProxy> {
  const seen: ProxySight[] = [];
  const proxy = { seen, mode: 'work' as ConnectProxy['mode'] };

  /** Whether the request ends here, and how. */
  const refusal = ({ headers }: IncomingMessage, target: string): ConnectProxy['mode'] | undefined => {
    if (proxy.mode !== 'work') return proxy.mode;
    if (authorization !== undefined && headers['proxy-authorization'] !== authorization) return 407;
    return routes[target] === undefined ? 502 : undefined;
  };

  const onRequest = (message: IncomingMessage, response: ServerResponse) => {
    const { method = '', url = '', headers } = message;
    seen.push({ method, target: url, headers, passed: '' });
    const { hostname, port, pathname, search } = new URL(url);
    const why = refusal(message, `${hostname}:${port === '' ? 80 : port}`);
    if (why === 'hang') return;
    if (why === 'close' || why === 'garbage') return void message.socket.end(why === 'close' ? '' : 'hello\r\n\r\n');
    if (typeof why === 'number') return void response.writeHead(why).end('the proxy says no');
    const { 'proxy-authorization': _, ...forwarded } = headers;
    const onward = request({
      host: '127.0.0.1',
      port: routes[`${hostname}:${port === '' ? 80 : port}`],
      method,
      path: pathname + search,
      headers: forwarded,
    });
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    message.pipe(onward);
  };

  const onConnect = (message: IncomingMessage, client: Duplex) => {
    const sight: ProxySight = { method: 'CONNECT', target: message.url ?? '', headers: message.headers, passed: '' };
    seen.push(sight);
    client
      .on('error', () => {})
      .on('end', () => client.destroy())
      .resume();
    const why = refusal(message, sight.target);
    if (why === 'hang') return;
    if (why === 'close') return void client.end();
    if (why === 'garbage') return void client.end('hello\r\n\r\n');
    if (why !== undefined) return void client.end(`HTTP/1.1 ${why} No\r\ncontent-length: 17\r\n\r\nthe proxy says no`);
    const far: Socket = connect(routes[sight.target]!, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      client.on('data', (chunk: Buffer) => {
        sight.passed += chunk.toString('latin1');
      });
      client.pipe(far).pipe(client);
    });
    far.on('error', () => client.destroy());
    far.on('close', () => client.destroy());
    client.on('close', () => far.destroy());
  };

  const server = tls ? createTlsServer(tls, onRequest) : createServer(onRequest);
  server.on('connect', onConnect);
  server.on('clientError', (_error, socket) => socket.destroy());
  const listening = await listen(server, 'connection');
  return Object.defineProperties(proxy, {
    ...Object.getOwnPropertyDescriptors(listening),
    url: { value: tls ? listening.url.replace('http:', 'https:') : listening.url },
  }) as unknown as ConnectProxy;
}
