/** Finding out where to log in, with servers that lie about it: what is asked, in which order, and what is not believed. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type DiscoverOptions, discover, probeChallenge } from '../../src/auth/discovery.js';
import type { Challenge } from '../../src/auth/oauth.js';
import { createOAuthFetch } from '../../src/auth/oauth-fetch.js';
import type { OAuthOptions } from '../../src/config/schema.js';
import { systemClock } from '../../src/core/clock.js';
import { cancelled } from '../../src/core/errors.js';
import { type HostileServer, startHostileServer } from '../support/hostile-authorization-server.js';
import { loginTarget } from '../support/login-target.js';
import { needs } from '../support/needs.js';
import { waitFor } from '../support/wait-for.js';

const prm = '/.well-known/oauth-protected-resource';
const oauthPlace = '/.well-known/oauth-authorization-server';
const oidcPlace = '/.well-known/openid-configuration';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing[Symbol.asyncDispose]();
});
const hostile = async (): Promise<HostileServer> => {
  const server = await startHostileServer();
  open.push(server);
  return server;
};
type Target = ReturnType<typeof loginTarget>;
const fetchFor = (server: Target, more: Partial<Parameters<typeof createOAuthFetch>[0]> = {}) => {
  const http = createOAuthFetch({ server, clock: systemClock, ...more });
  open.push(http);
  return http.fetch;
};
const none = new AbortController().signal;
const ask = (server: Target, options: Partial<DiscoverOptions> = {}) =>
  discover(server, { fetch: fetchFor(server), challenge: null, signal: none, ...options });
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable('it should have failed'),
    (error: unknown) => error as { code: string; message: string; hint: string },
  );
const at = (web: HostileServer, oauth: Partial<OAuthOptions> = {}, path = '/mcp') => loginTarget(`${web.url}${path}`, oauth);
const paths = (web: HostileServer) => web.seen.map(({ path }) => path);
const hinted = (resourceMetadataUrl: string): Challenge => ({ resourceMetadataUrl, scopes: [] });
/** What OpenID Connect wants besides. */
const oidc = (web: HostileServer) => ({
  jwks_uri: `${web.url}/jwks`,
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: ['RS256'],
});

