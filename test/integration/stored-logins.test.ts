/** Stored logins on real connections: one renewal for 50 calls, tokens to their own server alone, answers of token endpoints as they are in the world. */
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { OAuthCredential } from '../../src/auth/oauth.js';
import { defaults } from '../../src/config/defaults.js';
import type { ServerConfig } from '../../src/config/schema.js';
import { systemClock } from '../../src/core/clock.js';
import type { Connection } from '../../src/mcp/connection.js';
import { openConnection } from '../../src/mcp/open-connection.js';
import { echoTool } from '../support/fake-connection.js';
import { startHttpServer } from '../support/http-server.js';
import { httpServer, type LoginsIn, loginsIn, storeLogin } from '../support/stored-login.js';
import { type TempHome, tempHome } from '../support/temp-home.js';
import { startTokenServer, type TokenServer } from '../support/token-server.js';

const { signal } = new AbortController();
const asking = { signal, isAttended: false };

/** A connection with what is stored in the home. */
async function connect(
  home: TempHome,
  server: ServerConfig,
  options: LoginsIn = {},
): Promise<{ connection: Connection } & AsyncDisposable> {
  const logins = loginsIn(home, options);
  const open = openConnection({
    server,
    groups: {} as never,
    env: {},
    stop: { stdinMs: 1, termMs: 1 },
    clock: systemClock,
    clientVersion: '1',
    remembered: Promise.resolve(undefined),
    credentials: logins.credentialsFor(server),
    signal,
  });
  const connection = await open.catch(async (error: unknown) => {
    await logins[Symbol.asyncDispose]();
    throw error;
  });
  return {
    connection,
    [Symbol.asyncDispose]: async () => {
      await connection[Symbol.asyncDispose]();
      await logins[Symbol.asyncDispose]();
    },
  };
}

const call = (connection: Connection, name = 'read') =>
  connection.callTool(name, {}, { signal, tool: { ...echoTool, name }, onProgress: () => {} });

const read = async (home: TempHome, server: ServerConfig) => {
  await using logins = loginsIn(home);
  return await logins.storedLogin(server, asking);
};

const withOAuth = (url: string, oauth: Partial<ServerConfig['oauth']>) =>
  httpServer(url, { oauth: { ...defaults.oauth, ...oauth } });

describe('50 calls at the same time', () => {
  it.each([
    [
      'whose token ends by the clock while the session is open',
      (tokens: TokenServer) => {
        tokens.delayMs = 50;
      },
      1.2,
    ],
    ['whose token the server refuses', (tokens: TokenServer) => tokens.expire(), 3600],
  ])('%s cost 1 token request and succeed, all 50', async (_, change, seconds) => {
    await using tokens = await startTokenServer();
    await using home = await tempHome();
    const server = httpServer(tokens.url);
    const first = tokens.login(seconds, { issuedAt: new Date(Date.now() - 1000).toISOString() });
    await storeLogin(home, server, first);
    await using opened = await connect(home, server);
    change(tokens);
    if (seconds < 60) await new Promise((resolve) => setTimeout(resolve, Date.parse(first.expiresAt!) - Date.now() + 10));
    const before = tokens.asked;
    const results = await Promise.all(Array.from({ length: 50 }, () => call(opened.connection)));
    expect(results).toHaveLength(50);
    expect(tokens.asked - before).toBeLessThanOrEqual(1);
    expect(tokens).toMatchObject({ asked: 1, granted: 1, isAlive: true });
  });

  it('whose login has ended fail with AUTH_REQUIRED, all 50, with 1 token request, and the session ends with that', async () => {
    await using tokens = await startTokenServer();
    await using home = await tempHome();
    const server = httpServer(tokens.url);
    await storeLogin(home, server, tokens.login(3600));
    await using opened = await connect(home, server);
    tokens.expire();
    tokens.revokeLogin();
    const results = await Promise.allSettled(Array.from({ length: 50 }, () => call(opened.connection)));
    expect(new Set(results.map((result) => (result as PromiseRejectedResult).reason?.code))).toEqual(new Set(['AUTH_REQUIRED']));
    expect(tokens.asked).toBe(1);
    expect((await opened.connection.closed).code).toBe('AUTH_REQUIRED');
  });

  it('that lack a scope fail one by one, and the session lives', async () => {
    await using tokens = await startTokenServer();
    await using home = await tempHome();
    const server = httpServer(tokens.url);
    await storeLogin(home, server, tokens.login(3600));
    await using opened = await connect(home, server);
    await expect(call(opened.connection, 'write')).rejects.toMatchObject({ code: 'AUTH_REQUIRED', details: { status: 403 } });
    await expect(call(opened.connection, 'forbidden')).rejects.toMatchObject({ code: 'REQUEST_REFUSED' });
    expect(await call(opened.connection)).toMatchObject({ content: [{ text: 'inside' }] });
  });
});

