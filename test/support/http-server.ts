/** A real HTTP server on 127.0.0.1 for one test, which knows its sockets and closes all of them. */
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';

export interface TestServer extends AsyncDisposable {
  readonly port: number;
  /** `http://127.0.0.1:<port>` without a slash at the end. */
  readonly url: string;
  /** The sockets that are open now. */
  readonly sockets: ReadonlySet<Socket>;
  /** How many connections were ever made. */
  readonly connections: number;
}

/** Serves HTTP on a free port. */
export function startHttpServer(
  listener: RequestListener,
  configure: (server: ReturnType<typeof createServer>) => void = () => {},
): Promise<TestServer> {
  const server = createServer(listener);
  configure(server);
  return listen(server, 'connection');
}

/** Serves raw TCP on a free port, for answers that no HTTP server would give. */
export function startTcpServer(onSocket: (socket: Socket) => void): Promise<TestServer> {
  return listen(createTcpServer(onSocket), 'connection');
}

/** Wraps any listening-capable server; `event` is where its raw sockets appear. */
export async function listen(server: Server, event: string, host = '127.0.0.1'): Promise<TestServer> {
  const sockets = new Set<Socket>();
  let connections = 0;
  server.on(event, (socket: Socket) => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    sockets,
    get connections() {
      return connections;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** The whole body of a request as text. */
export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** Answers with JSON and its length. */
export function sendJson(response: ServerResponse, value: unknown, status = 200): void {
  const text = JSON.stringify(value);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text);
}
