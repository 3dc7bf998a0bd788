/** Who mcpctl is to an authorization server: the order of the ways, what is registered, what is used again, and what to set when no way is left. */
import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type IdentifyOptions, identify } from '../../src/auth/client-identity.js';
import { discover } from '../../src/auth/discovery.js';
import type { ClientIdentity } from '../../src/auth/oauth.js';
import { createOAuthFetch } from '../../src/auth/oauth-fetch.js';
import type { OAuthOptions } from '../../src/config/schema.js';
import { systemClock } from '../../src/core/clock.js';
import { FakeClock } from '../support/fake-clock.js';
import { type HostileServer, startHostileServer } from '../support/hostile-authorization-server.js';
import { loginTarget } from '../support/login-target.js';
import { tempHome } from '../support/temp-home.js';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing[Symbol.asyncDispose]();
});
const redirectUri = 'http://127.0.0.1:8123/callback';
const codeFlow = ['authorization_code', 'refresh_token'];
const documentUrl = 'https://example.com/mcpctl.json';
const registered = { client_id: 'dcr-1', redirect_uris: [redirectUri] };

interface Case {
  readonly oauth?: Partial<OAuthOptions>;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly more?: Partial<IdentifyOptions>;
  readonly answer?: unknown;
  readonly status?: number;
}

/** Runs one login's first half against a server that registers, or not. */
async function run({ oauth = {}, metadata = {}, more = {}, answer = registered, status = 201 }: Case) {
  const web = await startHostileServer();
  open.push(web);
  web.behave(
    Object.hasOwn(metadata, 'registration_endpoint') ? metadata : { ...metadata, registration_endpoint: `${web.url}/register` },
  );
  web.answers.set('/register', { json: answer, status });
  const server = loginTarget(`${web.url}/mcp`, oauth);
  const http = createOAuthFetch({ server, clock: systemClock });
  open.push(http);
  const { signal } = new AbortController();
  const as = await discover(server, { fetch: http.fetch, challenge: null, signal });
  const options = { fetch: http.fetch, known: null, redirectUri, grantTypes: codeFlow, env: {}, signal, ...more };
  const result = await identify(server, as, options).catch((error: unknown) => error as Error);
  return { web, result, bodies: bodiesOf(web) };
}

function bodiesOf(web: HostileServer): Record<string, unknown>[] {
  return web.seen.filter(({ path }) => path === '/register').map(({ body }) => JSON.parse(body) as Record<string, unknown>);
}

const cimd = { client_id_metadata_document_supported: true };
const noDcr = { registration_endpoint: undefined };

describe('the way to an identity (O11)', () => {
  it.each<[string, Case, string]>([
    ['auto, all ways open', { oauth: { clientId: 's', clientMetadataUrl: documentUrl }, metadata: cimd }, 'static s'],
    ['auto, without clientId', { oauth: { clientMetadataUrl: documentUrl }, metadata: cimd }, `cimd ${documentUrl}`],
    ['auto, the server takes no documents', { oauth: { clientMetadataUrl: documentUrl } }, 'dcr dcr-1'],
    ['auto, there is no document', { metadata: cimd }, 'dcr dcr-1'],
    ['auto, nothing given', {}, 'dcr dcr-1'],
    ['static', { oauth: { registration: 'static', clientId: 's' } }, 'static s'],
    [
      'cimd',
      { oauth: { registration: 'cimd', clientId: 's', clientMetadataUrl: documentUrl }, metadata: cimd },
      `cimd ${documentUrl}`,
    ],
    ['dcr', { oauth: { registration: 'dcr', clientId: 's', clientMetadataUrl: documentUrl }, metadata: cimd }, 'dcr dcr-1'],
    ['static without clientId', { oauth: { registration: 'static' } }, '"clientId" is missing'],
    ['cimd, refused', { oauth: { registration: 'cimd', clientMetadataUrl: documentUrl } }, 'takes no client metadata documents'],
    [
      'dcr, not offered',
      { oauth: { registration: 'dcr', clientId: 's' }, metadata: noDcr },
      'does not register clients by itself',
    ],
    ['auto, no way left', { metadata: noDcr }, 'does not register clients by itself'],
    [
      'auto, no way left, with a document',
      { oauth: { clientMetadataUrl: documentUrl }, metadata: noDcr },
      'takes no client metadata documents, and http://',
    ],
  ])('with %s', async (_what, one, expected) => {
    const { result, bodies } = await run(one);
    if (result instanceof Error) {
      expect(result).toMatchObject({
        code: 'AUTH_FAILED',
        message: expect.stringContaining(expected),
        hint: expect.stringContaining('"clientId" under "oauth"'),
        details: { step: 'registration' },
      });
    } else expect(`${result.source} ${result.clientId}`).toBe(expected);
    expect(bodies).toHaveLength(expected.startsWith('dcr') ? 1 : 0);
  });

  it('names the document as a way out where the server takes one', async () => {
    const { result } = await run({ metadata: { ...noDcr, ...cimd } });
    expect((result as { hint?: string }).hint).toContain('"clientMetadataUrl"');
  });
});

