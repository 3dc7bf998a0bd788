/** The key of the encrypted file: given in the environment, made from a passphrase, or lying in a file of its own beside it. */
import { randomBytes, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import type { Env } from '../config/paths.js';
import { readFileIfExists, writeFileAtomic } from '../io/atomic-file.js';
import { vaultError } from './vault.js';

/** Where a key comes from; written into the file that it encrypts. */
export type KeyOrigin = 'key' | 'passphrase' | 'key-file';

export const keyBytes = 32;

/** 64 MB and 0.15 s a guess: OWASP's cheat sheet on storing passwords asks for this much of scrypt. */
const scryptCost = { N: 2 ** 16, r: 8, p: 1, maxmem: 128 * 1024 ** 2 };
const derive = promisify<string, Buffer, number, typeof scryptCost, Buffer>(scrypt);

/** Which of the three the environment asks for. */
export function wantedOrigin(env: Env): KeyOrigin {
  if (env.MCPCTL_VAULT_KEY) return 'key';
  return env.MCPCTL_VAULT_PASSPHRASE ? 'passphrase' : 'key-file';
}

/**
 * The key in `MCPCTL_VAULT_KEY`: 32 bytes in base64.
 *
 * @throws McpctlError `CREDENTIAL_STORE`
 */
export function givenKey(env: Env): Buffer {
  const text = (env.MCPCTL_VAULT_KEY ?? '').trim();
  const key = Buffer.from(text, 'base64');
  if (key.length === keyBytes && /^[\w+/-]+=*$/.test(text)) return key;
  throw vaultError('wrong-key', `MCPCTL_VAULT_KEY is no key: it takes ${keyBytes} bytes in base64`, {
    hint: 'make one with: openssl rand -base64 32',
  });
}

export function keyOfPassphrase(env: Env, salt: Buffer): Promise<Buffer> {
  return derive(env.MCPCTL_VAULT_PASSPHRASE ?? '', salt, keyBytes, scryptCost);
}

/**
 * The key in `file`; with `make` a new one when there is none.
 *
 * @throws McpctlError `CREDENTIAL_STORE` when there is none, or it is none; the file system's own errors
 */
export async function keyInFile(file: string, { make }: { make: boolean }): Promise<Buffer> {
  const read = await readFileIfExists(file, { maxBytes: 4096 });
  if (!read && make) {
    const key = randomBytes(keyBytes);
    await writeFileAtomic(file, `${key.toString('base64')}\n`, { mode: 0o600 });
    return key;
  }
  const key = Buffer.from(read?.bytes.toString('latin1').trim() ?? '', 'base64');
  if (key.length === keyBytes) return key;
  throw vaultError('wrong-key', read ? `${file} holds no key` : `The key file ${file} is gone`, {
    hint: 'bring it back; without it the tokens are lost: move both files away and store the tokens again',
  });
}
