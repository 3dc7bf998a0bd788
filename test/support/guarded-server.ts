/** An MCP server over HTTP that wants a bearer token, and remembers what it was sent. */
import { readBody, startHttpServer } from './http-server.js';

export interface GuardedServer extends AsyncDisposable {
  readonly url: string;
  /** The tokens that are let in; a test changes them. */
  readonly accepted: Set<string>;
  /** The Authorization header of every request so far, null where there was none. */
  readonly seen: (string | null)[];
}

export async function startGuardedServer(...tokens: string[]): Promise<GuardedServer> {
  const accepted = new Set(tokens);
  const seen: (string | null)[] = [];
  const web = await startHttpServer(async (request, response) => {
    const authorization = request.headers.authorization ?? null;
    seen.push(authorization);
    if (authorization === null || !accepted.has(authorization.replace('Bearer ', ''))) {
      // As a careless server does: it repeats what it was sent.
      response.writeHead(401, { 'www-authenticate': 'Bearer' }).end(`no entry for ${authorization}`);
      return;
    }
    if (request.method !== 'POST') return void response.writeHead(request.method === 'DELETE' ? 200 : 405).end();
    const message = JSON.parse((await readBody(request)).toString()) as { id?: number; method: string };
    if (message.id === undefined) return void response.writeHead(202).end();
    const result = results[message.method];
    const answer = result ? { result } : { error: { code: -32601, message: 'Method not found' } };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, ...answer }));
  });
  return {
    url: `${web.url}/mcp`,
    accepted,
    seen,
    [Symbol.asyncDispose]: () => web[Symbol.asyncDispose](),
  };
}

const results: Readonly<Record<string, object>> = {
  initialize: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'guarded', version: '1.0.0' } },
  'tools/list': { tools: [{ name: 'echo', inputSchema: { type: 'object' } }] },
  'tools/call': { content: [{ type: 'text', text: 'inside' }] },
  ping: {},
};