describe('the metadata of the server (O01, O04)', () => {
  it('is read from the address in the challenge, and no well-known place is asked', async () => {
    const web = await hostile();
    web.answers.set('/meta', { json: { resource: `${web.url}/mcp`, authorization_servers: [web.url] } });
    web.answers.set(oauthPlace, { json: web.metadata() });
    await ask(at(web), { challenge: hinted(`${web.url}/meta`) });
    expect(paths(web)).toEqual(['/meta', oauthPlace]);
  });

  it('is looked for in both well-known places, the one with the path first, also after an address that holds nothing', async () => {
    const web = await hostile();
    web.answers.set(prm, { json: { resource: web.url, authorization_servers: [web.url] } });
    web.answers.set(oauthPlace, { json: web.metadata() });
    expect((await ask(at(web))).resource).toBe(web.url);
    expect(paths(web)).toEqual([`${prm}/mcp`, prm, oauthPlace]);
    await ask(at(web), { challenge: hinted(`${web.url}/gone`) });
    expect(paths(web).slice(3)).toEqual(['/gone', `${prm}/mcp`, prm, oauthPlace]);
  });

  it('may be missing: then the server is its own authorization server, and both ways to write that name are one', async () => {
    for (const slash of ['', '/']) {
      const web = await hostile();
      web.answers.set(oauthPlace, { json: web.metadata({}, `${web.url}${slash}`) });
      const found = await ask(at(web));
      expect(found.issuer).toBe(`${web.url}${slash}`);
      expect(paths(web)).toEqual([`${prm}/mcp`, prm, oauthPlace]);
    }
  });

  it.each([
    ['another host', 'https://other.example/mcp'],
    ['another port', 'http://127.0.0.1:1/mcp'],
    ['another path', '<url>/other'],
    ['a longer path', '<url>/mcp/more'],
    ['a path that only begins alike', '<url>/mc'],
    ['a fragment', '<url>/mcp#x'],
    ['a user', 'http://me@127.0.0.1:<port>/mcp'],
  ])('is refused when it is for %s: %s', async (_what, written) => {
    const web = await hostile();
    const resource = written.replace('<url>', web.url).replace('<port>', `${web.port}`);
    web.answers.set(`${prm}/mcp`, { json: { resource, authorization_servers: [web.url] } });
    web.answers.set(oauthPlace, { json: web.metadata() });
    expect(await failureOf(ask(at(web)))).toMatchObject({
      code: 'AUTH_FAILED',
      message: `Login to "github" failed while reading the metadata of the server: it says that it is ${resource}, not ${web.url}/mcp`,
      hint: expect.stringContaining('"resource" under "oauth"'),
      details: { step: 'resource-metadata', resource },
    });
    expect(paths(web)).toEqual([`${prm}/mcp`]);
  });

  it('may be for another name when the configuration says exactly that', async () => {
    const web = await hostile();
    const resource = 'https://inside.example/mcp';
    web.answers.set(`${prm}/mcp`, { json: { resource, authorization_servers: [web.url] } });
    web.answers.set(oauthPlace, { json: web.metadata() });
    expect((await ask(at(web, { resource }))).resource).toBe(resource);
    expect(await failureOf(ask(at(web, { resource: `${resource}/` })))).toMatchObject({ code: 'AUTH_FAILED' });
  });

  it.each([500, 502, 503, 429])('is not passed over for another place when it answers %d: AUTH_UNAVAILABLE', async (status) => {
    const web = await hostile();
    web.answers.set(`${prm}/mcp`, { text: '', status });
    // Whoever could make the server fail would otherwise choose the authorization server.
    web.answers.set(oauthPlace, { json: web.metadata() });
    expect(await failureOf(ask(at(web)))).toMatchObject({
      code: 'AUTH_UNAVAILABLE',
      details: { step: 'resource-metadata', status },
    });
    expect(paths(web)).not.toContain(oauthPlace);
  });

  it.each([
    ['no JSON', { text: 'not json' }],
    ['no object', { json: [1] }],
    ['no resource', { json: { authorization_servers: ['https://a.example'] } }],
    ['a server that is a script', { json: { resource: '<url>/mcp', authorization_servers: ['javascript:alert(1)'] } }],
  ])('is refused when it is %s', async (_what, answer) => {
    const web = await hostile();
    web.answers.set(`${prm}/mcp`, JSON.parse(JSON.stringify(answer).replaceAll('<url>', web.url)));
    expect(await failureOf(ask(at(web)))).toMatchObject({ code: 'AUTH_FAILED', details: { step: 'resource-metadata' } });
  });

  it('of a site that answers everything with its start page counts as missing', async () => {
    const web = await hostile();
    const page = { text: '<html>', headers: { 'content-type': 'text/html; charset=utf-8' } };
    for (const place of [`${prm}/mcp`, prm, oauthPlace]) web.answers.set(place, page);
    web.answers.set(oidcPlace, { json: web.metadata(oidc(web)) });
    expect((await ask(at(web))).issuer).toBe(web.url);
  });

  it('in a place that sends us to another origin counts as missing, and that origin is not asked', async () => {
    const web = await hostile();
    const other = await hostile();
    web.answers.set(`${prm}/mcp`, { location: `${other.url}/x` });
    web.answers.set(oauthPlace, { json: web.metadata() });
    await ask(at(web));
    expect(other.connections).toBe(0);
  });
});

