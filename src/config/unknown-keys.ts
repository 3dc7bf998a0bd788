/** Warnings about keys that have no effect: misspelt, from another program, or of a later version. Nothing is dropped in silence. */
import type * as z from 'zod/mini';
import { suggest } from '../core/suggest.js';
import type { ConfigDocument, JsonValue } from './document.js';
import type { KeyPath } from './position.js';
import type { ConfigProblem } from './schema.js';
import { isObject, shapes } from './shape.js';

/** Keys that are planned and have no effect yet, by the object they stand in. */
const laterKeys: Readonly<Record<string, readonly string[]>> = {
  file: ['state'],
  server: ['pin'],
  timeouts: ['idle'],
};

/** What other programs call something that mcpctl has in another form. Exact equivalents are read, see `dialect`. */
const otherNames: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  server: {
    timeout: '"timeouts": { "call": "60s" }',
    envFile: 'the variables themselves into "env"',
    env_vars: `"env": { "NAME": "\${NAME}" } for each of them`,
  },
};

/** Keys that are accepted and mean nothing here. */
const ignoredKeys: Readonly<Record<string, readonly string[]>> = { file: ['$schema', 'inputs'], server: ['description'] };

export function unknownKeys(document: ConfigDocument): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const warn = (path: KeyPath, message: string) => problems.push(document.problem('warning', path, message, { key: true }));
  const { base, parts } = shapes.file;
  walk('file', base.shape, parts, document.value, [], warn);
  const names = entriesOf(document.at(['mcpServers']));
  problems.push(...similarNames(document, names));
  return problems;
}

type Fields = Readonly<Record<string, z.core.$ZodType>>;
type Parts = (typeof shapes)['file']['parts'];
type Warn = (path: KeyPath, message: string) => void;

/** Looks through one object. `kind` names it in the tables above. */
function walk(kind: string, fields: Fields, parts: Parts, value: JsonValue, path: KeyPath, warn: Warn): void {
  if (!isObject(value)) return;
  for (const key of Object.keys(value)) {
    const schema = Object.hasOwn(fields, key) ? fields[key] : Object.hasOwn(parts, key) ? parts[key]!.schema() : undefined;
    if (laterKeys[kind]?.includes(key)) warn([...path, key], `"${key}" has no effect in this version`);
    else if (!schema) {
      const message = unknownMessage(kind, key, () => [...Object.keys(fields), ...Object.keys(parts)]);
      if (message) warn([...path, key], message);
    }
    const item = value[key]!;
    if (kind === 'server' && key === 'trust' && typeof item === 'boolean')
      warn([...path, key], `"trust": ${item} of other programs means nothing here`);
    if (schema && typeof item === 'object') walkInto(key, schema, item, [...path, key], warn);
  }
}

const noParts: Parts = {};

/** Follows a schema to the objects in it. */
function walkInto(kind: string, schema: z.core.$ZodType, value: JsonValue, path: KeyPath, warn: Warn): void {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case 'optional':
      walkInto(kind, def.innerType, value, path, warn);
      return;
    case 'record': {
      // Names of variables and headers are free.
      if (!isObject(value) || def.valueType._zod.def.type !== 'object') return;
      const kindOfItems = kind === 'mcpServers' ? 'server' : kind;
      for (const [name, item] of Object.entries(value)) walkInto(kindOfItems, def.valueType, item, [...path, name], warn);
      return;
    }
    case 'array':
      if (!Array.isArray(value)) return;
      for (const [index, item] of value.entries()) walkInto(kind, def.element, item, [...path, index], warn);
      return;
    case 'object': {
      const own = kind === 'server' || kind === 'defaults' ? shapes[kind].parts : noParts;
      walk(kind, def.shape, own, value, path, warn);
    }
  }
}

function unknownMessage(kind: string, key: string, known: () => string[]): string | undefined {
  if (ignoredKeys[kind]?.includes(key)) return undefined;
  const other = otherNames[kind];
  if (other && Object.hasOwn(other, key)) return `unknown key "${key}" is ignored; mcpctl writes ${other[key]}`;
  const [near] = suggest(key, known(), 1);
  return `unknown key "${key}" is ignored${near === undefined ? '' : `; did you mean "${near}"?`}`;
}

/** Two names that differ only in case are one file name on some systems and one word to most people. */
function similarNames(document: ConfigDocument, names: readonly string[]): ConfigProblem[] {
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
