/** From a login to a connection: how often a person is asked, what is stored before anybody is, and what a failed connection means. */
import { describe, expect, it } from 'vitest';
import type { LoginRequest } from '../../../src/auth/login.js';
import type { OAuthCredential } from '../../../src/auth/oauth.js';
import { McpctlError } from '../../../src/core/errors.js';
import { Authorization, type AuthorizationParts, type AuthorizeRequest } from '../../../src/manager/authorize.js';
import { serverConfig } from '../../support/fake-connection.js';

const request: AuthorizeRequest = { kind: 'browser', opensBrowser: true, scopes: null, account: null };

const needs = (...scopes: string[]) => new McpctlError('AUTH_REQUIRED', 'more, please', { details: { status: 403, scopes } });

interface Situation {
  /** What each connection ends with; the last one for ever. */
  readonly connects?: readonly (McpctlError | Error | undefined)[];
  readonly problem?: { code: string; message: string; hint: string | null };
  readonly stored?: Partial<OAuthCredential> | McpctlError;
  readonly status?: string;
}

function setUp({ connects = [undefined], problem, stored, status = 'connected' }: Situation = {}) {
  const logins: LoginRequest[] = [];
  const saved: string[] = [];
  const notes: string[] = [];
  let connected = 0;
  const parts = {
    server: { config: { ...serverConfig(), name: 'web' }, life: { state: { status } } },
    flows: {
      login: async (_: unknown, given: LoginRequest) => {
        logins.push(given);
        const credential = { issuer: 'https://as.example', scopes: ['a'], expiresAt: null };
        return { account: given.earlier.account, credential };
      },
    },
    logins: {
      check: () => 'https://mcp.example/',
      refresh: async () => {},
      describe: async () => ({ problem: problem ?? null }),
      accountFor: () => 'in use',
      storedLogin: async () => {
        if (stored instanceof McpctlError) throw stored;
        return stored;
      },
      wantedScopes: async () => ['w'],
      saveLogin: async (_: unknown, { account }: { account: string }) => {
        saved.push(account);
        return { resource: 'https://mcp.example/', account, store: 'file', file: null, announcement: 'told once' };
      },
    },
    reconnect: async () => {
      const end = connects[Math.min(connected++, connects.length - 1)];
      if (end) throw end;
    },
    told: <T>(work: () => Promise<T>) => work(),
  } as unknown as AuthorizationParts;
  const person = { signal: new AbortController().signal, note: (text: string) => void notes.push(text), isAttended: false };
  const login = (more: Partial<AuthorizeRequest> = {}) => new Authorization(parts).login({ ...request, ...more }, person);
  return { login, logins, saved, notes, connections: () => connected };
}

describe('a login', () => {
  it('is for the account in use, with what is known of it, is stored, and connects', async () => {
    const it = setUp({ stored: { scopes: ['s'] } });
    const { data, error } = await it.login();
    expect(error).toBeUndefined();
    expect(data).toMatchObject({ server: 'web', account: 'in use', store: 'file', status: 'connected', scopes: ['a'] });
    expect(it.logins[0]!.earlier).toEqual({ account: 'in use', login: { scopes: ['s'] }, wantedScopes: ['w'] });
    expect(it.saved).toEqual(['in use']);
    expect(it.notes).toEqual(['note: told once']);
  });

  it('is for the account that was named', async () => {
    const it = setUp();
    expect((await it.login({ account: 'work' })).data.account).toBe('work');
  });

  it('is asked for at most 3 times when the server wants more scopes each time', async () => {
    const it = setUp({ connects: [needs('b'), needs('c'), needs('d'), needs('e')] });
    const { error } = await it.login();
    expect(it.logins).toHaveLength(3);
    expect(error).toMatchObject({ code: 'AUTH_REQUIRED', details: { scopes: ['d'] } });
  });

  it.each<[string, readonly McpctlError[], Partial<AuthorizeRequest>]>([
    ['the scopes were given already', [needs('a')], {}],
    ['the person named the scopes', [needs('b')], { scopes: ['a'] }],
    ['the server is not there', [new McpctlError('UNAVAILABLE', 'gone')], {}],
  ])('is asked for once when %s; the login is kept, and the error told', async (_, connects, more) => {
    const it = setUp({ connects });
    const { data, error } = await it.login(more);
    expect(it.logins).toHaveLength(1);
    expect(it.saved).toHaveLength(1);
    expect(data.server).toBe('web');
    expect(error).toBe(connects[0]);
  });

  it('to a disabled server connects to nothing', async () => {
    const it = setUp({ status: 'disabled' });
    expect((await it.login()).data.status).toBe('disabled');
    expect(it.connections()).toBe(0);
  });

  it('is not begun when there is no place to keep it', async () => {
    const it = setUp({ problem: { code: 'CREDENTIAL_STORE', message: 'The keychain is locked', hint: 'unlock it' } });
    await expect(it.login()).rejects.toMatchObject({ code: 'CREDENTIAL_STORE', hint: 'unlock it', server: 'web' });
    expect(it.logins).toEqual([]);
  });

  it('takes the place of one that is damaged; another trouble of the store is told', async () => {
    const trouble = (reason: string) => new McpctlError('CREDENTIAL_STORE', 'no', { details: { reason } });
    expect((await setUp({ stored: trouble('damaged') }).login()).data.server).toBe('web');
    await expect(setUp({ stored: trouble('locked') }).login()).rejects.toMatchObject({ details: { reason: 'locked' } });
  });

  it('with a bug in the connection is that bug, not an outcome', async () => {
    await expect(setUp({ connects: [new TypeError('bug')] }).login()).rejects.toThrow(TypeError);
  });
});