describe('the metadata of the authorization server (O02, O03)', () => {
  it.each([
    ['without a path', '', [oauthPlace, oidcPlace]],
    ['with a path', '/tenant/1', [`${oauthPlace}/tenant/1`, `${oidcPlace}/tenant/1`, `/tenant/1${oidcPlace}`]],
  ])('%s is looked for in %s: %j', async (_what, path, places) => {
    for (const [index, place] of places.entries()) {
      const web = await hostile();
      const issuer = `${web.url}${path}`;
      web.answers.set(`${prm}/mcp`, {
        json: { resource: `${web.url}/mcp`, authorization_servers: [issuer, 'https://other.example'] },
      });
      web.answers.set(place, { json: web.metadata(oidc(web), issuer) });
      expect((await ask(at(web))).issuer).toBe(issuer);
      expect(paths(web).slice(1)).toEqual(places.slice(0, index + 1));
    }
  });

  it('that is nowhere names what to set instead', async () => {
    const web = await hostile();
    web.answers.set(`${prm}/mcp`, { json: { resource: `${web.url}/mcp`, authorization_servers: [`${web.url}/as`] } });
    expect(await failureOf(ask(at(web)))).toMatchObject({
      code: 'AUTH_FAILED',
      message: expect.stringContaining(`${web.url}/as publishes no metadata`),
      hint: expect.stringMatching(/"authEndpoint" and "tokenEndpoint".*mcpctl auth-save github$/),
      details: { step: 'server-metadata' },
    });
    web.answers.clear();
    expect((await failureOf(ask(at(web)))).message).toContain('the server does not say where to log in');
    web.answers.set(oidcPlace, { text: '', status: 502 });
    expect(await failureOf(ask(at(web)))).toMatchObject({ code: 'AUTH_UNAVAILABLE', details: { status: 502 } });
  });

  it.each([
    ['a slash more', '<url>/as/'],
    ['another case', '<url>/AS'],
    ['another host', 'https://honest.example/as'],
    ['an encoded letter', '<url>/%61s'],
    ['a query', '<url>/as?x=1'],
    ['nothing', ''],
  ])('with an issuer that differs by %s is not used: %s', async (_what, written) => {
    const web = await hostile();
    const issuer = written.replace('<url>', web.url);
    web.answers.set(`${prm}/mcp`, { json: { resource: `${web.url}/mcp`, authorization_servers: [`${web.url}/as`] } });
    web.answers.set(`${oauthPlace}/as`, { json: web.metadata({}, issuer) });
    expect(await failureOf(ask(at(web)))).toMatchObject({
      code: 'AUTH_FAILED',
      message: expect.stringContaining('letter by letter'),
      details: { step: 'server-metadata', expected: `${web.url}/as`, issuer },
    });
  });

  it('of a name with a slash at the end is not used when it says itself without one', async () => {
    const web = await hostile();
    web.answers.set(`${prm}/mcp`, { json: { resource: `${web.url}/mcp`, authorization_servers: [`${web.url}/`] } });
    web.answers.set(oauthPlace, { json: web.metadata() });
    expect((await failureOf(ask(at(web)))).message).toContain('letter by letter');
  });

  it('with an address that is none, or none that is safe, is refused, whichever it is (O19, O20)', async () => {
    for (const [name, value] of [
      ['authorization_endpoint', 'http://login.example/authorize'],
      ['authorization_endpoint', 'file:///etc/passwd'],
      ['authorization_endpoint', 'https://me:pw@login.example/'],
      ['authorization_endpoint', `https://login.example/${'x'.repeat(9000)}`],
      ['token_endpoint', 'http://login.example/token'],
      ['registration_endpoint', 'http://login.example/register'],
      ['revocation_endpoint', 'http://10.0.0.1/'],
      ['device_authorization_endpoint', 'http://login.example/device'],
      ['device_authorization_endpoint', 7],
      ['introspection_endpoint', 'smb://login.example/x'],
      ['a_later_endpoint', 'https://169.254.169.254/'],
    ] as const) {
      const web = await hostile();
      web.behave({ [name]: value });
      const error = await failureOf(ask(at(web)));
      expect(error, `${name} ${value}`).toMatchObject({ code: 'AUTH_FAILED', details: { step: 'server-metadata' } });
      expect(error.message.length).toBeLessThan(400);
    }
  });

  it('loses its addresses for clients with certificates', async () => {
    const web = await hostile();
    web.behave({ mtls_endpoint_aliases: { token_endpoint: 'http://evil.example/' } });
    expect((await ask(at(web))).metadata).not.toHaveProperty('mtls_endpoint_aliases');
  });
});

describe('PKCE (O05)', () => {
  it.each([[undefined], [[]], [['plain']]])(
    'is missing when the metadata says %j: refused, with what to set',
    async (methods) => {
      const web = await hostile();
      web.behave({ code_challenge_methods_supported: methods });
      expect(await failureOf(ask(at(web)))).toMatchObject({
        code: 'AUTH_FAILED',
        message: expect.stringContaining('does not say that it protects logins with PKCE (S256)'),
        hint: expect.stringContaining('"assumeS256": true'),
        details: { step: 'server-metadata', reason: 'pkce' },
      });
      expect((await ask(at(web, { assumeS256: true }))).issuer).toBe(web.url);
      expect((await ask(at(web), { needsPkce: false })).issuer).toBe(web.url);
    },
  );
});

