/** An encrypted file as a vault, for machines without a keychain: 0600, replaced in one step, changed under a lock. */
import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto';
import { access, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Env } from '../config/paths.js';
import type { Clock } from '../core/clock.js';
import { McpctlError, rootMessage } from '../core/errors.js';
import { readTextIfExists, removeTemporaryFiles, writeFileAtomic } from '../io/atomic-file.js';
import { withFileLock } from '../io/file-lock.js';
import { type Patience, type Vault, type VaultTrouble, vaultError } from './vault.js';
import { givenKey, type KeyOrigin, keyInFile, keyOfPassphrase, wantedOrigin } from './vault-key.js';

/*
 * { "version": 1, "key": "passphrase", "salt": "…", "check": <sealed>, "entries": { "<name>": <sealed> } }
 *
 * <sealed> is base64 of nonce (12 bytes), tag (16) and the text under AES-256-GCM. The name is authenticated with it, so that no
 * entry can be put in the place of another. `check` is an empty text: it tells a wrong key from a damaged entry.
 */
interface Content {
  readonly key: KeyOrigin;
  readonly salt: string;
  readonly check: string;
  readonly entries: Readonly<Record<string, string>>;
}

export interface FileVaultOptions {
  /** Absolute; the key file lies beside it. */
  readonly file: string;
  readonly env: Env;
  readonly clock: Clock;
  readonly pid: number;
  /** Told when a damaged file had to be put aside. */
  readonly onWarning: (message: string) => void;
}

/** Thousands of tokens. A larger file is not ours. */
const maxBytes = 4 * 1024 ** 2;
const nonceBytes = 12;
const tagBytes = 16;
/** No entry has this name. */
const checkName = '';

export class FileVault implements Vault {
  readonly kind = 'file';
  readonly #options: FileVaultOptions;
  /** By salt: making it from a passphrase takes a while. */
  #derived: { readonly salt: string; readonly key: Promise<Buffer> } | undefined;

  constructor(options: FileVaultOptions) {
    this.#options = options;
  }

  get file(): string {
    return this.#options.file;
  }

  /** Where the key comes from that a new file would get. */
  get keyOrigin(): KeyOrigin {
    return wantedOrigin(this.#options.env);
  }

  async exists(): Promise<boolean> {
    return access(this.file).then(
      () => true,
      () => false,
    );
  }

  async get(name: string, { signal }: Patience): Promise<string | undefined> {
    return this.#guard('read', signal, async () => {
      const read = await this.#read();
      const content = read === 'damaged' ? await this.#locked(signal, () => this.#readOrPutAside()) : read;
      const sealed = content && Object.hasOwn(content.entries, name) ? content.entries[name] : undefined;
      if (content === undefined || sealed === undefined) return undefined;
      const text = unseal(sealed, name, await this.#keyOf(content));
      if (text !== undefined) return text;
      throw vaultError('damaged', `A token in ${this.file} is damaged`, { hint: 'store it again' });
    });
  }