describe('a token', () => {
  it('goes to the origin of the server alone: another one that it redirects to sees nothing', async () => {
    await using tokens = await startTokenServer();
    await using home = await tempHome();
    const elsewhere: (string | undefined)[] = [];
    await using other = await startHttpServer((request, response) => {
      elsewhere.push(request.headers.authorization);
      response.writeHead(200).end();
    });
    await using front = await startHttpServer(
      (_, response) => void response.writeHead(307, { location: `${other.url}/mcp` }).end(),
    );
    const server = httpServer(`${front.url}/mcp`);
    await storeLogin(home, server, tokens.login(3600));
    await expect(connect(home, server)).rejects.toMatchObject({ code: 'PROTOCOL' });
    expect(elsewhere).toEqual([]);
  });

  it.each<[string, Partial<ServerConfig['oauth']>, boolean]>([
    ['the same client', { clientId: 'client-1' }, true],
    ['another client', { clientId: 'client-2' }, false],
    ['another token endpoint', { tokenEndpoint: 'https://auth.example/token', authEndpoint: 'https://auth.example/a' }, false],
    ['another resource', { resource: 'https://else.example/' }, false],
    ['no resource', { omitResource: true }, false],
    ['another account', { account: 'work' }, false],
  ])('is sent when the configuration names %s: %s', async (_, oauth, isSent) => {
    await using tokens = await startTokenServer();
    await using home = await tempHome();
    await storeLogin(home, httpServer(tokens.url), tokens.login(3600));
    const opening = connect(home, withOAuth(tokens.url, oauth));
    if (isSent) await (await opening)[Symbol.asyncDispose]();
    else await expect(opening).rejects.toMatchObject({ code: 'AUTH_REQUIRED', hint: 'log in: mcpctl auth web' });
    expect(tokens.seen.some((sent) => sent !== null)).toBe(isSent);
  });

  it('of the account that logged in last is used, unless the configuration names one; a renewal is no login', async () => {
    await using tokens = await startTokenServer();
    await using home = await tempHome();
    const server = httpServer(tokens.url);
    const of = async (account: string | null) => {
      await using logins = loginsIn(home);
      await logins.refresh();
      return logins.known(withOAuth(tokens.url, { account }))?.account;
    };
    await storeLogin(home, server, tokens.login(3600), { account: 'work' });
    await storeLogin(home, server, tokens.login(-60), { account: 'home' });
    expect([await of(null), await of('work')]).toEqual(['home', 'work']);
    await (await connect(home, server))[Symbol.asyncDispose]();
    expect(tokens.asked).toBe(1);
    await storeLogin(home, server, tokens.login(3600), { account: 'work' });
    expect(await of(null)).toBe('work');
  });
});

describe('a login that takes the place of another', () => {
  it('leaves nothing of the one before, of a token that was brought along neither', async () => {
    await using tokens = await startTokenServer();
    await using home = await tempHome();
    const server = httpServer(tokens.url);
    await using logins = loginsIn(home);
    await logins.save(server, 'cnry-bearer-token', asking);
    await logins.saveLogin(server, { account: 'default', credential: tokens.login(3600) }, asking);
    const other = { ...tokens.login(3600), client: { ...tokens.login(3600).client, clientId: 'client-2' } };
    await logins.saveLogin(server, { account: 'default', credential: other }, asking);
    const { readFile } = await import('node:fs/promises');
    const vault = JSON.parse(await readFile(`${home.stateDir}/credentials.json`, 'utf8')) as { entries: object };
    expect(Object.keys(vault.entries)).toHaveLength(1);
    expect((await logins.storedLogin(server, asking))?.client.clientId).toBe('client-2');
  });
});

