/** The approvals of project files: which definition of which server the user has agreed to, kept in the settings. */
import type { JsonValue } from './document.js';
import type { WriteAccess } from './settings.js';
import { type SettingsWarning, updateSettings } from './settings.js';
import { isObject } from './shape.js';

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
): Promise<{ isChanged: boolean; warning?: SettingsWarning }> {
  return updateSettings(configDir, { section: 'approvals', file, server, next: record }, access);
}
