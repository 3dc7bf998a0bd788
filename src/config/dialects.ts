/** Other programs' shapes of a configuration, put into mcpctl's own without losing where anything was written. */
import { Draft } from './dialect-draft.js';
import { normaliseEntry } from './dialect-entry.js';
import { applySections } from './dialect-sections.js';
import { serverSections } from './dialect-signs.js';
import { type ConfigDocument, type JsonValue, valueAt } from './document.js';
import type { KeyPath } from './position.js';
import type { ConfigProblem, Position } from './schema.js';
import { isObject } from './shape.js';

/**
 * The document in mcpctl's own shape. Every key of an entry is kept: under its own name, or under the one mcpctl has for it.
 * Positions and paths of problems are those of the written text.
 */
export function normalise(written: ConfigDocument): ConfigDocument {
  const draft = new Draft(written);
  gatherServers(draft);
  for (const [name, entry] of Object.entries(draft.servers)) if (isObject(entry)) normaliseEntry(draft, name, entry);
  applySections(draft);
  return new NormalisedDocument(draft);
}

class NormalisedDocument implements ConfigDocument {
  readonly file: string;
  readonly text: string;
  readonly value: JsonValue;
  readonly problems: readonly ConfigProblem[];

  constructor(readonly draft: Draft) {
    ({ file: this.file, text: this.text } = draft.written);
    this.value = draft.value;
    this.problems = draft.problems;
  }

  at(path: KeyPath): JsonValue | undefined {
    return valueAt(this.value, path);
  }

  position(path: KeyPath, options?: { readonly key?: boolean }): Position {
    return this.draft.written.position(this.draft.origin(path), options);
  }

  problem(
    severity: ConfigProblem['severity'],
    path: KeyPath,
    message: string,
    options?: { readonly key?: boolean },
  ): ConfigProblem {
    return this.draft.written.problem(severity, this.draft.origin(path), message, options);
  }
}

/** Takes the servers of every section into `mcpServers`. */
function gatherServers(draft: Draft): void {
  const { written, value } = draft;
  const mcp = written.at(['mcp']);
  delete value.mcp_servers;
  delete value.servers;
  delete value.mcp;
  for (const section of serverSections) {
    const found = written.at(section);
    if (found === undefined) continue;
    if (!isObject(found)) {
      // mcpctl's own key is checked with everything else.
      if (section[0] !== 'mcpServers') draft.error(section, 'expected an object with servers by name');
      continue;
    }
    if (value.mcpServers === undefined) draft.trace(['mcpServers'], section);
    value.mcpServers = draft.servers;
    for (const [name, entry] of Object.entries(found)) {
      const path = ['mcpServers', name];
      if (Object.hasOwn(draft.servers, name)) {
        const { line } = written.position(draft.origin(path), { key: true });
        draft.error([...section, name], `the server "${name}" is defined in line ${line} already; remove one`);
        continue;
      }
      draft.servers[name] = isObject(entry) ? draft.own(entry) : entry;
      draft.trace(path, [...section, name]);
    }
  }
  if (mcp !== undefined) applyMcp(draft, mcp);
}

/** `mcp.enabled: false` switches off every server in it. */
function applyMcp(draft: Draft, mcp: JsonValue): void {
  if (!isObject(mcp)) {
    draft.error(['mcp'], 'expected an object with "servers"');
    return;
  }
  for (const key of Object.keys(mcp)) {
    if (key === 'enabled' || key === 'servers' || key === 'inputs') continue;
    draft.warn(['mcp', key], `unknown key "${key}" is ignored; servers stand under "mcp.servers"`);
  }
  if (mcp.enabled !== undefined && typeof mcp.enabled !== 'boolean') draft.error(['mcp', 'enabled'], 'expected true or false');
  if (mcp.enabled !== false || !isObject(mcp.servers)) return;
  for (const [name, entry] of Object.entries(draft.servers)) {
    if (!isObject(entry) || draft.origin(['mcpServers', name])[0] !== 'mcp') continue;
    delete entry.disabled;
    entry.enabled = false;
    draft.trace(['mcpServers', name, 'enabled'], ['mcp', 'enabled']);
  }
}