describe('an answer of a token endpoint', () => {
  const renewed = async (
    prepare: (tokens: TokenServer) => void,
    more: Partial<OAuthCredential> = {},
    server: (url: string) => ServerConfig = httpServer,
  ) => {
    await using tokens = await startTokenServer();
    await using home = await tempHome();
    const secrets = new Set<string>();
    const config = server(tokens.url);
    const before = tokens.login(-60, more);
    await storeLogin(home, config, before);
    prepare(tokens);
    await (await connect(home, config, { onSecret: (secret) => secrets.add(secret) }))[Symbol.asyncDispose]();
    expect(tokens.granted).toBe(1);
    return { before, after: (await read(home, config))!, secrets, tokens };
  };

  it('without a refresh token and without scopes keeps those of before', async () => {
    const { before, after } = await renewed((tokens) => {
      tokens.extra = { refresh_token: undefined };
    });
    expect(after).toMatchObject({ refreshToken: before.refreshToken, scopes: ['mcp:read'] });
  });

  it('with other scopes has those', async () => {
    const { after } = await renewed((tokens) => {
      tokens.extra = { scope: 'mcp:read mcp:write' };
    });
    expect(after.scopes).toEqual(['mcp:read', 'mcp:write']);
  });

  it.each<[unknown, number | null]>([
    [undefined, null],
    [null, null],
    ['soon', null],
    ['120', 120],
    [0, 0],
    [-3600, 0],
    [1e12, 10 * 366 * 86_400],
  ])('with an expires_in of %j is not lost; it counts as %s s', async (expiresIn, seconds) => {
    const { after } = await renewed((tokens) => {
      tokens.expiresIn = expiresIn;
    });
    const lifeMs = after.expiresAt === null ? null : Date.parse(after.expiresAt) - Date.parse(after.issuedAt);
    expect(lifeMs).toBe(seconds === null ? null : seconds * 1000);
  });

  it('with an ID token, a null and no type of token is taken; every token in it is a secret from then on', async () => {
    const extra = { id_token: 'eyJ-no-jwt-at-all', scope: null, token_type: undefined };
    const { after, secrets } = await renewed((tokens) => {
      tokens.extra = extra;
    });
    expect(after.scopes).toEqual(['mcp:read']);
    for (const secret of ['eyJ-no-jwt-at-all', after.accessToken, after.refreshToken!]) expect(secrets).toContain(secret);
  });

  it.each([['RS256', 'rsa'] as const, ['ES256', 'ec'] as const, ['Ed25519', 'ed25519'] as const])(
    'to a client that signs with %s comes from a signed request',
    async (alg, type) => {
      const { privateKey } =
        type === 'rsa'
          ? generateKeyPairSync('rsa', { modulusLength: 2048 })
          : type === 'ec'
            ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
            : generateKeyPairSync('ed25519');
      await using home = await tempHome();
      const privateKeyFile = await home.write('key.pem', privateKey.export({ type: 'pkcs8', format: 'pem' }));
      const client = { source: 'static', clientId: 'k', clientSecret: null, authMethod: 'private_key_jwt' } as const;
      const { tokens } = await renewed(
        () => {},
        { client: { ...client, redirectUri: null, secretExpiresAt: null } },
        (url) => withOAuth(url, { privateKeyFile, clientId: 'k' }),
      );
      const [header] = tokens.bodies[0]!.get('client_assertion')!.split('.');
      expect(JSON.parse(Buffer.from(header!, 'base64url').toString())).toMatchObject({ alg });
    },
  );
});

describe('a state folder in which no lock can be made', () => {
  it('fails the renewal before anything is asked, and says what to do', async () => {
    await using tokens = await startTokenServer();
    await using home = await tempHome();
    const server = httpServer(tokens.url);
    await storeLogin(home, server, tokens.login(-60));
    await home.write('state/logins', 'a file where a folder should be');
    await expect(connect(home, server)).rejects.toMatchObject({
      code: 'CREDENTIAL_STORE',
      server: 'web',
      hint: expect.stringContaining('correct the permissions'),
    });
    expect(tokens.asked).toBe(0);
  });

  it('is no matter where logins are kept in memory', async () => {
    await using tokens = await startTokenServer();
    await using home = await tempHome();
    const server = httpServer(tokens.url);
    await home.write('state/logins', 'a file where a folder should be');
    await using logins = loginsIn(home, { store: 'memory' });
    await logins.saveLogin(server, { account: 'default', credential: tokens.login(-60) }, asking);
    const credentials = logins.credentialsFor(server)!;
    expect(new Set(await Promise.all([credentials.token(signal), credentials.token(signal)])).size).toBe(1);
    expect(tokens).toMatchObject({ asked: 1, isAlive: true });
  });
});

describe('a client that the authorization server does not know any more', () => {
  it('that registered itself needs a new login; one of the configuration is told what is wrong', async () => {
    for (const source of ['dcr', 'static'] as const) {
      await using tokens = await startTokenServer();
      await using home = await tempHome();
      const server = httpServer(tokens.url);
      const login = tokens.login(-60);
      await storeLogin(home, server, { ...login, client: { ...login.client, source } });
      tokens.mood = 'unknown-client';
      const code = source === 'dcr' ? 'AUTH_REQUIRED' : 'AUTH_FAILED';
      await expect(connect(home, server)).rejects.toMatchObject({ code, message: expect.stringContaining('invalid_client') });
      expect((await read(home, server))!.refreshToken).toBe(source === 'dcr' ? null : login.refreshToken);
    }
  });
});