describe('an identity of the configuration', () => {
  it.each<[string, Partial<OAuthOptions>, unknown, string, string | null]>([
    ['without a secret', {}, undefined, 'none', null],
    ['with a secret', { clientSecret: 's1' }, ['client_secret_basic', 'client_secret_post'], 'client_secret_post', 's1'],
    ['with a secret, basic only', { clientSecret: 's1' }, ['client_secret_basic'], 'client_secret_basic', 's1'],
    ['with a secret, nothing said', { clientSecret: 's1' }, undefined, 'client_secret_basic', 's1'],
    ['with a secret of a variable', { clientSecretEnv: 'VAR' }, ['client_secret_post'], 'client_secret_post', 'from-env'],
  ])('%s', async (_what, oauth, methods, authMethod, clientSecret) => {
    const { result } = await run({
      oauth: { clientId: 's', ...oauth },
      metadata: { token_endpoint_auth_methods_supported: methods },
      more: { env: { VAR: 'from-env' } },
    });
    expect(result).toEqual({
      source: 'static',
      clientId: 's',
      clientSecret,
      authMethod,
      redirectUri: null,
      secretExpiresAt: null,
    });
  });

  it('whose variable is not set, or empty, names it', async () => {
    for (const env of [{}, { VAR: '' }]) {
      const { result } = await run({ oauth: { clientId: 's', clientSecretEnv: 'VAR' }, more: { env } });
      expect(result).toMatchObject({
        code: 'AUTH_FAILED',
        message: expect.stringContaining('the environment variable VAR is not set'),
        hint: 'export VAR=…',
      });
    }
  });

  it('with a private key reads it; a missing file, a folder and another file are told apart', async () => {
    await using home = await tempHome();
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const good = await home.write('key.pem', privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    const of = async (privateKeyFile: string) => (await run({ oauth: { clientId: 's', privateKeyFile } })).result;
    expect(await of(good)).toMatchObject({ authMethod: 'private_key_jwt', clientSecret: null });
    const wrong = await home.write('other.pem', 'nothing');
    for (const [file, message] of [
      [join(home.path, 'gone.pem'), 'there is no private key'],
      [home.path, 'cannot read the private key'],
      [wrong, 'holds no private key in PEM form'],
    ] as const) {
      expect(await of(file)).toMatchObject({
        code: 'AUTH_FAILED',
        message: expect.stringContaining(message),
        hint: expect.stringContaining('"privateKeyFile"'),
      });
    }
  });

  it('is not shown to another authorization server than before (O09)', async () => {
    const oauth = { clientId: 's', clientSecret: 'planted-secret' };
    const { result, web } = await run({ oauth, more: { knownIssuer: 'https://honest.example' } });
    expect(result).toMatchObject({
      code: 'AUTH_FAILED',
      hint: 'if that is right, log out first: mcpctl logout github',
      details: { knownIssuer: 'https://honest.example', issuer: web.url },
    });
    expect(JSON.stringify(web.seen)).not.toContain('planted-secret');
  });

  it('by a document cannot be a machine account, which needs a secret', async () => {
    const { result } = await run({
      oauth: { clientMetadataUrl: documentUrl },
      metadata: cimd,
      more: { grantTypes: ['client_credentials'], redirectUri: null },
    });
    expect(result).toMatchObject({ code: 'AUTH_FAILED', hint: expect.stringContaining('"clientSecretEnv"') });
  });
});

describe('a registration (O10)', () => {
  it('is for a native client, with every scope that there is, and without a secret where that is allowed', async () => {
    const { result, bodies } = await run({
      oauth: { scopes: ['mine'] },
      metadata: {
        scopes_supported: ['a', 'b', 'offline_access'],
        token_endpoint_auth_methods_supported: ['client_secret_basic', 'none', 'client_secret_post'],
      },
    });
    expect(bodies).toEqual([
      {
        client_name: 'mcpctl',
        application_type: 'native',
        redirect_uris: [redirectUri],
        grant_types: codeFlow,
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
        scope: 'a b offline_access mine',
      },
    ]);
    expect(result).toEqual({
      source: 'dcr',
      clientId: 'dcr-1',
      clientSecret: null,
      authMethod: 'none',
      redirectUri,
      secretExpiresAt: null,
    });
  });

  it('without a browser has no callback, and one of a machine account asks for a secret', async () => {
    const grantTypes = ['client_credentials'];
    const { result, bodies } = await run({
      answer: { client_id: 'm', client_secret: 's', redirect_uris: [] },
      more: { grantTypes, redirectUri: null },
      metadata: { token_endpoint_auth_methods_supported: ['none', 'client_secret_basic'] },
    });
    expect(bodies[0]).toMatchObject({
      redirect_uris: [],
      grant_types: grantTypes,
      response_types: [],
      token_endpoint_auth_method: 'client_secret_basic',
    });
    expect(bodies[0]).not.toHaveProperty('scope');
    expect(result).toMatchObject({ clientSecret: 's', authMethod: 'client_secret_basic', redirectUri: null });
  });

  it.each<[string, object, Partial<ClientIdentity>]>([
    ['a secret for ever', { client_secret: 's', client_secret_expires_at: 0 }, { clientSecret: 's', secretExpiresAt: null }],
    [
      'a secret until then',
      { client_secret: 's', client_secret_expires_at: 1_767_225_600 },
      { secretExpiresAt: '2026-01-01T00:00:00.000Z' },
    ],
    ['a time beyond time', { client_secret: 's', client_secret_expires_at: 1e300 }, { secretExpiresAt: null }],
    [
      'another method',
      { client_secret: 's', token_endpoint_auth_method: 'client_secret_post' },
      { authMethod: 'client_secret_post' },
    ],
    ['a secret that is not to be used', { client_secret: 's', token_endpoint_auth_method: 'none' }, { authMethod: 'none' }],
    ['a secret without a word', { client_secret: 's' }, { authMethod: 'client_secret_basic' }],
  ])('that gives %s is taken as it was given', async (_what, answer, expected) => {
    expect((await run({ answer: { ...registered, ...answer } })).result).toMatchObject(expected);
  });

  it.each<[string, Case, string]>([
    [
      'an error',
      { status: 400, answer: { error: 'invalid_redirect_uri', error_description: 'no loopback' } },
      'the provider said invalid_redirect_uri: no loopback',
    ],
    ['a page', { status: 403, answer: '<html>' }, 'the provider said HTTP 403'],
    ['no client', { answer: { redirect_uris: [] } }, 'the answer is not what the standard asks for'],
    ['an empty name', { answer: { ...registered, client_id: '' } }, 'it was registered without a name'],
    [
      'a method we do not speak',
      { answer: { ...registered, client_secret: 's', token_endpoint_auth_method: 'tls_client_auth' } },
      'registered for tls_client_auth',
    ],
    ['no secret', { answer: { ...registered, token_endpoint_auth_method: 'client_secret_basic' } }, 'without the secret'],
  ])('that ends with %s says so, and what to set instead', async (_what, one, message) => {
    const { result, bodies } = await run(one);
    expect(result).toMatchObject({
      code: 'AUTH_FAILED',
      message: expect.stringContaining(`Login to "github" failed while registering this client: `),
      hint: 'register a client by hand and give it as "clientId" under "oauth" of this server',
      details: { step: 'registration' },
    });
    expect((result as Error).message).toContain(message);
    expect(bodies).toHaveLength(1);
  });

  it('that the server cannot make now is AUTH_UNAVAILABLE', async () => {
    expect((await run({ status: 503 })).result).toMatchObject({
      code: 'AUTH_UNAVAILABLE',
      details: { step: 'registration', status: 503 },
    });
  });
});

describe('the registration of an earlier login', () => {
  const known: ClientIdentity = {
    source: 'dcr',
    clientId: 'old',
    clientSecret: null,
    authMethod: 'none',
    redirectUri,
    secretExpiresAt: null,
  };
  const clock = new FakeClock({ date: '2026-06-01T00:00:00Z' });
  it.each<[string, Case, string]>([
    ['is used again', { more: { known } }, 'old'],
    ['is used again where nobody can register any more', { metadata: noDcr, more: { known } }, 'old'],
    [
      'is not where the configuration wants another way',
      { oauth: { registration: 'static', clientId: 's' }, more: { known } },
      's',
    ],
    [
      'is used again until its secret ends',
      { more: { known: { ...known, secretExpiresAt: '2026-06-01T00:00:00.001Z' }, clock } },
      'old',
    ],
    [
      'is not, once its secret has ended',
      { more: { known: { ...known, secretExpiresAt: '2026-06-01T00:00:00.000Z' }, clock } },
      'dcr-1',
    ],
    ['is not for another callback', { more: { known: { ...known, redirectUri: 'http://127.0.0.1:1/callback' } } }, 'dcr-1'],
    ['is not for a browser when it had none', { more: { known: { ...known, redirectUri: null } } }, 'dcr-1'],
    [
      'is not for a machine account without a secret',
      {
        more: { known: { ...known, redirectUri: null }, redirectUri: null, grantTypes: ['client_credentials'] },
        answer: { ...registered, client_secret: 's' },
      },
      'dcr-1',
    ],
    ['gives way to the configuration', { oauth: { clientId: 's' }, more: { known } }, 's'],
    ['does not count when it came from the configuration', { more: { known: { ...known, source: 'static' } } }, 'dcr-1'],
  ])('%s', async (_what, one, clientId) => {
    expect((await run(one)).result).toMatchObject({ clientId });
  });
});
