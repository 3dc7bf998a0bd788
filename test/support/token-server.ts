/** An authorization server that is nothing but its token endpoint, with rotation, reuse detection and every fault; and a server that it guards. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { OAuthCredential } from '../../src/auth/oauth.js';
import { readBody, sendJson, startHttpServer } from './http-server.js';

/** How the token endpoint behaves: properly, or as broken ones do. */
export type Mood = 'well' | 'error-500' | 'reset' | 'silent' | 'busy' | 'not-json' | 'unknown-client';

export interface TokenServer extends AsyncDisposable {
  readonly issuer: string;
  /** The MCP server: `read`, and `write`, for which the login never is enough. */
  readonly url: string;
  /** Requests to the token endpoint that were answered with tokens, and all of them. */
  readonly granted: number;
  readonly asked: number;
  /** What the token endpoint was sent, in order. */
  readonly bodies: readonly URLSearchParams[];
  readonly authorizations: readonly (string | undefined)[];
  /** What was revoked, by its `token_type_hint`. */
  readonly revoked: readonly string[];
  /** Every access token that was ever given. */
  readonly issued: ReadonlySet<string>;
  /** Authorization headers that the MCP server got, and the statuses that it answered. */
  readonly seen: readonly (string | null)[];
  readonly statuses: readonly number[];
  /** False once a spent refresh token came back: then every token of the login is worth nothing. */
  readonly isAlive: boolean;
  mood: Mood;
  /** Answers are this late; who has gone meanwhile changed nothing. */
  delayMs: number;
  /** Goes into the answer as it is; undefined = not at all. */
  expiresIn: unknown;
  /** Added to every answer, over what would be there. */
  extra: Readonly<Record<string, unknown>>;
  /** The MCP server takes no token any more that was given before; new ones it takes. */
  expire(): void;
  /** The MCP server takes no token at all. */
  refusesAll: boolean;
  /** The refresh token is worth nothing any more. */
  revokeLogin(): void;
  /** Called when a new token has been given, before the answer is sent. */
  onGrant: (() => void) | undefined;
  /** A login whose access token ends in `seconds`; null = it does not say. */
  login(seconds: number | null, more?: Partial<OAuthCredential>): OAuthCredential;
}

const secret = () => randomBytes(24).toString('base64url');