describe('what a token is asked for (O06)', () => {
  it('is what the server says, in its own letters, else its URL without query and fragment', async () => {
    const web = await hostile();
    web.answers.set(oauthPlace, { json: web.metadata() });
    const resourceOf = async (path: string, oauth = {}) => (await ask(at(web, oauth, path))).resource;
    expect(await resourceOf('/mcp')).toBe(`${web.url}/mcp`);
    expect(await resourceOf('/mcp/?key=planted#x')).toBe(`${web.url}/mcp/`);
    expect(await resourceOf('/')).toBe(web.url);
    expect(await resourceOf('/mcp', { resource: 'urn:mine' })).toBe('urn:mine');
    expect(await resourceOf('/mcp', { omitResource: true })).toBeNull();
    web.answers.set(`${prm}/mcp`, { json: { resource: `${web.url}/`, authorization_servers: [web.url] } });
    expect(await resourceOf('/mcp')).toBe(`${web.url}/`);
    expect(await resourceOf('/mcp', { omitResource: true })).toBeNull();
  });
});

describe('scopes', () => {
  it('are those of the server, else those of its authorization server, without what is none', async () => {
    const web = await hostile();
    web.behave({ scopes_supported: ['a', 'b', 'a', 'two words', '', 'q"uote'] });
    // To register for, not to ask for: the specification says what to ask for, and the provider's own list is not in it.
    expect(await ask(at(web))).toMatchObject({ scopesSupported: ['a', 'b'], resourceScopes: null });
    web.answers.set(`${prm}/mcp`, {
      json: { resource: web.url, authorization_servers: [web.url], scopes_supported: ['mcp:read'] },
    });
    expect(await ask(at(web))).toMatchObject({ scopesSupported: ['mcp:read'], resourceScopes: ['mcp:read'] });
  });
});

describe('addresses of the configuration', () => {
  it('need no question to anybody', async () => {
    const web = await hostile();
    const oauth = { authEndpoint: `${web.url}/authorize?p=1`, tokenEndpoint: `${web.url}/token` };
    const found = await ask(at(web, oauth));
    expect(found).toMatchObject({ issuer: web.url, resource: `${web.url}/mcp`, scopesSupported: [] });
    expect(found.metadata).toMatchObject({ authorization_endpoint: oauth.authEndpoint, token_endpoint: oauth.tokenEndpoint });
    expect(web.connections).toBe(0);
  });

  it('are refused like any other when they lead into a private network that the server is not in', async () => {
    const oauth = { authEndpoint: 'https://10.0.0.1/a', tokenEndpoint: 'https://10.0.0.1/t' };
    const target = loginTarget('https://mcp.example/mcp', oauth);
    expect(await failureOf(ask(target))).toMatchObject({ code: 'AUTH_FAILED', hint: expect.stringContaining('allowHosts') });
    expect((await ask({ ...target, oauth: { ...target.oauth, allowHosts: ['10.0.0.1'] } })).issuer).toBe('https://10.0.0.1');
  });
});

describe('the challenge', () => {
  const challenge = {
    json: {},
    status: 401,
    headers: { 'www-authenticate': 'Bearer resource_metadata="https://x.example/m", scope="a b"' },
  };

  it('is asked for with one request that carries no token and does nothing', async () => {
    const web = await hostile();
    web.answers.set('/mcp', challenge);
    const server = at(web);
    expect(await probeChallenge(server, { fetch: fetchFor(server), signal: none })).toEqual({
      resourceMetadataUrl: 'https://x.example/m',
      scopes: ['a', 'b'],
    });
    expect(web.seen).toHaveLength(1);
    expect(web.seen[0]).toMatchObject({ method: 'POST', path: '/mcp' });
    expect(web.seen[0]?.headers.authorization).toBeUndefined();
    expect(JSON.parse(web.seen[0]!.body)).toEqual({ jsonrpc: '2.0', id: 'mcpctl', method: 'ping' });
  });

  it('is that of a GET for the older transport, and where POST is not known', async () => {
    const web = await hostile();
    web.answers.set('/mcp', { text: '', status: 405 });
    const methodsOf = async (type: 'sse' | 'auto' | 'http') => {
      const before = web.seen.length;
      const server = loginTarget(`${web.url}/mcp`, {}, { type });
      expect(await probeChallenge(server, { fetch: fetchFor(server), signal: none })).toBeNull();
      return web.seen.slice(before).map(({ method }) => method);
    };
    expect(await methodsOf('sse')).toEqual(['GET']);
    expect(await methodsOf('auto')).toEqual(['POST', 'GET']);
    expect(await methodsOf('http')).toEqual(['POST']);
  });

  it('is none where nothing is refused, also where a stream without end begins', async () => {
    const web = await hostile();
    const stream = { text: 'event: endpoint\n', headers: { 'content-type': 'text/event-stream' } };
    web.answers.set('/mcp', stream);
    const server = loginTarget(`${web.url}/mcp`, {}, { type: 'sse' });
    expect(await probeChallenge(server, { fetch: fetchFor(server), signal: none })).toBeNull();
    web.answers.set('/mcp', { text: '', status: 401 });
    expect(await probeChallenge(server, { fetch: fetchFor(server), signal: none })).toBeNull();
  });

  it('of a server that cannot be reached is AUTH_UNAVAILABLE; a stop of the user is the user’s', async () => {
    const gone = loginTarget('http://127.0.0.1:1/mcp');
    expect(await failureOf(probeChallenge(gone, { fetch: fetchFor(gone), signal: none }))).toMatchObject({
      code: 'AUTH_UNAVAILABLE',
      details: { step: 'challenge' },
    });
    const web = await hostile();
    web.answers.set('/mcp', 'stall').set(`${prm}/mcp`, 'stall');
    for (const start of [probeChallenge, (server: Target, options: object) => ask(server, options)]) {
      const stop = new AbortController();
      const before = web.seen.length;
      const result = failureOf(start(at(web), { fetch: fetchFor(at(web)), signal: stop.signal }));
      await waitFor(() => web.seen.length > before);
      const reason = cancelled();
      stop.abort(reason);
      expect(await result).toBe(reason);
    }
  });
});

