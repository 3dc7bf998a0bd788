/** Secrets of logins appear in no output and in no file but the encrypted one, whatever a careless authorization server repeats of them. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readBody, sendJson, startHttpServer, type TestServer } from '../support/http-server.js';
import { scriptedBrowser } from '../support/oauth-rig.js';
import { runCli } from '../support/run-cli.js';
import type { TempHome } from '../support/temp-home.js';
import { homeWith } from './kit.js';

const given = {
  access: 'cnry-access-Zq7.x9',
  refresh: 'cnry-refresh-Zq7.x9',
  identity: 'cnry-identity-Zq7.x9',
  clientSecret: 'cnry-clientsecret-Zq7.x9',
  staticSecret: 'cnry-staticsecret-Zq7.x9',
  code: 'cnry-code-Zq7.x9',
  deviceCode: 'cnry-devicecode-Zq7.x9',
  saved: 'cnry-saved-Zq7.x9',
};

/** Also those that mcpctl made itself: the verifiers that the server was sent. */
const made = new Set<string>();

function hits(text: string): string[] {
  const forms = (secret: string) => [
    secret,
    Buffer.from(secret).toString('base64').replace(/=+$/, ''),
    Buffer.from(secret).toString('base64url'),
    Buffer.from(secret).toString('hex'),
    encodeURIComponent(secret),
  ];
  const all = [...Object.entries(given), ...[...made].map((secret) => ['verifier', secret] as const)];
  return all.filter(([, secret]) => forms(secret).some((form) => text.includes(form))).map(([name]) => name);
}

type Mood = 'fine' | 'repeats' | 'malformed' | 'half' | 'html';

/** Gives logins, and says in each of its errors all that it has just been told. */
async function startCareless(): Promise<TestServer & { mood: Mood; refuses: boolean; seconds: number; heard: string[] }> {
  const web = await startHttpServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://x');
    const body = await readBody(request);
    const verifier = new URLSearchParams(body).get('code_verifier');
    if (verifier) made.add(verifier);
    careless.heard.push(`${request.method} ${url.pathname} ${request.headers.authorization ?? ''} ${body}`);
    const said = `${body} ${request.headers.authorization ?? ''} ${url.search}`;
    const origin = `http://${request.headers.host}`;
    if (url.pathname.startsWith('/.well-known/oauth-protected-resource'))
      return sendJson(response, { resource: `${origin}/mcp`, authorization_servers: [origin], scopes_supported: ['a'] });
    if (url.pathname.startsWith('/.well-known/'))
      return sendJson(response, {
        issuer: origin,
        authorization_endpoint: `${origin}/authorize`,
        token_endpoint: `${origin}/token`,
        registration_endpoint: `${origin}/register`,
        revocation_endpoint: `${origin}/revoke`,
        device_authorization_endpoint: `${origin}/device`,
        response_types_supported: ['code'],
        grant_types_supported: ['authorization_code', 'refresh_token'],
        code_challenge_methods_supported: ['S256'],
        token_endpoint_auth_methods_supported: ['client_secret_post'],
      });
    if (url.pathname === '/register')
      return sendJson(response, { ...JSON.parse(body), client_id: 'id', client_secret: given.clientSecret }, 201);
    if (url.pathname === '/authorize') {
      const back = new URL(url.searchParams.get('redirect_uri') ?? '');
      back.searchParams.set('state', url.searchParams.get('state') ?? '');
      if (careless.mood === 'repeats') {
        back.searchParams.set('error', 'server_error');
        back.searchParams.set('error_description', said);
      } else back.searchParams.set('code', given.code);
      return void response.writeHead(302, { location: back.href }).end();
    }
    if (url.pathname === '/device' && careless.mood === 'fine')
      return sendJson(response, {
        device_code: given.deviceCode,
        user_code: 'ABCD',
        verification_uri: `${origin}/d`,
        expires_in: 60,
        interval: 1,
      });
    if (url.pathname === '/token' || url.pathname === '/revoke' || url.pathname === '/device') {
      const tokens = { access_token: given.access, refresh_token: given.refresh, id_token: given.identity, token_type: 'Bearer' };
      if (careless.mood === 'repeats')
        return sendJson(response, { error: 'invalid_grant', error_description: said, error_uri: said }, 400);
      if (careless.mood === 'malformed')
        return void response
          .writeHead(200, { 'content-type': 'application/json' })
          .end(`{"access_token":"${given.access}" "x": ${said}`);
      if (careless.mood === 'half')
        return sendJson(response, { ...tokens, access_token: [given.access], expires_in: given.refresh });
      if (careless.mood === 'html')
        return void response.writeHead(500, { 'content-type': 'text/html' }).end(`<pre>${said}</pre>`);
      return sendJson(response, { ...tokens, expires_in: careless.seconds, scope: 'a' });
    }
    const token = request.headers.authorization;
    if (token === undefined || careless.refuses) {
      response.writeHead(401, {
        'www-authenticate': `Bearer error="invalid_token", error_description="${said.replaceAll('"', "'")}"`,
      });
      return void response.end(said);
    }
    if (request.method !== 'POST') return void response.writeHead(405).end();
    const message = JSON.parse(body) as { id?: number; method: string; params?: { name?: string } };
    if (message.id === undefined) return void response.writeHead(202).end();
    const results: Record<string, object> = {
      initialize: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'careless', version: '1' } },
      'tools/list': { tools: [{ name: 'any', inputSchema: { type: 'object' } }] },
    };
    const result = results[message.method];
    // An error of its own, with all that it was told.
    sendJson(response, { jsonrpc: '2.0', id: message.id, ...(result ? { result } : { error: { code: -32000, message: said } }) });
  });
  const careless = Object.assign(web, { mood: 'fine' as Mood, refuses: false, seconds: 3600, heard: [] as string[] });
  return careless;
}

