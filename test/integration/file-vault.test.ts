/** The encrypted file for tokens: what it hides, what it survives, and that parallel writers all count. */
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FileVault } from '../../src/auth/file-vault.js';
import type { Patience } from '../../src/auth/vault.js';
import { systemClock } from '../../src/core/clock.js';
import { childScript } from '../support/child-script.js';
import { type TempHome, tempHome } from '../support/temp-home.js';

const patience: Patience = { signal: new AbortController().signal, limitMs: 1_000 };
const secret = 'cnry-file-vault-Zq7';

function open(home: TempHome, env: Record<string, string> = {}) {
  const warnings: string[] = [];
  const file = join(home.stateDir, 'credentials.json');
  const vault = new FileVault({ file, env, clock: systemClock, pid: process.pid, onWarning: (text) => warnings.push(text) });
  return {
    vault,
    warnings,
    file,
    get: (name: string) => vault.get(name, patience),
    set: (name: string, value: string) => vault.set(name, value, patience),
  };
}

const contentOf = async (file: string) => JSON.parse(await readFile(file, 'utf8')) as { entries: Record<string, string> };
const trouble = (reason: string) => ({ code: 'CREDENTIAL_STORE', hint: expect.any(String), details: { reason } });

describe('the file', () => {
  it('is 0600 beside a key of 0600, holds nothing readable, and gives back what it was given', async () => {
    await using home = await tempHome();
    const { set, get, file } = open(home);
    expect(await get('a')).toBeUndefined();
    expect(await readdir(home.stateDir)).toEqual([]);
    await set('a', secret);
    await set('b', '');
    expect([await get('a'), await get('b'), await get('c')]).toEqual([secret, '', undefined]);
    expect(await open(home).get('a')).toBe(secret);
    expect((await readdir(home.stateDir)).sort()).toEqual(['credentials.json', 'credentials.key']);
    for (const name of await readdir(home.stateDir)) {
      expect((await stat(join(home.stateDir, name))).mode & 0o777).toBe(0o600);
      const text = await readFile(join(home.stateDir, name), 'latin1');
      expect(text).not.toContain('cnry');
      expect(text).not.toContain(Buffer.from(secret).toString('base64').slice(0, 12));
    }
    expect(file).toBe(join(home.stateDir, 'credentials.json'));
  });

  it('forgets what is deleted, once, also when its key is lost', async () => {
    await using home = await tempHome();
    await open(home, { MCPCTL_VAULT_PASSPHRASE: 'one' }).set('a', secret);
    const { vault } = open(home);
    expect([await vault.delete('a', patience), await vault.delete('a', patience)]).toEqual([true, false]);
  });

  it('encrypts the same token differently each time', async () => {
    await using home = await tempHome();
    const { set, file } = open(home);
    await set('a', secret);
    const first = (await contentOf(file)).entries.a;
    await set('a', secret);
    expect((await contentOf(file)).entries.a).not.toBe(first);
  });

  it('takes its key from MCPCTL_VAULT_KEY before a passphrase, and leaves no key file then', async () => {
    await using home = await tempHome();
    const key = Buffer.alloc(32, 7).toString('base64');
    await open(home, { MCPCTL_VAULT_KEY: key, MCPCTL_VAULT_PASSPHRASE: 'x' }).set('a', secret);
    expect(await readdir(home.stateDir)).toEqual(['credentials.json']);
    expect(await open(home, { MCPCTL_VAULT_KEY: key }).get('a')).toBe(secret);
  });

  it('opens with its passphrase', async () => {
    await using home = await tempHome();
    await open(home, { MCPCTL_VAULT_PASSPHRASE: 'correct horse' }).set('a', secret);
    expect(await open(home, { MCPCTL_VAULT_PASSPHRASE: 'correct horse' }).get('a')).toBe(secret);
    expect(await readdir(home.stateDir)).toEqual(['credentials.json']);
  });
});

