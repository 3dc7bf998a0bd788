/** A real authorization server (oidc-provider) and an MCP server that trusts nobody else, on two ports, with everything counted. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { fileURLToPath } from 'node:url';
import type { ClientMetadata, Configuration, default as ProviderClass } from 'oidc-provider';
import { visit } from '../fixtures/browser.mjs';
import { readBody, sendJson, startHttpServer } from './http-server.js';

/** A value for `$BROWSER`: a program that goes through the login by itself and ends at the callback. */
export const scriptedBrowser = fileURLToPath(new URL('../fixtures/browser.mjs', import.meta.url));

export interface OAuthRigOptions {
  /** Beside those that register themselves. */
  readonly clients?: readonly ClientMetadata[];
  /** Without it nobody can register. Default true. */
  readonly registers?: boolean;
  /** Changes what the metadata documents of the authorization server say. */
  readonly metadata?: (document: Record<string, unknown>) => Record<string, unknown>;
  readonly provider?: Configuration;
}

export interface TokenRequest {
  readonly grant: string;
  /** As it was sent. */
  readonly body: URLSearchParams;
  readonly status: number;
}

export interface OAuthRig extends AsyncDisposable {
  readonly issuer: string;
  /** The MCP server: tools `read` (scope mcp:read) and `write` (needs mcp:write). */
  readonly url: string;
  readonly provider: ProviderClass;
  /** Of the token endpoint, in the order of their answers. */
  readonly tokenRequests: readonly TokenRequest[];
  /** Requests to the authorization server: `POST /reg`. */
  readonly requests: readonly string[];
  /** Requests to the MCP server that were let in, by their method, and those that were not: `401`, `403`. */
  readonly served: readonly string[];
  /** Authorization headers that the MCP server got. */
  readonly tokensSeen: readonly (string | null)[];
  /** Of the access tokens that are given from now on, in seconds. Default 3600. */
  accessTokenSeconds: number;
  /** Every access token so far counts as expired. */
  expireTokens(): void;
  /** Answers the next token requests in its own way; true = it has answered. */
  intercept: ((request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>) | undefined;
  /** What the person says to the next logins; `deny` is an `access_denied`. Default `agree`. */
  person: 'agree' | 'deny';
  /** Goes through a login up to the callback, without going there. @returns the callback URL */
  approve(authorizationUrl: string): Promise<string>;
  /** Enters a user code, or opens the complete address of a device login. */
  approveDevice(verificationUrl: string): Promise<string>;
}

const scopes = ['mcp:read', 'mcp:write'];

export async function startOAuthRig(options: OAuthRigOptions = {}): Promise<OAuthRig> {
  const show = (ctx: { body: unknown }, page: string) => {
    ctx.body = page;
  };
  const tokenRequests: TokenRequest[] = [];
  const requests: string[] = [];
  const served: string[] = [];
  const tokensSeen: (string | null)[] = [];
  const given = new Set<string>();
  const expired = new Set<string>();
  const rig: Pick<OAuthRig, 'accessTokenSeconds' | 'intercept' | 'person'> = {
    accessTokenSeconds: 3600,
    intercept: undefined,
    person: 'agree',
  };

  let answerAuth: (request: IncomingMessage, response: ServerResponse) => unknown = () => {};
  const authWeb = await startHttpServer((request, response) => void answerAuth(request, response));
  let answerMcp: typeof answerAuth = () => {};
  const mcpWeb = await startHttpServer((request, response) => void answerMcp(request, response));
  const issuer = authWeb.url;
  const resource = `${mcpWeb.url}/mcp`;

  const provider = await quietly(async () => {
    const { default: Provider } = await import('oidc-provider');
    return new Provider(issuer, {
      clients: [...(options.clients ?? [])],
      scopes: ['openid', 'offline_access', ...scopes],
      pkce: { required: () => true },
      rotateRefreshToken: true,
      issueRefreshToken: async (_, client) => client.grantTypeAllowed('refresh_token'),
      findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
      interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
      cookies: { keys: ['a key of the tests'] },
      ttl: {
        AccessToken: () => rig.accessTokenSeconds,
        ClientCredentials: () => rig.accessTokenSeconds,
        IdToken: 3600,
        RefreshToken: 3600,
        Grant: 3600,
        Session: 3600,
        Interaction: 600,
        DeviceCode: 600,
      },
      features: {
        devInteractions: { enabled: false },
        registration: { enabled: options.registers ?? true },
        revocation: { enabled: true },
        introspection: { enabled: true },
        clientCredentials: { enabled: true },
        deviceFlow: {
          enabled: true,
          userCodeInputSource: show,
          userCodeConfirmSource: show,
          successSource: (ctx) => show(ctx, 'done'),
        },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => resource,
          useGrantedResource: () => true,
          getResourceServerInfo: () => ({
            scope: scopes.join(' '),
            audience: resource,
            accessTokenFormat: 'opaque' as const,
            accessTokenTTL: rig.accessTokenSeconds,
          }),
        },
      },
      ...options.provider,
    });
  });
  const answered = (status: number) => (ctx: { oidc: { body?: unknown } }) => {
    const body = new URLSearchParams(ctx.oidc.body as Record<string, string> | undefined);
    tokenRequests.push({ grant: body.get('grant_type') ?? '', body, status });
  };
  provider.on('access_token.saved', ({ jti }) => given.add(jti));
  provider.on('client_credentials.saved', ({ jti }) => given.add(jti));
  provider.on('grant.success', answered(200));
  provider.on('grant.error', answered(400));
  const callback = provider.callback();

