/** What is stored of a login comes back as it was, and nothing else is taken for one. */
import { describe, expect, it } from 'vitest';
import { type Credential, fromText, isRenewable, secretsOf, toText } from '../../../src/auth/credential.js';
import type { OAuthCredential } from '../../../src/auth/oauth.js';
import { fits, parameterOf } from '../../../src/auth/server-credentials.js';
import { accountsFor, wantedScopes } from '../../../src/config/accounts.js';
import { hashOf } from '../../../src/config/canonical.js';
import { defaults } from '../../../src/config/defaults.js';

const login: OAuthCredential = {
  kind: 'oauth',
  grant: 'authorization_code',
  issuer: 'https://auth.example',
  client: { source: 'dcr', clientId: 'c', clientSecret: 's', authMethod: 'none', redirectUri: null, secretExpiresAt: null },
  tokenEndpoint: 'https://auth.example/token',
  revocationEndpoint: null,
  resource: 'https://mcp.example/mcp',
  accessToken: 'access',
  refreshToken: 'refresh',
  scopes: ['a'],
  issuedAt: '2026-01-01T00:00:00.000Z',
  expiresAt: null,
  generation: 'g',
};

describe('a credential', () => {
  it.each<[Credential]>([[login], [{ ...login, refreshToken: null }], [{ kind: 'bearer', token: 't' }]])(
    'is read as it was written: %j',
    (credential) => {
      expect(fromText(toText(credential))).toEqual(credential);
    },
  );

  it.each<[string, unknown]>([
    ['no JSON', undefined],
    ['of another version', { version: 2, ...login }],
    ['of another kind', { version: 1, ...login, kind: 'password' }],
    ...Object.keys(login)
      .filter((key) => key !== 'kind')
      .map((key): [string, unknown] => [`with a number for ${key}`, { version: 1, ...login, [key]: 7 }]),
    ['with a scope that is none', { version: 1, ...login, scopes: ['a', 1] }],
    ['with a client that is none', { version: 1, ...login, client: { ...login.client, authMethod: 'magic' } }],
  ])('%s is none', (_, value) => {
    expect(fromText(value === undefined ? '{' : JSON.stringify(value))).toBeUndefined();
  });

  it('names its secrets, and whether it can be renewed', () => {
    expect(secretsOf(login)).toEqual(['access', 'refresh', 's']);
    expect([login, { ...login, refreshToken: null }].map(isRenewable)).toEqual([true, false]);
    expect(isRenewable({ ...login, refreshToken: null, grant: 'client_credentials' })).toBe(true);
  });

  it('fits the configuration that it was made with', () => {
    expect(fits(login, defaults.oauth)).toBe(true);
    expect(fits(login, { ...defaults.oauth, clientId: 'd' })).toBe(false);
    expect(fits({ ...login, resource: null }, { ...defaults.oauth, omitResource: true })).toBe(true);
  });
});

describe('a parameter of a challenge', () => {
  it.each([
    ['Bearer error="insufficient_scope", scope="a b"', 'insufficient_scope', 'a b'],
    ['Bearer scope=a,error=insufficient_scope', 'insufficient_scope', 'a'],
    ['Basic realm="error=x", Bearer ERROR="insufficient_scope"', 'insufficient_scope', undefined],
    ['Bearer error_description="error", scope="say \\"hi\\""', undefined, 'say "hi"'],
    [null, undefined, undefined],
  ])('is found in %j', (header, error, scope) => {
    expect([parameterOf(header, 'error'), parameterOf(header, 'scope')]).toEqual([error, scope]);
  });
});

describe('the index of accounts', () => {
  const resource = 'https://mcp.example/mcp';
  const record = { store: 'file', savedAt: '2026-01-01T00:00:00.000Z' };
  const settings = (accounts: object) => ({ accounts: { [hashOf(resource)]: accounts } });

  it('knows a record of an earlier version, and leaves out what is none', () => {
    const found = accountsFor(
      settings({ a: record, b: { ...record, issuedAt: 3 }, c: 'x', d: { ...record, store: 'paper' } }),
      resource,
    );
    expect([...found]).toEqual([
      ['a', { ...record, issuer: null, client: null, issuedAt: null, expiresAt: null, scopes: [], renewable: false }],
    ]);
  });

  it.each([[undefined], [{}], [{ wantedScopes: 7 }], [{ wantedScopes: { [hashOf(resource)]: { a: { scopes: 'all' } } } }]])(
    'has no wanted scopes in %j',
    (value) => {
      expect(wantedScopes(value ?? {}, resource, 'a')).toEqual([]);
    },
  );
});
