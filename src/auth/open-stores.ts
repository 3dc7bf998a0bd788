/** Opens the places where credentials can be: loaded when the first of them is wanted. */
import { realpath } from 'node:fs/promises';
import { platform } from 'node:os';
import { join } from 'node:path';
import type { Env } from '../config/paths.js';
import type { Clock } from '../core/clock.js';
import { ensureFolder } from '../io/folders.js';
import type { AccountIndex } from './account-index.js';
import { FileVault } from './file-vault.js';
import { KeychainClient } from './keychain-client.js';
import { KeychainVault, windowsEntryBytes } from './keychain-vault.js';
import { TokenStore } from './token-store.js';
import { MemoryVault } from './vault.js';

export interface StoresOptions {
  readonly configDir: string;
  readonly stateDir: string;
  readonly env: Env;
  readonly clock: Clock;
  readonly pid: number;
  /** The program that talks to the keychain; absolute. */
  readonly keychainHelper: string;
  readonly onWarning: (message: string) => void;
}

/** @returns the store, and what ends the keychain's process */
export async function openStores(
  { configDir, stateDir, env, clock, pid, keychainHelper: helper, onWarning }: StoresOptions,
  index: AccountIndex,
): Promise<{ store: TokenStore; client: KeychainClient }> {
  const client = new KeychainClient({ helper, env, clock });
  const store = new TokenStore({
    keychain: new KeychainVault(client, platform() === 'win32' ? windowsEntryBytes : undefined),
    file: new FileVault({ file: join(stateDir, 'credentials.json'), env, clock, pid, onWarning }),
    memory: new MemoryVault(),
    index,
    clock,
    profile: await realFolder(configDir),
  });
  return { store, client };
}

/** Under its real name, which a folder has only once it is there. */
async function realFolder(path: string): Promise<string> {
  await ensureFolder(path).catch(() => {});
  return realpath(path).catch(() => path);
}
