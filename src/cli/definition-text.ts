/** A server's definition for a person who has to decide about it: everything, one field a line, nothing hidden by odd characters. */
import { entryChanges, entryFields, entryVariables, type FieldChange } from '../config/entry-fields.js';
import type { Env } from '../config/paths.js';
import { formatPath, type KeyPath } from '../config/position.js';
import { isIgnoredInProject } from '../config/project-gate.js';
import type { Proposal } from '../config/proposal.js';
import { toSafeJson } from '../core/sanitize.js';

export interface VariableUse {
  readonly name: string;
  readonly isSet: boolean;
}

/** The variables that an approved server would see the values of. */
export function variablesUsed({ entry }: Proposal, env: Env): VariableUse[] {
  return entryVariables(entry).map((name) => ({ name, isSet: Object.hasOwn(env, name) && env[name] !== undefined }));
}

/** What has changed since the approval; nothing when there was none. */
export function changesSince({ entry, stored, state }: Proposal): FieldChange[] {
  return state === 'changed' && stored ? entryChanges(stored.entry, entry) : [];
}

/** The definition, what differs from an earlier approval, and the fingerprint. */
export function definitionText(proposal: Proposal, env: Env): string {
  const { server, project, entry, fingerprint, stored } = proposal;
  const fields = entryFields(entry);
  const rows = fields.map(({ path, value }): [string, string] => [fieldName(path), shown(value) + ignoredMark(path)]);
  const changes = changesSince(proposal);
  const variables = variablesUsed(proposal, env);
  const keys = new Set(fields.map(({ path }) => path[0]));
  const isAddress = keys.has('url') || keys.has('endpoints');
  const lines = [
    `Server ${shown(server)}`,
    `  of the file        ${shown(project.file)}`,
    `  in the project     ${shown(project.root)}`,
    `It is ${isAddress ? 'an address, called over HTTP' : 'a program, started on this machine with your rights'}. All that is written about it:`,
    ...aligned(rows),
  ];
  if (!isAddress && !keys.has('cwd')) lines.push(`It runs in ${shown(project.root)}.`);
  if (variables.length > 0) {
    lines.push('It is given the values of these variables of yours:');
    lines.push(...variables.map(({ name, isSet }) => `  ${name} (${isSet ? 'set' : 'not set'})`));
  }
  if (changes.length > 0) {
    lines.push(`Changed since you approved it on ${shown(stored?.approvedAt ?? '').slice(1, -1)}:`);
    lines.push(...changes.flatMap(changeLines));
  }
  lines.push(`Fingerprint: ${fingerprint}`);
  // A terminal shows a page of it: whoever hides something far up is given away.
  if (rows.length > manyFields) lines.push(`${rows.length} fields: scroll up and read all of them.`);
  return lines.join('\n');
}

const manyFields = 20;

function changeLines({ path, ...change }: FieldChange): string[] {
  const name = fieldName(path);
  return [
    ...('from' in change ? [`  - ${name}: ${shown(change.from)}`] : []),
    ...('to' in change ? [`  + ${name}: ${shown(change.to)}`] : []),
  ];
}

/** `args[1]`, `env.TOKEN`, `env["A B"]`. */
export function fieldName(path: KeyPath): string {
  return formatPath(path, shown);
}

/** As JSON, in quotes, so that spaces at the ends and control characters are seen; letters that only look like others are told. */
function shown(value: unknown): string {
  const json = toSafeJson(value);
  const foreign = [...new Set(json.match(/[^\0-\x7f]/gu))].map((char) => `U+${codeOf(char)}`);
  return foreign.length === 0 ? json : `${json} (not ASCII: ${foreign.join(', ')})`;
}

function codeOf(char: string): string {
  return char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
}

function ignoredMark(path: KeyPath): string {
  return isIgnoredInProject(path) ? ' (ignored in a project file)' : '';
}

function aligned(rows: readonly (readonly [string, string])[]): string[] {
  const width = rows.reduce((longest, [name]) => Math.max(longest, Math.min(name.length, 24)), 0);
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`);
}
