/** Logins that were started and are finished later, by another process: one file each, of no use without the flow's own name. */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../core/clock.js';
import { McpctlError, rootMessage } from '../core/errors.js';
import { readTextIfExists, writeFileAtomic } from '../io/atomic-file.js';

/** How long somebody has to finish, in milliseconds. */
export const pendingLifeMs = 10 * 60_000;

/** Metadata documents of a server are a part of it. */
const maxBytes = 1024 ** 2;
const nonceBytes = 12;
const tagBytes = 16;

/** A flow that this process alone has now. It is gone for good unless it is put back. */
export interface ClaimedFlow {
  putBack(): Promise<void>;
  remove(): Promise<void>;
}

/**
 * The name of a flow is 256 random bits. Its hash is the name of the file, and the key of the content is derived from it: who finds the
 * file has nothing, and no keychain is needed.
 */
export class PendingFlows {
  readonly #folder: string;
  readonly #clock: Clock;

  constructor({ stateDir, clock }: { stateDir: string; clock: Clock }) {
    this.#folder = join(stateDir, 'logins');
    this.#clock = clock;
  }

  /**
   * Keeps what is needed to finish, for at most 10 minutes. Flows that are over go on this occasion.
   *
   * @throws McpctlError `AUTH_FAILED` when it cannot be written
   */
  async keep(content: object, lifeMs: number = pendingLifeMs): Promise<{ flow: string; expiresAt: string }> {
    await this.#removeExpired();
    const flow = randomBytes(32).toString('hex');
    const expiresAt = new Date(this.#clock.date().getTime() + Math.min(lifeMs, pendingLifeMs)).toISOString();
    const sealed = seal(JSON.stringify(content), keyOf(flow), expiresAt);
    try {
      await writeFileAtomic(this.#fileOf(flow), `${JSON.stringify({ version: 1, expiresAt, sealed })}\n`, { mode: 0o600 });
    } catch (error) {
      throw new McpctlError('AUTH_FAILED', `The login cannot be kept to be finished later: ${rootMessage(error)}`, {
        cause: error,
        hint: `make room or correct the permissions of ${this.#folder}, then start again`,
        details: { path: this.#folder },
      });
    }
    return { flow, expiresAt };
  }

  /** What was kept. @throws McpctlError `USAGE` when there is no such flow, or no more */
  async read(flow: string): Promise<{ content: unknown; expiresAt: string }> {
    // Compared in no way with what is there: only a flow's own name leads to its file.
    const text = /^[0-9a-f]{64}$/.test(flow) ? await readTextIfExists(this.#fileOf(flow), { maxBytes }) : undefined;
    const kept = text === undefined ? undefined : parse(text);
    if (!kept || kept.expiresAt <= this.#clock.date().toISOString()) throw noSuchFlow();
    const content = unseal(kept.sealed, keyOf(flow), kept.expiresAt);
    if (content === undefined) throw noSuchFlow();
    return { content, expiresAt: kept.expiresAt };
  }

  /** Takes the flow for this process: of several that finish the same one, the others are refused. @throws McpctlError as `read` */
  async claim(flow: string): Promise<ClaimedFlow> {
    const file = this.#fileOf(flow);
    const claimed = `${file}.claimed`;
    try {
      await rename(file, claimed);
    } catch {
      throw noSuchFlow();
    }
    return {
      putBack: () => rename(claimed, file).catch(() => {}),
      remove: () => rm(claimed, { force: true }),
    };
  }

  async #removeExpired(): Promise<void> {
    const now = this.#clock.date().toISOString();
    const names = await readdir(this.#folder).catch(() => []);
    for (const name of names) {
      const file = join(this.#folder, name);
      const text = await readTextIfExists(file, { maxBytes }).catch(() => undefined);
      // Also what is no flow, or not whole: nobody can finish it.
      if (text === undefined || (parse(text)?.expiresAt ?? '') > now || name.endsWith('.tmp')) continue;
      await rm(file, { force: true }).catch(() => {});
    }
  }

  #fileOf(flow: string): string {
    return join(this.#folder, `${createHash('sha256').update(`mcpctl flow ${flow}`).digest('hex').slice(0, 32)}.json`);
  }
}

function noSuchFlow(): McpctlError {
  return new McpctlError(
    'USAGE',
    `There is no such login to finish: it was finished before, took longer than 10 minutes, or never began`,
    {
      hint: 'begin a new one: mcpctl auth <server> --start',
      details: { reason: 'no-flow' },
    },
  );
}

function parse(text: string): { expiresAt: string; sealed: string } | undefined {
  try {
    const { version, expiresAt, sealed } = JSON.parse(text) as Partial<Record<string, unknown>>;
    const isOurs = version === 1 && typeof expiresAt === 'string' && typeof sealed === 'string';
    return isOurs ? { expiresAt, sealed } : undefined;
  } catch {
    return undefined;
  }
}

function keyOf(flow: string): Buffer {
  return Buffer.from(hkdfSync('sha256', Buffer.from(flow, 'hex'), '', 'mcpctl pending login 1', 32));
}

/** The time is authenticated with the text: nobody can make a flow live longer. */
function seal(text: string, key: Buffer, expiresAt: string): string {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(expiresAt));
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64');
}

function unseal(sealed: string, key: Buffer, expiresAt: string): unknown {
  const bytes = Buffer.from(sealed, 'base64');
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
      .setAAD(Buffer.from(expiresAt))
      .setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
    const text = Buffer.concat([decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()]).toString('utf8');
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
