/** Trust in project files: what is approved is one exact definition in one place, known by its fingerprint. */
import { McpctlError } from '../core/errors.js';
import type { ApprovalRecord } from './approvals.js';
import { hashOf } from './canonical.js';
import type { JsonValue } from './document.js';
import type { Approval, ServerConfig } from './schema.js';

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