describe('a public server that names addresses inside', needs('openssl'), () => {
  let folder: string;
  let tls: { key: string; cert: string; name: string };
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'mcpctl-oauth-'));
    const subject = ['-subj', '/CN=mcp.example', '-addext', 'subjectAltName=DNS:mcp.example,DNS:login.example', '-days', '1'];
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'a.key'];
    execFileSync('openssl', ['req', '-x509', ...key, '-out', 'a.pem', ...subject], { cwd: folder, stdio: 'ignore' });
    const file = (name: string) => readFileSync(join(folder, name), 'utf8');
    tls = { key: file('a.key'), cert: file('a.pem'), name: 'mcp.example' };
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** `mcp.example`, which the resolver of the test finds on this machine; so it does any other name. */
  const evil = async () => {
    const web = await startHostileServer({ tls });
    open.push(web);
    const server = loginTarget(`${web.url}/mcp`, {}, { ca: tls.cert });
    const fetch = fetchFor(server, {
      lookup: (_host, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]),
    });
    return { web, server, fetch };
  };

  it('logs in to itself, over https', async () => {
    const { web, server, fetch } = await evil();
    web.behave();
    expect((await ask(server, { fetch })).issuer).toBe(web.url);
  });

  it.each([
    'http://127.0.0.1:<port>',
    'http://localhost:<port>',
    'http://0x7f.1:<port>',
    'http://0:<port>',
    'https://[::ffff:127.0.0.1]:<port>',
    'https://login.example:<port>',
    'http://169.254.169.254',
  ])(
    '%s never gets a request: not as metadata, not as authorization server, not as an endpoint, not by a redirect',
    async (address) => {
      const { web, server, fetch } = await evil();
      const internal = await hostile();
      internal.answers.set(oauthPlace, { json: internal.metadata() });
      const inside = address.replace('<port>', `${internal.port}`);
      const named = {
        code: 'AUTH_FAILED',
        details: expect.objectContaining({ reason: expect.stringMatching(/^(?:blocked|address)$/) }),
      };

      expect(await failureOf(ask(server, { fetch, challenge: hinted(`${inside}/meta`) }))).toMatchObject(named);
      web.answers.set(`${prm}/mcp`, { json: { resource: `${web.url}/mcp`, authorization_servers: [inside] } });
      expect(await failureOf(ask(server, { fetch }))).toMatchObject(named);
      web.behave({ authorization_endpoint: `${inside}/authorize` });
      // Of a name it is known only at the moment of connecting, which a browser does by its own rules.
      if (!inside.includes('login.example')) expect(await failureOf(ask(server, { fetch }))).toMatchObject(named);
      web.answers.set(`${prm}/mcp`, { location: `${inside}/x` }).set(prm, { location: `${inside}/x` });
      await ask(server, { fetch }).catch(() => {});
      expect(internal.seen).toEqual([]);
      expect(internal.connections).toBe(0);
    },
  );
});