export async function startTokenServer(): Promise<TokenServer> {
  const bodies: URLSearchParams[] = [];
  const authorizations: (string | undefined)[] = [];
  const revoked: string[] = [];
  const seen: (string | null)[] = [];
  const statuses: number[] = [];
  const issued = new Set<string>();
  const accepted = new Set<string>();
  let refreshToken = '';
  let isAlive = true;
  let granted = 0;
  let asked = 0;

  const auth = await startHttpServer(async (request, response) => {
    const body = new URLSearchParams(await readBody(request));
    if (request.url === '/revoke') {
      revoked.push(body.get('token_type_hint') ?? '');
      if (rig.mood !== 'well') return void response.writeHead(503).end();
      return void response.writeHead(200).end();
    }
    asked++;
    bodies.push(body);
    authorizations.push(request.headers.authorization);
    if (rig.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, rig.delayMs));
    if (request.socket.destroyed) return;
    answer(request, response, body);
  });

  function answer(request: IncomingMessage, response: ServerResponse, body: URLSearchParams): void {
    // As a careless server does: it repeats what it was sent.
    const words = (error: string) => `${error} of ${body.get('refresh_token')}`;
    const refuse = (error: string, status = 400): void => sendJson(response, { error, error_description: words(error) }, status);
    switch (rig.mood) {
      case 'error-500':
        response.writeHead(500).end('oops');
        return;
      case 'reset':
        request.socket.destroy();
        return;
      case 'silent':
        return;
      case 'busy':
        return void response.writeHead(429, { 'retry-after': '3' }).end();
      case 'not-json':
        return void response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Welcome to the airport</h1>');
      case 'unknown-client':
        response.setHeader('www-authenticate', 'Basic realm="tokens"');
        refuse('invalid_client', 401);
        return;
    }
    if (body.get('grant_type') === 'refresh_token') {
      if (body.get('refresh_token') !== refreshToken || !isAlive) {
        // A spent one that comes back was stolen, or used twice: the whole login ends.
        isAlive = false;
        accepted.clear();
        refuse('invalid_grant');
        return;
      }
      refreshToken = secret();
    }
    const token = secret();
    issued.add(token);
    accepted.add(token);
    granted++;
    rig.onGrant?.();
    const isMachine = body.get('grant_type') === 'client_credentials';
    sendJson(response, {
      access_token: token,
      token_type: 'Bearer',
      ...(isMachine ? {} : { refresh_token: refreshToken }),
      ...(rig.expiresIn === undefined ? {} : { expires_in: rig.expiresIn }),
      ...rig.extra,
    });
  }

  const mcp = await startHttpServer(async (request, response) => {
    const authorization = request.headers.authorization ?? null;
    const text = request.method === 'POST' ? await readBody(request) : '';
    seen.push(authorization);
    const refuse = (status: number, challenge: string) => {
      statuses.push(status);
      response.writeHead(status, { 'www-authenticate': challenge }).end('no');
    };
    if (rig.refusesAll || !accepted.has(authorization?.replace('Bearer ', '') ?? ''))
      return refuse(401, 'Bearer error="invalid_token"');
    if (request.method !== 'POST') return void response.writeHead(request.method === 'DELETE' ? 200 : 405).end();
    const message = JSON.parse(text) as { id?: number; method: string; params?: { name?: string } };
    if (message.params?.name === 'write') return refuse(403, 'Bearer error="insufficient_scope", scope="mcp:write mcp:read"');
    if (message.params?.name === 'forbidden') return refuse(403, 'Bearer realm="x"');
    statuses.push(200);
    if (message.id === undefined) return void response.writeHead(202).end();
    const result = results[message.method];
    sendJson(response, {
      jsonrpc: '2.0',
      id: message.id,
      ...(result ? { result } : { error: { code: -32601, message: 'Method not found' } }),
    });
  });

  const rig: TokenServer = {
    issuer: auth.url,
    url: `${mcp.url}/mcp`,
    get granted() {
      return granted;
    },
    get asked() {
      return asked;
    },
    bodies,
    issued,
    authorizations,
    revoked,
    seen,
    statuses,
    get isAlive() {
      return isAlive;
    },
    mood: 'well',
    delayMs: 0,
    expiresIn: 3600,
    extra: {},
    expire: () => accepted.clear(),
    refusesAll: false,
    revokeLogin: () => {
      refreshToken = secret();
    },
    onGrant: undefined,
    login: (seconds, more = {}) => {
      refreshToken = secret();
      isAlive = true;
      const accessToken = secret();
      issued.add(accessToken);
      if (seconds === null || seconds > 0) accepted.add(accessToken);
      const issuedMs = Date.now() - 3_600_000;
      return {
        kind: 'oauth',
        grant: 'authorization_code',
        issuer: auth.url,
        client: {
          source: 'dcr',
          clientId: 'client-1',
          clientSecret: null,
          authMethod: 'none',
          redirectUri: null,
          secretExpiresAt: null,
        },
        tokenEndpoint: `${auth.url}/token`,
        revocationEndpoint: `${auth.url}/revoke`,
        resource: `${mcp.url}/mcp`,
        accessToken,
        refreshToken,
        scopes: ['mcp:read'],
        issuedAt: new Date(issuedMs).toISOString(),
        expiresAt: seconds === null ? null : new Date(Date.now() + seconds * 1000).toISOString(),
        generation: secret(),
        ...more,
      };
    },
    async [Symbol.asyncDispose]() {
      await auth[Symbol.asyncDispose]();
      await mcp[Symbol.asyncDispose]();
    },
  };
  return rig;
}

const inputSchema = { type: 'object' };
const results: Readonly<Record<string, object>> = {
  initialize: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'protected', version: '1.0.0' } },
  'tools/list': { tools: ['read', 'write', 'forbidden'].map((name) => ({ name, inputSchema })) },
  'tools/call': { content: [{ type: 'text', text: 'inside' }] },
  ping: {},
};
