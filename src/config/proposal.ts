/** A server of a project file as it is put before the user: read, shown, approved exactly as shown, or taken back. */
import { type Clock, systemClock } from '../core/clock.js';
import { McpctlError } from '../core/errors.js';
import { didYouMean } from '../core/suggest.js';
import { canonicalJson } from './canonical.js';
import type { JsonValue } from './document.js';
import { configInvalid } from './position.js';
import type { Project } from './project.js';
import { insideMessage, isInsideProject } from './project-gate.js';
import { readConfigFile } from './read-file.js';
import type { Approval } from './schema.js';
import { readSettings, type WriteAccess } from './settings.js';
import { isObject } from './shape.js';
import { type ApprovalRecord, approvalOf, approvalsFor, fingerprintOf, setApproval } from './trust.js';

export interface Proposal {
  readonly server: string;
  readonly project: Project;
  /** As written. `null`: approved once, and no longer in the file. */
  readonly entry: JsonValue;
  readonly fingerprint: string;
  readonly state: Exclude<Approval, 'not-needed'> | 'removed';
  /** The approval that is stored, whether it still fits or not. */
  readonly stored: ApprovalRecord | undefined;
}

/** More than anybody reads before saying yes, and it would be stored with the approval. */
const maxEntryBytes = 64 * 1024;

/** Every server of the project's file as it is on the disk now, and those that were approved and are gone from it. */
export async function readProposals(project: Project, configDir: string, access: WriteAccess): Promise<Proposal[]> {
  const [entries, { settings }] = await Promise.all([readEntries(project), readSettings(configDir, access)]);
  const stored = approvalsFor(settings, project.file);
  const isSafe = stored.size === 0 || !(await isInsideProject(configDir, project));
  const proposals = [...entries].map(([server, entry]): Proposal => {
    const record = isSafe ? stored.get(server) : undefined;
    const fingerprint = fingerprintOf(entry, project.root);
    return { server, project, entry, fingerprint, state: approvalOf(record, fingerprint), stored: record };
  });
  for (const [server, record] of stored) {
    if (entries.has(server)) continue;
    proposals.push({ server, project, entry: null, fingerprint: record.fingerprint, state: 'removed', stored: record });
  }
  return proposals;
}

/** @throws McpctlError UNKNOWN_SERVER with the nearest names, CONFIG_INVALID */
export async function readProposal(project: Project, server: string, configDir: string, access: WriteAccess): Promise<Proposal> {
  const proposals = await readProposals(project, configDir, access);
  const found = proposals.find((proposal) => proposal.server === server);
  if (found) return found;
  const names = proposals.map((proposal) => proposal.server);
  throw new McpctlError('UNKNOWN_SERVER', `There is no server "${server}" in ${project.file}`, {
    server,
    hint: didYouMean(server, names) ?? 'mcpctl trust list shows the servers of the project',
    details: { servers: names },
  });
}

/**
 * Approves what was shown, and only that: the file is read once more under the lock, and a definition that has changed meanwhile
 * is refused.
 *
 * @throws McpctlError UNTRUSTED when it has changed or the settings lie in the project, CONFIG_INVALID
 */
export async function approveProposal(
  { server, project, entry, fingerprint }: Proposal,
  configDir: string,
  access: WriteAccess & { readonly clock?: Clock },
): Promise<void> {
  if (await isInsideProject(configDir, project)) {
    throw new McpctlError('UNTRUSTED', `"${server}" cannot be approved here: ${insideMessage}`, {
      server,
      hint: 'set MCPCTL_CONFIG_DIR to a folder outside the project',
      details: { configDir, project: project.root },
    });
  }
  const bytes = Buffer.byteLength(canonicalJson(entry));
  if (bytes > maxEntryBytes) {
    throw new McpctlError('CONFIG_INVALID', `The definition of "${server}" is larger than ${maxEntryBytes / 1024} KiB`, {
      server,
      hint: 'nobody can judge that much; move what is long into a file of its own',
      details: { bytes, maxBytes: maxEntryBytes },
    });
  }
  const record = async (): Promise<ApprovalRecord> => {
    const now = fingerprintOf((await readEntries(project)).get(server), project.root);
    if (now !== fingerprint) throw changedMeanwhile(server, project.file, fingerprint, now);
    return { fingerprint, approvedAt: (access.clock ?? systemClock).date().toISOString(), entry };
  };
  await setApproval(configDir, { file: project.file, server, record }, access);
}

/** Takes an approval back. @returns whether there was one */
export async function revokeApproval(project: Project, server: string, configDir: string, access: WriteAccess): Promise<boolean> {
  return (await setApproval(configDir, { file: project.file, server, record: async () => null }, access)).isChanged;
}

async function readEntries(project: Project): Promise<Map<string, JsonValue>> {
  const { problems, parsed } = await readConfigFile(project.file, 'project');
  if (problems.some(({ severity }) => severity === 'error')) throw configInvalid(problems);
  const servers = parsed?.document.at(['mcpServers']);
  return new Map(isObject(servers) ? Object.entries(servers) : []);
}

function changedMeanwhile(server: string, file: string, shown: string, now: string): McpctlError {
  return new McpctlError('UNTRUSTED', `Server "${server}" of ${file} has changed while you looked at it; nothing is approved`, {
    server,
    hint: `look again: mcpctl trust approve ${server}`,
    details: { shown, now },
  });
}
