/** Logins that are stored: renewed once by many processes, kept when the authorization server is down, over when it says so. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CredentialStore } from '../../src/config/schema.js';
import { keychainComponents, startKeychain } from '../support/keychain.js';
import { needs } from '../support/needs.js';
import { type RunOptions, runCli, startCli } from '../support/run-cli.js';
import { httpServer, loginsIn, storeLogin } from '../support/stored-login.js';
import type { TempHome } from '../support/temp-home.js';
import { keys, startTerminal } from '../support/terminal.js';
import { startTokenServer, type TokenServer } from '../support/token-server.js';
import { waitFor } from '../support/wait-for.js';
import { documentOf, errorOf, expectHumanError, homeWith } from './kit.js';

const signal = new AbortController().signal;
const inFile = { MCPCTL_CREDENTIAL_STORE: 'file' };

async function loggedIn(tokens: TokenServer, seconds: number | null, more: Parameters<TokenServer['login']>[1] = {}) {
  const home = await homeWith({ web: { url: tokens.url } });
  const login = tokens.login(seconds, more);
  await storeLogin(home, httpServer(tokens.url), login);
  return { home, login };
}

function cli(home: TempHome, env: Readonly<Record<string, string | undefined>> = inFile) {
  return (line: string, more: Partial<RunOptions> = {}) => runCli(line.split(' '), { home, env, timeoutMs: 60_000, ...more });
}

async function storedIn(home: TempHome, tokens: TokenServer, store: CredentialStore = 'file', env = {}) {
  await using logins = loginsIn(home, { store, env });
  return await logins.storedLogin(httpServer(tokens.url), { signal, isAttended: false });
}

describe('an expired token', () => {
  it('is renewed before the call: 1 token request, the new one is stored, and the next call asks for none', async () => {
    await using tokens = await startTokenServer();
    const { home, login } = await loggedIn(tokens, -60);
    await using _ = home;
    const run = cli(home);
    expect(documentOf(await run('status --no-connect --json'))).toMatchObject({
      servers: [{ auth: { state: 'expired', account: 'default', scopes: ['mcp:read'], expiresAt: login.expiresAt } }],
    });
    expect(await run('call web/read')).toMatchObject({ code: 0, stdout: 'inside\n' });
    expect(await run('call web/read')).toMatchObject({ code: 0 });
    expect(tokens).toMatchObject({ asked: 1, granted: 1, isAlive: true });
    expect(Object.fromEntries(tokens.bodies[0]!)).toEqual({
      grant_type: 'refresh_token',
      refresh_token: login.refreshToken,
      client_id: 'client-1',
      resource: tokens.url,
    });
    expect(tokens.statuses).not.toContain(401);
    const stored = await storedIn(home, tokens);
    expect(stored?.refreshToken).not.toBe(login.refreshToken);
    const shown = await run('auth');
    expect(shown.stdout).toMatch(/^web +valid +default +mcp:read +in 60 m +file +http/m);
    expect(documentOf(await run('auth --json'))).toMatchObject({
      servers: [{ server: 'web', state: 'valid', account: 'default', scopes: ['mcp:read'], otherAccounts: [], store: 'file' }],
    });
  });

  it('of a machine is renewed by a new grant, with the secret of the client', async () => {
    await using tokens = await startTokenServer();
    const { home } = await loggedIn(tokens, -60, {
      grant: 'client_credentials',
      refreshToken: null,
      client: {
        source: 'static',
        clientId: 'a-b',
        clientSecret: 'cnry-secret-1',
        authMethod: 'client_secret_basic',
        redirectUri: null,
        secretExpiresAt: null,
      },
    });
    await using _ = home;
    expect(await cli(home)('call web/read')).toMatchObject({ code: 0 });
    expect(tokens.bodies[0]!.get('grant_type')).toBe('client_credentials');
    expect(tokens.authorizations[0]).toBe(`Basic ${Buffer.from('a-b:cnry-secret-1').toString('base64')}`);
  });
});

describe('20 processes with one rotating refresh token', () => {
  const calls = async (home: TempHome, env: Readonly<Record<string, string | undefined>>) => {
    const results = await Promise.all(Array.from({ length: 20 }, () => cli(home, env)('call web/read --quiet')));
    const told = results.map(({ code, stderr }) => `${code} ${stderr}`);
    expect(told).toEqual(Array.from({ length: 20 }, () => '0 '));
  };

  it('in the encrypted file: 1 token request, 20 successes, the login alive', { timeout: 90_000 }, async () => {
    await using tokens = await startTokenServer();
    const { home } = await loggedIn(tokens, -60);
    await using _ = home;
    await calls(home, inFile);
    expect(tokens).toMatchObject({ asked: 1, granted: 1, isAlive: true });
  });

  it('in the keychain: 1 token request, 20 successes, the login alive', {
    timeout: 90_000,
    ...needs(...keychainComponents),
  }, async () => {
    await using tokens = await startTokenServer();
    await using home = await homeWith({ web: { url: tokens.url } });
    await using keychain = await startKeychain(home, 'unlocked');
    await storeLogin(home, httpServer(tokens.url), tokens.login(-60), { store: 'auto', env: keychain.env });
    await calls(home, keychain.env);
    expect(tokens).toMatchObject({ asked: 1, granted: 1, isAlive: true });
    expect((await storedIn(home, tokens, 'auto', keychain.env))?.refreshToken).toBeTruthy();
  });
});

describe('a process that is killed while it renews', () => {
  it('is followed by the others: both calls succeed within 35 s', { timeout: 60_000 }, async () => {
    await using tokens = await startTokenServer();
    tokens.delayMs = 5_000;
    const { home } = await loggedIn(tokens, -60);
    await using _ = home;
    await using holder = startCli(['call', 'web/read'], { home, env: inFile });
    await waitFor(() => tokens.asked === 1);
    const others = [cli(home)('call web/read'), cli(home)('call web/read')];
    tokens.delayMs = 0;
    holder.kill('SIGKILL');
    for (const { code, ms } of await Promise.all(others)) {
      expect(code).toBe(0);
      expect(ms).toBeLessThan(35_000);
    }
    expect(tokens).toMatchObject({ granted: 1, isAlive: true });
  });

  it('around the answer, at 10 moments, leaves a store that can be read, no wrong token, and at worst a new login to do', {
    timeout: 120_000,
  }, async () => {
    await using tokens = await startTokenServer();
    const { home } = await loggedIn(tokens, -60);
    await using _ = home;
    for (let round = 0; round < 10; round++) {
      const killed = startCli(['call', 'web/read'], { home, env: inFile });
      const given = new Promise<void>((resolve) => {
        tokens.onGrant = resolve;
      });
      await Promise.race([given, killed.exited]);
      await new Promise((resolve) => setTimeout(resolve, round * 3));
      killed.kill('SIGKILL');
      await killed.exited;
      tokens.onGrant = undefined;
      const next = await cli(home)('call web/read --json');
      expect(await storedIn(home, tokens)).toBeDefined();
      if (next.code !== 0) {
        // Spent, and its successor not stored: nobody can know that one any more.
        expect(errorOf(next)).toMatchObject({ code: 'AUTH_REQUIRED', hint: 'log in anew: mcpctl auth web' });
        expect(tokens.isAlive).toBe(false);
      }
      await storeLogin(home, httpServer(tokens.url), tokens.login(-60));
    }
    expect(await cli(home)('call web/read')).toMatchObject({ code: 0 });
    expect(tokens.seen.filter((sent) => !tokens.issued.has(sent?.replace('Bearer ', '') ?? ''))).toEqual([]);
  });
});

describe('Ctrl-C while a login is renewed', () => {
  it('ends with 130, and the new token that still comes within 2 s is not lost', async () => {
    await using tokens = await startTokenServer();
    tokens.delayMs = 1_000;
    const { home } = await loggedIn(tokens, -60);
    await using _ = home;
    await using waiting = startCli(['call', 'web/read'], { home, env: inFile });
    await waitFor(() => tokens.asked === 1);
    waiting.kill('SIGINT');
    expect((await waiting.exited).code).toBe(130);
    tokens.delayMs = 0;
    expect(await cli(home)('call web/read')).toMatchObject({ code: 0 });
    expect(tokens).toMatchObject({ asked: 1, isAlive: true });
  });
});

describe('a session', () => {
  it('whose login ends while it is open needs a login, and says the command', async () => {
    await using tokens = await startTokenServer();
    const { home } = await loggedIn(tokens, 3600);
    await using _ = home;
    await using terminal = startTerminal([], { home, env: inFile });
    await terminal.waitFor('mcpctl>');
    terminal.type(`call web/read${keys.enter}`);
    await terminal.waitFor('inside');
    tokens.expire();
    terminal.type(`call web/read${keys.enter}`);
    await waitFor(() => tokens.granted === 1);
    tokens.expire();
    tokens.revokeLogin();
    terminal.type(`call web/read${keys.enter}`);
    await terminal.waitFor('log in anew: mcpctl auth web');
    const after = terminal.text.length;
    terminal.type(`status${keys.enter}`);
    await terminal.waitFor('1 needs-auth', { after });
    terminal.type(keys.ctrlD);
    expect((await terminal.exited).code).toBe(0);
  });
});

describe('an authorization server that is down', () => {
  it.each([['error-500' as const], ['reset' as const], ['busy' as const], ['not-json' as const]])(
    '(%s): AUTH_UNAVAILABLE, exit 3, no browser, and the login is kept and works later',
    async (mood) => {
      await using tokens = await startTokenServer();
      tokens.mood = mood;
      const { home, login } = await loggedIn(tokens, -60);
      await using _ = home;
      const opened = join(home.path, 'opened');
      const env = { ...inFile, BROWSER: `touch ${opened}` };
      const result = await cli(home, env)('call web/read --json');
      expect(result.code).toBe(3);
      expect(errorOf(result)).toMatchObject({ code: 'AUTH_UNAVAILABLE', server: 'web' });
      expect(tokens.asked).toBe(1);
      expect(tokens.seen).toEqual([]);
      expect(() => readFileSync(opened)).toThrow('ENOENT');
      expect(await storedIn(home, tokens)).toEqual(login);
      const status = documentOf(await cli(home)('status --json')) as { servers: object[] };
      expect(status.servers).toMatchObject([
        { status: 'error', lastError: { code: 'AUTH_UNAVAILABLE' }, auth: { state: 'expired' } },
      ]);
      tokens.mood = 'well';
      expect(await cli(home)('call web/read')).toMatchObject({ code: 0 });
    },
  );

  it('that says nothing for 30 s is given up after 10 s by everybody who waits, with 1 request', {
    timeout: 40_000,
  }, async () => {
    await using tokens = await startTokenServer();
    tokens.mood = 'silent';
    const { home, login } = await loggedIn(tokens, -60);
    await using _ = home;
    const results = await Promise.all([1, 2, 3].map(() => cli(home)('call web/read --json')));
    for (const result of results) {
      expect(errorOf(result).code).toBe('AUTH_UNAVAILABLE');
      expect(result.ms).toBeLessThan(20_000);
    }
    expect(tokens.asked).toBe(1);
    expect(await storedIn(home, tokens)).toEqual(login);
  });

  it('does not stop a token that still works for half a minute', async () => {
    await using tokens = await startTokenServer();
    tokens.mood = 'error-500';
    const { home } = await loggedIn(tokens, 30);
    await using _ = home;
    expect(await cli(home)('call web/read')).toMatchObject({ code: 0, stdout: 'inside\n' });
    expect(tokens.asked).toBe(1);
  });
});

describe('a login that the provider ended', () => {
  it('needs a new one, and says the command; nothing is asked again', async () => {
    await using tokens = await startTokenServer();
    const { home, login } = await loggedIn(tokens, -60);
    await using _ = home;
    tokens.revokeLogin();
    const run = cli(home);
    const first = await run('call web/read');
    expect(first.code).toBe(3);
    expectHumanError(first.stderr, 'The login of "web" has ended');
    expect(first.stderr).toContain('hint: log in anew: mcpctl auth web\n');
    expect(errorOf(await run('call web/read --json')).code).toBe('AUTH_REQUIRED');
    expect(tokens.asked).toBe(1);
    expect(documentOf(await run('status --json'))).toMatchObject({
      servers: [
        { status: 'needs-auth', auth: { state: 'required' }, lastError: { hint: expect.stringContaining('mcpctl auth web') } },
      ],
    });
    expect((await run('status --check')).code).toBe(3);
    // It repeated the refresh token in its error.
    const files = readdirSync(home.path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const texts = files.map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
    for (const text of [first.stdout, first.stderr, ...texts]) {
      expect(text).not.toContain(login.refreshToken);
      expect(text).not.toContain(login.accessToken);
    }
    // Who we are there is kept for the next login.
    expect(await storedIn(home, tokens)).toMatchObject({ refreshToken: null, client: login.client });
  });

  it('whose tokens the server refuses, new ones too, costs 2 requests and 1 renewal', async () => {
    await using tokens = await startTokenServer();
    const { home } = await loggedIn(tokens, 3600);
    await using _ = home;
    tokens.refusesAll = true;
    const result = await cli(home)('call web/read --json');
    expect(errorOf(result)).toMatchObject({ code: 'AUTH_REQUIRED', hint: 'log in anew: mcpctl auth web' });
    expect(tokens).toMatchObject({ asked: 1, granted: 1 });
    expect(tokens.seen).toHaveLength(2);
  });
});

describe('a call that needs more than the login may do', () => {
  it('ends with AUTH_REQUIRED and the scopes, which are remembered; a plain 403 is a refusal', async () => {
    await using tokens = await startTokenServer();
    const { home } = await loggedIn(tokens, 3600);
    await using _ = home;
    const run = cli(home);
    const result = await run('call web/write --json');
    expect(result.code).toBe(3);
    expect(errorOf(result)).toMatchObject({
      code: 'AUTH_REQUIRED',
      hint: 'allow it: mcpctl auth web',
      details: { scopes: ['mcp:write', 'mcp:read'] },
    });
    expect(tokens.statuses.filter((status) => status === 403)).toHaveLength(1);
    await using logins = loginsIn(home);
    expect(await logins.wantedScopes(httpServer(tokens.url), 'default')).toEqual(['mcp:write', 'mcp:read']);
    expect(errorOf(await run('call web/forbidden --json'))).toMatchObject({ code: 'REQUEST_REFUSED' });
    expect(tokens.asked).toBe(0);
    // The next login asks for them; then they are no wish any more.
    await storeLogin(home, httpServer(tokens.url), tokens.login(3600));
    expect(await logins.wantedScopes(httpServer(tokens.url), 'default')).toEqual([]);
  });
});

describe('logout', () => {
  it('revokes the refresh token, then the access token, and deletes both', async () => {
    await using tokens = await startTokenServer();
    const { home } = await loggedIn(tokens, 3600);
    await using _ = home;
    expect(await cli(home)('logout web')).toMatchObject({ code: 0, stderr: '', stdout: 'The token of web is deleted.\n' });
    expect(tokens.revoked).toEqual(['refresh_token', 'access_token']);
    expect(await storedIn(home, tokens)).toBeUndefined();
    expect((await cli(home)('call web/read')).stderr).toContain('hint: log in: mcpctl auth web\n');
  });

  it('deletes all the same when the provider does not answer, and says so', async () => {
    await using tokens = await startTokenServer();
    const { home } = await loggedIn(tokens, 3600);
    await using _ = home;
    tokens.mood = 'error-500';
    const result = await cli(home)('logout web');
    expect(result).toMatchObject({ code: 0, stdout: 'The token of web is deleted.\n' });
    expect(result.stderr).toMatch(/^warning: .*it is deleted here, and may be good for a while at the provider/);
    expect(await storedIn(home, tokens)).toBeUndefined();
  });

  it('ends one account, the other is used from then on, and --all-accounts ends both', async () => {
    await using tokens = await startTokenServer();
    await using home = await homeWith({ web: { url: tokens.url } });
    const server = httpServer(tokens.url);
    for (const account of ['work', 'home']) await storeLogin(home, server, tokens.login(3600), { account });
    const run = cli(home);
    expect((await run('auth')).stdout).toMatch(/^web +valid +home \+1 /m);
    await home.writeConfig({ mcpServers: { web: { url: tokens.url } } });
    expect(documentOf(await run('logout web --json'))).toEqual({ server: 'web', accounts: ['home'] });
    expect((await run('auth')).stdout).toMatch(/^web +valid +work /m);
    await storeLogin(home, server, tokens.login(3600), { account: 'home' });
    expect(documentOf(await run('logout web --all-accounts --json'))).toEqual({ server: 'web', accounts: ['home', 'work'] });
    expect(tokens.revoked).toHaveLength(6);
  });
});