describe('a wrong key', () => {
  const key = (byte: number) => ({ MCPCTL_VAULT_KEY: Buffer.alloc(32, byte).toString('base64') });

  it.each([
    ['another passphrase', { MCPCTL_VAULT_PASSPHRASE: 'one' }, { MCPCTL_VAULT_PASSPHRASE: 'two' }, /another passphrase/],
    ['another key', key(1), key(2), /another key/],
    ['no passphrase', { MCPCTL_VAULT_PASSPHRASE: 'one' }, {}, /encrypted with a passphrase, and it is not set/],
    ['a key for a file with a key file', {}, key(1), /encrypted with a key file, and MCPCTL_VAULT_KEY is set/],
    ['a key of 5 bytes', key(1), { MCPCTL_VAULT_KEY: 'aGVsbG8=' }, /MCPCTL_VAULT_KEY is no key: it takes 32 bytes/],
  ] as const)('%s: reading and storing are refused, and the file is as it was', async (_, before, now, message) => {
    await using home = await tempHome();
    const { set, file } = open(home, before);
    await set('a', secret);
    const text = await readFile(file, 'utf8');
    const other = open(home, now);
    await expect(other.get('a')).rejects.toMatchObject({ ...trouble('wrong-key'), message: expect.stringMatching(message) });
    await expect(other.set('b', 'x')).rejects.toMatchObject(trouble('wrong-key'));
    expect(await readFile(file, 'utf8')).toBe(text);
  });

  it('counts for nothing while the file holds no token: the key can be changed then', async () => {
    await using home = await tempHome();
    const first = open(home);
    await first.set('a', secret);
    await first.vault.delete('a', patience);
    await open(home, key(1)).set('a', secret);
    expect(await open(home, key(1)).get('a')).toBe(secret);
  });

  it('a key file that is gone, or holds no key, is told and never replaced', async () => {
    await using home = await tempHome();
    const { set, get } = open(home);
    await set('a', secret);
    const keyFile = join(home.stateDir, 'credentials.key');
    await writeFile(keyFile, 'short\n');
    await expect(get('a')).rejects.toMatchObject({ ...trouble('wrong-key'), message: expect.stringContaining('holds no key') });
    await expect(set('b', 'x')).rejects.toMatchObject(trouble('wrong-key'));
    expect(await readFile(keyFile, 'utf8')).toBe('short\n');
    await rm(keyFile);
    await expect(get('a')).rejects.toMatchObject({ ...trouble('wrong-key'), message: expect.stringContaining('is gone') });
    await expect(set('b', 'x')).rejects.toMatchObject(trouble('wrong-key'));
    expect(await readdir(home.stateDir)).toEqual(['credentials.json']);
  });
});

describe('a damaged file', () => {
  it.each(['', '{', '[]', '{"version":2}', '{"version":1,"key":"x"}', '\0\0\0'])(
    '%j is put aside whole, told once, and the next token finds a new file',
    async (damage) => {
      await using home = await tempHome();
      const { set, get, warnings, file } = open(home);
      await set('a', secret);
      await writeFile(file, damage);
      expect(await get('a')).toBeUndefined();
      expect(await get('a')).toBeUndefined();
      const kept = (await readdir(home.stateDir)).filter((name) => name.includes('damaged'));
      expect(kept).toHaveLength(1);
      expect(await readFile(join(home.stateDir, kept[0]!), 'utf8')).toBe(damage);
      expect(warnings).toEqual([expect.stringContaining(kept[0]!)]);
      await set('a', 'again');
      expect(await get('a')).toBe('again');
    },
  );

  it('an entry that was changed, or put in the place of another, is refused and the others are read', async () => {
    await using home = await tempHome();
    const { set, get, file } = open(home);
    for (const name of ['a', 'b', 'c']) await set(name, `token of ${name}`);
    const content = await contentOf(file);
    const { a, b, c } = content.entries as { a: string; b: string; c: string };
    const flipped = Buffer.from(b, 'base64');
    flipped[20]! ^= 1;
    await writeFile(file, JSON.stringify({ ...content, entries: { a: c, b: flipped.toString('base64'), c } }));
    await expect(get('a')).rejects.toMatchObject(trouble('damaged'));
    await expect(get('b')).rejects.toMatchObject(trouble('damaged'));
    expect(await get('c')).toBe('token of c');
    expect(a).not.toBe(c);
  });

  it('a folder in its place is an error, told as one of the store', async () => {
    await using home = await tempHome();
    const { get, set, file } = open(home);
    await mkdir(file);
    await expect(get('a')).rejects.toMatchObject({ code: 'CREDENTIAL_STORE' });
    await expect(set('a', secret)).rejects.toMatchObject({ code: 'CREDENTIAL_STORE' });
  });
});

it('four processes that store 25 tokens each lose none of them', { timeout: 60_000 }, async () => {
  await using home = await tempHome();
  const start = await childScript(
    home,
    `import { FileVault } from './auth/file-vault.js';
     import { systemClock } from './core/clock.js';
     const [who, file] = process.argv.slice(2);
     const vault = new FileVault({ file, env: {}, clock: systemClock, pid: process.pid, onWarning: console.error });
     for (let i = 0; i < 25; i++) await vault.set(who + i, 'token ' + who + i, { signal: new AbortController().signal, limitMs: 1000 });`,
  );
  const { file, get } = open(home);
  const all = await Promise.all(['a', 'b', 'c', 'd'].map((who) => start(who, file).finished));
  expect(all.map(({ code, stderr }) => [code, stderr])).toEqual(Array(4).fill([0, '']));
  for (const who of ['a', 'b', 'c', 'd']) for (let i = 0; i < 25; i++) expect(await get(`${who}${i}`)).toBe(`token ${who}${i}`);
  expect(Object.keys((await contentOf(file)).entries)).toHaveLength(100);
});
