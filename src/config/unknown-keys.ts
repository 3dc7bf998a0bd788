/** Warnings about keys that have no effect: misspelt, from another program, or of a later version. Nothing is dropped in silence. */
import { suggest } from '../core/suggest.js';
import type { JsoncDocument, JsonValue } from './document.js';
import type { KeyPath } from './position.js';
import type { ConfigProblem } from './schema.js';
import { isObject, knownKeys } from './shape.js';

type Kind = keyof typeof knownKeys;

/** Keys that are planned and have no effect yet. */
const laterKeys: Partial<Record<Kind, readonly string[]>> = {
  file: ['credentials', 'metrics', 'state'],
  defaults: ['retry', 'circuitBreaker', 'pool'],
  server: ['retry', 'circuitBreaker', 'pool', 'concurrency', 'balance', 'endpoints', 'stateless', 'pin', 'oauth', 'trust'],
  timeouts: ['idle'],
  cache: ['maxSize', 'policy'],
};

/** What other programs call the same thing. */
const otherNames: Partial<Record<Kind, Readonly<Record<string, string>>>> = {
  file: { servers: '"mcpServers"', mcp: '"mcpServers"', mcp_servers: '"mcpServers"' },
  server: {
    disabled: '"enabled": false',
    cmd: '"command"',
    environment: '"env"',
    envs: '"env"',
    httpUrl: '"url"',
    serverUrl: '"url"',
    uri: '"url"',
    http_headers: '"headers"',
    timeout: '"timeouts": { "call": "60s" }',
    includeTools: '"tools": { "include": […] }',
    excludeTools: '"tools": { "exclude": […] }',
  },
};

/** Keys that are accepted and mean nothing here. */
const ignoredKeys: Partial<Record<Kind, readonly string[]>> = { file: ['$schema'], server: ['description'] };

export function unknownKeys(document: JsoncDocument): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const check = (kind: Kind, path: KeyPath) => {
    const value = document.at(path);
    if (!isObject(value)) return;
    for (const key of Object.keys(value)) {
      const message = messageFor(kind, key);
      if (message) problems.push(document.problem('warning', [...path, key], message, { key: true }));
    }
  };
  const checkNested = (path: KeyPath, kinds: readonly Kind[]) => {
    for (const kind of kinds) check(kind, [...path, kind]);
  };
  check('file', []);
  check('defaults', ['defaults']);
  checkNested(['defaults'], ['timeouts', 'health', 'cache']);
  const names = entriesOf(document.at(['mcpServers']));
  for (const name of names) {
    check('server', ['mcpServers', name]);
    checkNested(['mcpServers', name], ['timeouts', 'health', 'cache', 'stop', 'tools']);
  }
  problems.push(...similarNames(document, names));
  return problems;
}

function messageFor(kind: Kind, key: string): string | undefined {
  if (knownKeys[kind].includes(key) || ignoredKeys[kind]?.includes(key)) return undefined;
  if (laterKeys[kind]?.includes(key)) return `"${key}" has no effect in this version`;
  const other = otherNames[kind];
  if (other && Object.hasOwn(other, key)) return `unknown key "${key}" is ignored; mcpctl writes ${other[key]}`;
  const [near] = suggest(key, knownKeys[kind], 1);
  return `unknown key "${key}" is ignored${near === undefined ? '' : `; did you mean "${near}"?`}`;
}

/** Two names that differ only in case are one file name on some systems and one word to most people. */
function similarNames(document: JsoncDocument, names: readonly string[]): ConfigProblem[] {
  const seen = new Map<string, string>();
  const problems: ConfigProblem[] = [];
  for (const name of names) {
    const twin = seen.get(name.toLowerCase());
    if (twin !== undefined) {
      problems.push(
        document.problem('warning', ['mcpServers', name], `differs from "${twin}" only in case; give it another name`, {
          key: true,
        }),
      );
    }
    seen.set(name.toLowerCase(), name);
  }
  return problems;
}

function entriesOf(value: JsonValue | undefined): string[] {
  return isObject(value) ? Object.keys(value) : [];
}
