/** Which place a token goes to, what the index says of it, and what happens when a place fails. */
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AccountIndex } from '../../src/auth/account-index.js';
import { type CredentialKey, entryName, resourceOf } from '../../src/auth/credential.js';
import type { FileVault } from '../../src/auth/file-vault.js';
import { TokenStore } from '../../src/auth/token-store.js';
import { MemoryVault, type Patience, type Vault, vaultError } from '../../src/auth/vault.js';
import { FakeClock } from '../support/fake-clock.js';
import { type TempHome, tempHome } from '../support/temp-home.js';

const patience: Patience = { signal: new AbortController().signal, limitMs: 1 };
const key: CredentialKey = { issuer: null, resource: 'https://example.com/mcp', client: null, account: 'default' };
const bearer = (token: string) => ({ kind: 'bearer', token }) as const;

/** Works until it is told how it fails. */
class SteeredVault implements Vault {
  readonly inner = new MemoryVault();
  trouble: Error | undefined;
  asked = 0;
  constructor(readonly kind: 'keychain' | 'file') {}
  readonly file = '/state/credentials.json';
  readonly keyOrigin = 'key-file';
  get = (name: string) => this.#do(() => this.inner.get(name));
  set = (name: string, value: string) => this.#do(() => this.inner.set(name, value));
  delete = (name: string) => this.#do(() => this.inner.delete(name));
  async #do<T>(work: () => Promise<T>): Promise<T> {
    this.asked++;
    if (this.trouble) throw this.trouble;
    return work();
  }
}

let home: TempHome;
beforeAll(async () => {
  home = await tempHome();
});
afterAll(() => home[Symbol.asyncDispose]());

let count = 0;
let keychain: SteeredVault;
let file: SteeredVault;
let index: AccountIndex;
let store: TokenStore;
beforeEach(() => {
  keychain = new SteeredVault('keychain');
  file = new SteeredVault('file');
  index = new AccountIndex(join(home.path, `config-${++count}`), {});
  store = new TokenStore({
    keychain,
    file: file as unknown as FileVault,
    memory: new MemoryVault(),
    index,
    clock: new FakeClock(),
    profile: '/p',
  });
});

const missing = vaultError('missing', 'There is no keychain here');
const locked = vaultError('locked', 'The keychain is locked');

describe('auto', () => {
  it('uses the keychain, and takes an older token out of the file', async () => {
    keychain.trouble = missing;
    expect(await store.set(key, bearer('old'), 'auto', patience)).toEqual({ store: 'file', reason: 'There is no keychain here' });
    keychain.trouble = undefined;
    expect(await store.set(key, bearer('new'), 'auto', patience)).toEqual({ store: 'keychain', reason: null });
    expect(await file.inner.get(entryName(key, '/p'))).toBeUndefined();
    expect(await store.get(key, 'auto', patience)).toEqual(bearer('new'));
  });

  it.each([locked, vaultError('silent', 'x'), vaultError('failed', 'x')])(
    'fails with a keychain that is $details.reason: the file stays as it is',
    async (trouble) => {
      keychain.trouble = trouble;
      await expect(store.set(key, bearer('t'), 'auto', patience)).rejects.toBe(trouble);
      expect(file.asked).toBe(0);
      expect(store.list(key.resource, 'auto')).toEqual([]);
    },
  );

  it('reads from where the token is, never from the other place', async () => {
    await store.set(key, bearer('t'), 'auto', patience);
    keychain.trouble = missing;
    const before = file.asked;
    await expect(store.get(key, 'auto', patience)).rejects.toBe(missing);
    expect(file.asked).toBe(before);
  });

  it('deletes from both places, and keeps the login when its own place refuses', async () => {
    await store.set(key, bearer('t'), 'auto', patience);
    keychain.trouble = locked;
    await expect(store.delete(key, 'auto', patience)).rejects.toBe(locked);
    expect(store.list(key.resource, 'auto')).toEqual([key]);
    keychain.trouble = undefined;
    expect(await store.delete(key, 'auto', patience)).toBe(true);
    expect(await store.delete(key, 'auto', patience)).toBe(false);
    expect(store.list(key.resource, 'auto')).toEqual([]);
  });

  it('describes a locked keychain as a problem, a missing one as the reason for the file', async () => {
    keychain.trouble = locked;
    expect(await store.describe('auto', patience)).toMatchObject({ store: 'keychain', problem: { code: 'CREDENTIAL_STORE' } });
    keychain.trouble = missing;
    expect(await store.describe('auto', patience)).toMatchObject({ store: 'file', reason: missing.message, problem: null });
  });
});

describe('a store that is asked for by name', () => {
  it('is the only one that is used, for reading too', async () => {
    keychain.trouble = missing;
    await expect(store.set(key, bearer('t'), 'keychain', patience)).rejects.toBe(missing);
    keychain.trouble = undefined;
    await store.set(key, bearer('in the keychain'), 'keychain', patience);
    expect(await store.get(key, 'file', patience)).toBeUndefined();
    expect(await store.get(key, 'auto', patience)).toEqual(bearer('in the keychain'));
    await store.set(key, bearer('in memory'), 'memory', patience);
    expect(await store.get(key, 'memory', patience)).toEqual(bearer('in memory'));
  });
});

describe('the index', () => {
  it('asks no place for an address without a login', async () => {
    expect(await store.get(key, 'auto', patience)).toBeUndefined();
    expect([keychain.asked, file.asked]).toEqual([0, 0]);
  });

  it('is seen by another process, and holds neither token nor address', async () => {
    await store.set(key, bearer('cnry-token'), 'auto', patience);
    const other = new AccountIndex(index.configDir, {});
    expect(other.of(key.resource, 'auto').size).toBe(0);
    await other.refresh();
    expect(other.of(key.resource, 'auto').get('default')).toMatchObject({ store: 'keychain', expiresAt: null, scopes: [] });
    expect(other.of(key.resource, 'file').size).toBe(0);
    expect(other.of(`${key.resource}/x`, 'auto').size).toBe(0);
  });
});

describe('the name of an entry', () => {
  it('differs in each part of the key and in the configuration', () => {
    const keys: CredentialKey[] = [
      key,
      { ...key, issuer: 'https://as.example' },
      { ...key, client: 'c' },
      { ...key, account: 'work' },
      { ...key, resource: 'https://example.com/other' },
    ];
    const names = [...keys.map((one) => entryName(one, '/p')), entryName(key, '/q')];
    expect(new Set(names).size).toBe(6);
    expect(names[0]).toMatch(/^default@example\.com [0-9a-f]{32}$/);
  });

  it.each([
    ['https://Example.com:443/mcp?tenant=1#x', 'https://example.com/mcp'],
    ['https://example.com', 'https://example.com/'],
    ['http://u:p@example.com:8080/a/../b', 'http://example.com:8080/b'],
  ])('is for an address without query and fragment: %s', (url, resource) => {
    expect(resourceOf(url)).toBe(resource);
  });
});