describe('secrets of a login', () => {
  let home: TempHome;
  let web: Awaited<ReturnType<typeof startCareless>>;
  const env = { MCPCTL_CREDENTIAL_STORE: 'file', BROWSER: scriptedBrowser, STATIC_SECRET: given.staticSecret };
  beforeAll(async () => {
    web = await startCareless();
    const oauth = { clientId: 'static', clientSecretEnv: 'STATIC_SECRET' };
    home = await homeWith({
      web: { url: `${web.url}/mcp` },
      // Another address, so another login.
      robot: { url: `${web.url}/mcp/robot`, oauth: { ...oauth, resource: `${web.url}/mcp` } },
    });
  });
  afterAll(async () => {
    await home[Symbol.asyncDispose]();
    await web[Symbol.asyncDispose]();
  });

  /** A line and what the server does to it; `expired` = its tokens are worth nothing any more. */
  const steps: readonly [line: string, mood: Mood, more?: { seconds?: number; refuses?: boolean; input?: string }][] = [
    ['call web/any --verbose', 'fine'],
    ['auth web --verbose', 'repeats'],
    ['auth web --json --verbose', 'malformed'],
    ['auth web --verbose', 'half'],
    ['auth web --verbose', 'html'],
    ['auth web --device --verbose', 'repeats'],
    ['auth robot --client-credentials --verbose', 'repeats'],
    ['auth robot --client-credentials --json', 'malformed'],
    ['auth robot --client-credentials --verbose', 'fine', { seconds: 1 }],
    ['call robot/any --verbose', 'html'],
    ['auth web --verbose', 'fine', { seconds: 1 }],
    ['auth --verbose', 'fine'],
    ['auth --json', 'fine'],
    ['status --json --verbose', 'repeats'],
    ['call web/any --json --verbose', 'malformed'],
    ['auth web --json', 'fine'],
    ['call web/any --verbose', 'fine'],
    ['call web/any --verbose', 'repeats', { refuses: true }],
    ['tools web --refresh --verbose', 'html', { refuses: true }],
    ['ping web --json', 'half', { refuses: true }],
    ['config show --json', 'fine'],
    ['config explain robot --json', 'fine'],
    ['logs web --tail all', 'fine'],
    ['logout web --verbose', 'repeats'],
    ['logout robot --json', 'html'],
    ['auth-save web --verbose', 'fine', { input: given.saved }],
    ['call web/any --verbose', 'repeats', { refuses: true }],
    ['call web/any --json --verbose', 'repeats'],
    ['status --verbose', 'fine', { refuses: true }],
  ];

  it.each(steps)('mcpctl %s, while it %s', async (line, mood, { seconds = 3600, refuses = false, input } = {}) => {
    Object.assign(web, { mood, seconds, refuses });
    const { stdout, stderr } = await runCli(line.split(' '), { home, env, ...(input !== undefined && { input }) });
    expect(stdout + stderr).not.toBe('');
    expect(stderr).not.toContain('internal error');
    expect(stderr).not.toContain('INTERNAL');
    expect([hits(stdout), hits(stderr)]).toEqual([[], []]);
  });

  it('were all there to be told: the server heard or gave each of them', () => {
    const heard = web.heard.join('\n');
    for (const name of ['access', 'refresh', 'clientSecret', 'staticSecret', 'code', 'saved'] as const)
      expect([name, heard]).toEqual([name, expect.stringContaining(given[name])]);
    expect(made.size).toBeGreaterThan(0);
  });

  it('are in no file, and the files are nobody else’s to read', () => {
    const files = [home.stateDir, home.configDir, home.runtimeDir, home.home].flatMap((folder) =>
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name)),
    );
    expect(files.some((file) => file.endsWith('credentials.json'))).toBe(true);
    const ours = files.filter((file) => file !== join(home.configDir, 'config.json'));
    for (const file of files) expect([file, hits(readFileSync(file, 'latin1'))]).toEqual([file, []]);
    for (const file of ours) expect([file, (statSync(file).mode & 0o077).toString(8)]).toEqual([file, '0']);
  });
});
