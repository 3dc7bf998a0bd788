/** Trust in project files: what is approved is one exact definition in one place, known by its fingerprint and kept in the settings. */
import { McpctlError } from '../core/errors.js';
import { hashOf } from './canonical.js';
import type { JsonValue } from './document.js';
import type { Approval, ServerConfig } from './schema.js';
import { type SettingsResult, updateSettings, type WriteAccess } from './settings.js';
import { isObject } from './shape.js';

/**
 * sha256 (hex) over the whole entry as it is written, variables unexpanded, and the real path of the project's folder:
 * a changed word, a new key, and the same project at another place are something else.
 */
export function fingerprintOf(entry: JsonValue | undefined, projectRoot: string): string {
  return hashOf({ entry: entry ?? null, project: projectRoot });
}

export function approvalOf(record: ApprovalRecord | undefined, fingerprint: string): Exclude<Approval, 'not-needed'> {
  if (!record) return 'missing';
  return record.fingerprint === fingerprint ? 'approved' : 'changed';
}

/** Whether this definition may not be used, because nobody approved exactly it. */
export function isWaiting({ approval }: Pick<ServerConfig, 'approval'>): boolean {
  return approval === 'missing' || approval === 'changed';
}

/** What everyone gets who needs a server of a project file before the user has approved it. */
export function untrustedError({ name, file, approval }: Pick<ServerConfig, 'name' | 'file' | 'approval'>): McpctlError {
  const what =
    approval === 'changed'
      ? `Server "${name}" of ${file} was changed since it was approved`
      : `Server "${name}" of ${file} is not approved`;
  return new McpctlError('UNTRUSTED', what, {
    server: name,
    hint: `mcpctl trust approve ${name}`,
    details: { file, approval },
    delivered: 'no',
  });
}

export interface ApprovalRecord {
  /** sha256 (hex), see `fingerprintOf`. */
  readonly fingerprint: string;
  /** ISO 8601, UTC. */
  readonly approvedAt: string;
  /** The entry as it was approved, to show what has changed since. */
  readonly entry: JsonValue;
}

/** The approvals for one project file, by server; what is not understood counts as not there. */
export function approvalsFor(settings: Readonly<Record<string, unknown>>, file: string): ReadonlyMap<string, ApprovalRecord> {
  const found = new Map<string, ApprovalRecord>();
  const all = settings.approvals;
  const ofFile = isObject(all) && Object.hasOwn(all, file) ? all[file] : undefined;
  for (const [server, record] of isObject(ofFile) ? Object.entries(ofFile) : []) {
    if (!isObject(record)) continue;
    const { fingerprint, approvedAt, entry = null } = record;
    if (typeof fingerprint !== 'string' || typeof approvedAt !== 'string') continue;
    found.set(server, { fingerprint, approvedAt, entry });
  }
  return found;
}

export interface ApprovalChange {
  /** The project's file, see `Project`. */
  readonly file: string;
  readonly server: string;
  /** Runs under the lock of the settings, so that nothing comes between a last look and the approval. `null` removes. */
  readonly record: () => Promise<ApprovalRecord | null>;
}

/** Stores or removes an approval, under the lock and in one step: parallel ones all count. @throws as `updateSettings` */
export function setApproval(
  configDir: string,
  { file, server, record }: ApprovalChange,
  access: WriteAccess,
): Promise<SettingsResult> {
  return updateSettings(configDir, { section: 'approvals', file, server, next: record }, access);
}