  answerAuth = async (request, response) => {
    const path = new URL(request.url ?? '/', issuer).pathname;
    requests.push(`${request.method} ${path}`);
    if (path.startsWith('/interaction/')) return interact(request, response);
    if (path.startsWith('/.well-known/') && options.metadata) return describe(response, options.metadata);
    if (path !== '/token') return callback(request, response);
    if (rig.intercept && (await rig.intercept(request, response))) return;
    return callback(request, response);
  };

  /** The person in front of the browser: logs in and agrees, or does not. */
  async function interact(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { prompt, params, session } = await provider.interactionDetails(request, response);
    if (rig.person === 'deny') {
      const refusal = { error: 'access_denied', error_description: 'the person said no' };
      return provider.interactionFinished(request, response, refusal);
    }
    if (prompt.name === 'login') return provider.interactionFinished(request, response, { login: { accountId: 'alice' } });
    const grant = new provider.Grant({ accountId: session!.accountId, clientId: String(params.client_id) });
    grant.addOIDCScope(String(params.scope ?? ''));
    for (const scope of scopes) grant.addResourceScope(resource, scope);
    const granted = String(params.scope ?? '').split(' ');
    for (const scope of scopes) if (!granted.includes(scope)) grant.rejectResourceScope(resource, scope);
    const grantId = await grant.save();
    return provider.interactionFinished(request, response, { consent: { grantId } }, { mergeWithLastSubmission: true });
  }

  async function describe(response: ServerResponse, change: NonNullable<OAuthRigOptions['metadata']>): Promise<void> {
    const inner = await startHttpServer(callback);
    const text = await fetch(`${inner.url}/.well-known/openid-configuration`, { headers: { host: authWeb.url.slice(7) } }).then(
      (answer) => answer.text(),
    );
    await inner[Symbol.asyncDispose]();
    sendJson(response, change(JSON.parse(text.replaceAll(inner.url, issuer)) as Record<string, unknown>));
  }

  answerMcp = async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', mcpWeb.url);
    const described = '/.well-known/oauth-protected-resource';
    if (pathname === `${described}/mcp`) {
      return sendJson(response, { resource, authorization_servers: [issuer], scopes_supported: scopes });
    }
    if (pathname !== '/mcp') return void response.writeHead(404).end();
    const authorization = request.headers.authorization ?? null;
    tokensSeen.push(authorization);
    const hint = `resource_metadata="${mcpWeb.url}${described}/mcp"`;
    const refuse = (status: 401 | 403, challenge: string) => {
      served.push(String(status));
      response.writeHead(status, { 'www-authenticate': `Bearer ${challenge}` }).end();
    };
    const body = request.method === 'POST' ? await readBody(request) : '';
    const token = await provider.AccessToken.find(authorization?.replace(/^Bearer /, '') ?? '');
    const machine = token ?? (await provider.ClientCredentials.find(authorization?.replace(/^Bearer /, '') ?? ''));
    const isGood = machine && !machine.isExpired && !expired.has(machine.jti) && [machine.aud].flat().includes(resource);
    if (!isGood) {
      const reason = authorization === null ? '' : 'error="invalid_token", ';
      return refuse(401, `${reason}${hint}, scope="mcp:read"`);
    }
    if (request.method !== 'POST') return void response.writeHead(request.method === 'DELETE' ? 200 : 405).end();
    const message = JSON.parse(body) as { id?: number; method: string; params?: { name?: string } };
    const needed = message.params?.name === 'write' ? 'mcp:write' : 'mcp:read';
    if (message.method === 'tools/call' && !(machine.scope ?? '').split(' ').includes(needed)) {
      return refuse(403, `error="insufficient_scope", scope="${needed}", ${hint}`);
    }
    if (message.id === undefined) return void response.writeHead(202).end();
    served.push(message.method);
    const result = results[message.method];
    const answer = result ? { result } : { error: { code: -32601, message: 'Method not found' } };
    sendJson(response, { jsonrpc: '2.0', id: message.id, ...answer });
  };

  return Object.assign(rig, {
    issuer,
    url: resource,
    provider,
    tokenRequests,
    requests,
    served,
    tokensSeen,
    expireTokens() {
      for (const id of given) expired.add(id);
    },
    async approve(authorizationUrl: string) {
      const wanted = new URL(authorizationUrl).searchParams.get('redirect_uri') ?? '';
      return (await visit(authorizationUrl, { stopAt: (url) => url.href.startsWith(wanted) })).url;
    },
    async approveDevice(verificationUrl: string) {
      return (await visit(verificationUrl)).text;
    },
    async [Symbol.asyncDispose]() {
      await authWeb[Symbol.asyncDispose]();
      await mcpWeb[Symbol.asyncDispose]();
    },
  });
}

/** The library tells on the console what it thinks of the machine; that is not the output of a test. */
async function quietly<T>(make: () => Promise<T>): Promise<T> {
  const { info, warn } = console;
  console.info = () => {};
  console.warn = () => {};
  try {
    return await make();
  } finally {
    console.info = info;
    console.warn = warn;
  }
}

const anyInput = { type: 'object' };
const results: Readonly<Record<string, object>> = {
  initialize: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'protected', version: '1.0.0' } },
  'tools/list': {
    tools: [
      { name: 'read', inputSchema: anyInput },
      { name: 'write', inputSchema: anyInput },
    ],
  },
  'tools/call': { content: [{ type: 'text', text: 'inside' }] },
  ping: {},
};