  async set(name: string, value: string, { signal }: Patience): Promise<void> {
    await this.#change(signal, async (before) => {
      const { content, key } =
        before && !isEmpty(before) ? { content: before, key: await this.#keyOf(before) } : await this.#begin();
      return { ...content, entries: { ...content.entries, [name]: seal(value, name, key) } };
    });
  }

  async delete(name: string, { signal }: Patience): Promise<boolean> {
    let wasThere = false;
    // What goes need not be read: a lost key is no reason to keep it.
    await this.#change(signal, async (before) => {
      wasThere = before !== undefined && Object.hasOwn(before.entries, name);
      if (!before || !wasThere) return undefined;
      const { [name]: _, ...entries } = before.entries;
      return { ...before, entries };
    });
    return wasThere;
  }

  /** Parallel changes all count. `undefined` leaves the file as it is. */
  async #change(signal: AbortSignal, next: (before: Content | undefined) => Promise<Content | undefined>): Promise<void> {
    await this.#guard('write', signal, () =>
      this.#locked(signal, async () => {
        const after = await next(await this.#readOrPutAside());
        if (!after) return;
        const text = `${JSON.stringify({ version: 1, ...after }, null, 1)}\n`;
        if (text.length > maxBytes)
          throw vaultError('unwritable', `${this.file} would become larger than ${maxBytes / 1024 ** 2} MiB`, {
            hint: 'log out of servers that are not used any more: mcpctl auth',
          });
        await removeTemporaryFiles(this.file);
        await writeFileAtomic(this.file, text, { mode: 0o600 });
      }),
    );
  }

  #locked<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const { clock, pid } = this.#options;
    return withFileLock(join(dirname(this.file), `.${basename(this.file)}.lock`), { clock, pid, signal }, work);
  }

  /** Undefined when there is no file. */
  async #read(): Promise<Content | 'damaged' | undefined> {
    const text = await readTextIfExists(this.file, { maxBytes });
    return text === undefined ? undefined : (parse(text) ?? 'damaged');
  }

  /** Needs the lock: another process may have repaired the file by now. */
  async #readOrPutAside(): Promise<Content | undefined> {
    const content = await this.#read();
    if (content !== 'damaged') return content;
    const kept = `${this.file}.damaged-${randomUUID().slice(0, 8)}`;
    await rename(this.file, kept);
    this.#options.onWarning(`the file with the tokens was damaged and is put aside as ${kept}; log in again (mcpctl auth)`);
    return undefined;
  }

  /** A new content, for the key that is wanted now. */
  async #begin(): Promise<{ content: Content; key: Buffer }> {
    const salt = randomBytes(16).toString('base64');
    const origin = this.keyOrigin;
    const key = await this.#keyFrom(origin, salt, { make: true });
    return { content: { key: origin, salt, check: seal('', checkName, key), entries: {} }, key };
  }

  /** @throws McpctlError `CREDENTIAL_STORE` when it is not the key of this file */
  async #keyOf({ key: origin, salt, check }: Content): Promise<Buffer> {
    if (origin !== this.keyOrigin) throw this.#wrongOrigin(origin);
    const key = await this.#keyFrom(origin, salt, { make: false });
    if (unseal(check, checkName, key) === '') return key;
    throw vaultError('wrong-key', `The tokens in ${this.file} are encrypted with another ${originNames[origin]}`, {
      hint: `use the one they were stored with; without it they are lost: move that file away and store the tokens again`,
    });
  }

  #keyFrom(origin: KeyOrigin, salt: string, { make }: { make: boolean }): Promise<Buffer> {
    const { env } = this.#options;
    switch (origin) {
      case 'key':
        return Promise.resolve(givenKey(env));
      case 'passphrase':
        if (this.#derived?.salt !== salt) this.#derived = { salt, key: keyOfPassphrase(env, Buffer.from(salt, 'base64')) };
        return this.#derived.key;
      case 'key-file':
        return keyInFile(this.file.replace(/\.\w+$/, '.key'), { make });
    }
  }

  #wrongOrigin(origin: KeyOrigin): McpctlError {
    const given = this.keyOrigin === 'key-file' ? 'it is not set' : `${variables[this.keyOrigin]} is set`;
    const hint =
      origin === 'key-file'
        ? `unset ${variables[this.keyOrigin]}, or log out everywhere first (mcpctl logout <server>)`
        : `export ${variables[origin]}=…`;
    return vaultError('wrong-key', `The tokens in ${this.file} are encrypted with a ${originNames[origin]}, and ${given}`, {
      hint,
    });
  }

  /** The file system's errors, as errors of the store. */
  async #guard<T>(what: 'read' | 'write', signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (signal.aborted || (error instanceof McpctlError && error.code !== 'TOO_LARGE')) throw error;
      const reason: VaultTrouble = what === 'read' ? 'failed' : 'unwritable';
      throw vaultError(
        reason,
        `The file with the tokens cannot be ${what === 'read' ? 'read' : 'written'}: ${rootMessage(error)}`,
        {
          cause: error,
          hint: `nothing was changed; make room or correct the permissions of ${dirname(this.file)}, then try again`,
          details: { path: this.file },
        },
      );
    }
  }
}

const originNames = { key: 'key', passphrase: 'passphrase', 'key-file': 'key file' } as const;
const variables = { key: 'MCPCTL_VAULT_KEY', passphrase: 'MCPCTL_VAULT_PASSPHRASE', 'key-file': 'the key file' } as const;

function isEmpty({ entries }: Content): boolean {
  return Object.keys(entries).length === 0;
}

function parse(text: string): Content | undefined {
  try {
    const { version, key, salt, check, entries } = JSON.parse(text) as Partial<Record<string, unknown>>;
    const isOurs =
      version === 1 &&
      (key === 'key' || key === 'passphrase' || key === 'key-file') &&
      typeof salt === 'string' &&
      typeof check === 'string' &&
      typeof entries === 'object' &&
      entries !== null &&
      Object.values(entries).every((sealed) => typeof sealed === 'string');
    return isOurs ? { key, salt, check, entries: entries as Record<string, string> } : undefined;
  } catch {
    return undefined;
  }
}

function seal(text: string, name: string, key: Buffer): string {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(associated(name));
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64');
}

/** Undefined when the key is another, or anything was changed. */
function unseal(sealed: string, name: string, key: Buffer): string | undefined {
  const bytes = Buffer.from(sealed, 'base64');
  if (bytes.length < nonceBytes + tagBytes) return undefined;
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
      .setAAD(associated(name))
      .setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
    return Buffer.concat([decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()]).toString('utf8');
  } catch {
    return undefined;
  }
}

function associated(name: string): Buffer {
  return Buffer.from(`mcpctl credentials 1\0${name}`);
}
