/** An entry of a file as a list of its fields, and two of them compared: what a person reads before saying yes. */
import type { JsonValue } from './document.js';
import { variablesOf } from './expand.js';
import type { KeyPath } from './position.js';
import { isObject } from './shape.js';

export interface EntryField {
  readonly path: KeyPath;
  /** A string, number, boolean or null; of an empty list or object the thing itself. */
  readonly value: JsonValue;
}

/** What decides comes first; the rest stays in the order of the file. */
const firstKeys = ['type', 'transport', 'command', 'args', 'cwd', 'env', 'url', 'headers'];

/** Every value of an entry, one field each: nothing is left out, nothing is shortened. */
export function entryFields(entry: JsonValue): EntryField[] {
  const fields: EntryField[] = [];
  const walk = (value: JsonValue, path: KeyPath) => {
    const below = Array.isArray(value) ? value.map((item, index) => [index, item] as const) : entriesOf(value);
    if (below.length === 0) fields.push({ path, value });
    for (const [key, item] of below) walk(item, [...path, key]);
  };
  const rank = (key: string | number) => (firstKeys.indexOf(String(key)) + firstKeys.length + 1) % (firstKeys.length + 1);
  for (const [key, item] of [...entriesOf(entry)].sort(([a], [b]) => rank(a) - rank(b))) walk(item, [key]);
  return fields;
}

function entriesOf(value: JsonValue): [string, JsonValue][] {
  return isObject(value) ? Object.entries(value) : [];
}

export interface FieldChange {
  readonly path: KeyPath;
  /** Absent where the field is new. */
  readonly from?: JsonValue;
  /** Absent where the field is gone. */
  readonly to?: JsonValue;
}

/** What differs between two entries, field by field. */
export function entryChanges(before: JsonValue, after: JsonValue): FieldChange[] {
  const old = byPath(before);
  const now = byPath(after);
  const changes: FieldChange[] = [];
  for (const key of new Set([...old.keys(), ...now.keys()])) {
    const [from, to] = [old.get(key), now.get(key)];
    const path = (to ?? from)!.path;
    if (JSON.stringify(from?.value) === JSON.stringify(to?.value)) continue;
    changes.push({ path, ...(from && { from: from.value }), ...(to && { to: to.value }) });
  }
  return changes;
}

function byPath(entry: JsonValue): Map<string, EntryField> {
  return new Map(entryFields(entry).map((field) => [JSON.stringify(field.path), field]));
}

/** The keys whose strings are expanded when the server is used. */
const expandedKeys = ['command', 'args', 'env', 'cwd', 'url', 'headers'];

/** The variables that using this entry would take the values of. */
export function entryVariables(entry: JsonValue): string[] {
  const names = entryFields(entry).flatMap(({ path, value }) => {
    if (typeof value !== 'string') return [];
    const [key, below] = path;
    if (key === 'oauth' && below === 'clientSecretEnv') return [value];
    const isExpanded = expandedKeys.includes(String(key)) || (key === 'oauth' && below === 'clientSecret');
    return isExpanded ? variablesOf(value) : [];
  });
  return [...new Set(names)];
}
