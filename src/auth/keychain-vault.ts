/** The keychain of the system as a vault: a value that is too large for one of its entries lies in several. */
import { randomBytes } from 'node:crypto';
import type { KeychainClient } from './keychain-client.js';
import { type Patience, type Vault, vaultError } from './vault.js';

/** What one entry takes on Windows is 2,560 bytes; elsewhere a megabyte was stored without complaint. */
export const windowsEntryBytes = 2_400;

/** No value is larger: what claims to have more parts is not ours. */
const maxParts = 100;

export class KeychainVault implements Vault {
  readonly kind = 'keychain';

  constructor(
    readonly client: Pick<KeychainClient, 'request'>,
    readonly entryBytes = Number.POSITIVE_INFINITY,
  ) {}

  async get(name: string, patience: Patience): Promise<string | undefined> {
    const first = await this.#read(name, patience);
    if (first === undefined) return undefined;
    const parts: Buffer[] = [];
    for (const part of partsOf(name, first)) {
      const text = await this.#read(part, patience);
      if (text === undefined)
        throw vaultError('damaged', 'A part of the token is missing in the keychain', { hint: 'store the token again' });
      parts.push(Buffer.from(text, 'base64'));
    }
    return parts.length > 0 ? Buffer.concat(parts).toString('utf8') : first;
  }

  /** The parts come first, under names of their own: until the entry itself is replaced, the value before is whole. */
  async set(name: string, value: string, patience: Patience): Promise<void> {
    const before = await this.#read(name, patience);
    const bytes = Buffer.from(value);
    if (bytes.length <= this.entryBytes) await this.#write(name, value, patience);
    else {
      const series = randomBytes(4).toString('hex');
      // Base64, so that no character is torn.
      const pieceBytes = Math.floor((this.entryBytes * 3) / 4);
      const count = Math.ceil(bytes.length / pieceBytes);
      for (let i = 0; i < count; i++) {
        const piece = bytes.subarray(i * pieceBytes, (i + 1) * pieceBytes).toString('base64');
        await this.#write(partName(name, series, i), piece, patience);
      }
      // A credential is JSON and never looks like this.
      await this.#write(name, `parts:${series}:${count}`, patience);
    }
    if (before !== undefined) await this.#deleteParts(name, before, patience);
  }

  async delete(name: string, patience: Patience): Promise<boolean> {
    const before = await this.#read(name, patience);
    if (before === undefined) return false;
    const isDeleted = (await this.client.request({ do: 'delete', name }, patience)) === true;
    await this.#deleteParts(name, before, patience);
    return isDeleted;
  }

  async #deleteParts(name: string, first: string, patience: Patience): Promise<void> {
    for (const part of partsOf(name, first)) await this.client.request({ do: 'delete', name: part }, patience);
  }

  async #read(name: string, patience: Patience): Promise<string | undefined> {
    const value = await this.client.request({ do: 'get', name }, patience);
    return typeof value === 'string' ? value : undefined;
  }

  async #write(name: string, value: string, patience: Patience): Promise<void> {
    await this.client.request({ do: 'set', name, value }, patience);
  }
}

/** Names of the parts; none when the entry holds the value itself. */
function partsOf(name: string, first: string): string[] {
  const [, series, count] = /^parts:([0-9a-f]{8}):(\d{1,3})$/.exec(first) ?? [];
  if (series === undefined) return [];
  return Array.from({ length: Math.min(Number(count), maxParts) }, (_, i) => partName(name, series, i));
}

function partName(name: string, series: string, index: number): string {
  return `${name} #${series}.${index}`;
}
