/** The check of a new server before it is written: by the rules of a file, and by those that a file's servers meet when they are used. */
import { McpctlError } from '../core/errors.js';
import { JsoncDocument, type JsonValue } from './document.js';
import { expand } from './expand.js';
import { headerProblem, variableProblem } from './field-rules.js';
import { formatPath, type KeyPath } from './position.js';
import { parseUrl } from './secrets.js';
import { checkShape, isObject } from './shape.js';

/** @throws McpctlError USAGE with the first thing that is wrong; no value is repeated in it, because it may be a secret */
export function checkEntry(name: string, entry: { readonly [key: string]: JsonValue }): void {
  const [first] = entryProblems(name, entry);
  if (first === undefined) return;
  throw new McpctlError('USAGE', `${first} (nothing was written)`, { server: name, hint: 'mcpctl help add' });
}

/** Everything that is wrong, in words. */
export function entryProblems(name: string, entry: { readonly [key: string]: JsonValue }): string[] {
  const document = JsoncDocument.parse('', JSON.stringify({ mcpServers: { [name]: entry } }));
  const problems = document.problems.map(({ message }) => message);
  if (problems.length > 0) return problems;
  for (const { path, message } of checkShape(document).issues) problems.push(at(path.slice(2), message));
  if (problems.length > 0) return problems;
  visitStrings(entry, [], (text, path) => {
    for (const message of referenceProblems(text)) problems.push(at(path, message));
  });
  for (const key of ['command', 'cwd'])
    if (String(entry[key] ?? '').startsWith('~')) problems.push(at([key], `"~" is not expanded; write "\${HOME}"`));
  problems.push(...namesProblems(entry), ...urlProblems(entry.url));
  return problems;
}

function namesProblems({ env, headers }: { readonly [key: string]: JsonValue }): string[] {
  const problems: string[] = [];
  for (const name of Object.keys(isObject(env) ? env : {})) {
    const wrong = variableProblem(name);
    if (wrong) problems.push(at(['env'], wrong));
  }
  const spelling = new Map<string, string>();
  for (const [name, value] of Object.entries(isObject(headers) ? headers : {})) {
    const twin = spelling.get(name.toLowerCase());
    const wrong = headerProblem(name, String(value)) ?? (twin && `the same header as ${JSON.stringify(twin)}`);
    if (wrong) problems.push(at(['headers', name], wrong));
    spelling.set(name.toLowerCase(), name);
  }
  return problems;
}

/** A URL whose beginning comes from a variable is looked at when it is used. */
function urlProblems(url: JsonValue | undefined): string[] {
  if (typeof url !== 'string' || url.startsWith('${')) return [];
  const parsed = parseUrl(withPlaceholders(url));
  if (!parsed) return [at(['url'], 'is not a URL; write for example https://example.com/mcp')];
  if (parsed.protocol === 'http:' || parsed.protocol === 'https:') return [];
  return [at(['url'], `must start with http:// or https://, not ${parsed.protocol}`)];
}

/** What is wrong with `${…}` whatever the variables hold. */
function referenceProblems(text: string): readonly string[] {
  return expand(text, placeholders(text)).problems;
}

function withPlaceholders(text: string): string {
  return expand(text, placeholders(text)).value;
}

/** A digit fits wherever a variable may stand in a URL, the port included. */
function placeholders(text: string): Record<string, string> {
  return Object.fromEntries(expand(text, {}).missing.map((name) => [name, '1']));
}

function visitStrings(value: JsonValue, path: KeyPath, visit: (text: string, path: KeyPath) => void): void {
  if (typeof value === 'string') visit(value, path);
  else if (typeof value === 'object' && value !== null)
    for (const [key, item] of Object.entries(value))
      visitStrings(item, [...path, Array.isArray(value) ? Number(key) : key], visit);
}

function at(path: KeyPath, message: string): string {
  return path.length === 0 ? message : `${formatPath(path)}: ${message}`;
}
