/** A place for secrets, by name: what the keychain, the encrypted file and the memory of this process have in common. */
import { McpctlError, type McpctlErrorOptions } from '../core/errors.js';

export interface Patience {
  readonly signal: AbortSignal;
  /** How long a keychain may take, in milliseconds: with a person in front of it, long enough to type its password. */
  readonly limitMs: number;
}

/** @throws McpctlError `CREDENTIAL_STORE` from every method when the place cannot be used now; `signal.reason` on abort */
export interface Vault {
  readonly kind: 'keychain' | 'file' | 'memory';
  /** Undefined when there is no such entry. */
  get(name: string, patience: Patience): Promise<string | undefined>;
  /** Readable by others only when it is stored for good. */
  set(name: string, value: string, patience: Patience): Promise<void>;
  /** @returns whether there was one */
  delete(name: string, patience: Patience): Promise<boolean>;
}

/** Why a vault cannot be used; `missing` = this machine has none, anything else = it has one, and another must not take its place. */
export type VaultTrouble = 'missing' | 'locked' | 'silent' | 'failed' | 'wrong-key' | 'damaged' | 'unwritable';

export function vaultError(reason: VaultTrouble, message: string, options: McpctlErrorOptions = {}): McpctlError {
  return new McpctlError('CREDENTIAL_STORE', message, { delivered: 'no', ...options, details: { reason, ...options.details } });
}

export function isMissing(error: unknown): error is McpctlError {
  return error instanceof McpctlError && error.code === 'CREDENTIAL_STORE' && error.details?.reason === 'missing';
}

/** Forgets everything with this process. */
export class MemoryVault implements Vault {
  readonly kind = 'memory';
  readonly #entries = new Map<string, string>();

  async get(name: string): Promise<string | undefined> {
    return this.#entries.get(name);
  }

  async set(name: string, value: string): Promise<void> {
    this.#entries.set(name, value);
  }

  async delete(name: string): Promise<boolean> {
    return this.#entries.delete(name);
  }
}
