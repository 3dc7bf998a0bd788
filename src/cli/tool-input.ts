/** Words of a call as the arguments of a tool: text becomes what the schema asks for. */

import { McpctlError, rootMessage } from '../core/errors.js';
import type { Tool } from '../manager/manager.js';
import type { InputWord } from './input.js';

type Schema = Readonly<Record<string, unknown>>;

/**
 * Builds the arguments: `--args` first, then the single words over it. A repeated key makes an array where the schema has one.
 *
 * @throws McpctlError `INVALID_INPUT` with the JSON path of what does not fit.
 */
export function toolInput(pairs: readonly InputWord[], argsText: string | undefined, tool: Tool): Record<string, unknown> {
  const input: Record<string, unknown> = argsText === undefined ? {} : parseArgs(argsText);
  const properties = (isObject(tool.inputSchema.properties) ? tool.inputSchema.properties : {}) as Record<string, unknown>;
  const seen = new Set<string>();
  for (const pair of pairs) {
    const { key } = pair;
    const schema = Object.hasOwn(properties, key) && isObject(properties[key]) ? (properties[key] as Schema) : {};
    const isRepeated = seen.has(key);
    seen.add(key);
    if ('json' in pair) {
      set(input, key, isRepeated ? append(input[key], pair.json, key) : pair.json);
      continue;
    }
    const wantsArray = typesOf(schema).includes('array');
    if (!wantsArray) {
      if (isRepeated) throw invalid(`/${key}`, `is given twice, but the tool takes one value`);
      set(input, key, convert(pair.text, schema, `/${key}`));
      continue;
    }
    const items = isObject(schema.items) ? (schema.items as Schema) : {};
    const item = convert(pair.text, items, `/${key}`);
    set(input, key, isRepeated ? append(input[key], item, key) : [item]);
  }
  return input;
}

function parseArgs(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new McpctlError('INVALID_INPUT', `--args is not JSON: ${rootMessage(error)}`, {
      hint: `for example --args '{"message":"hi"}'`,
    });
  }
  if (!isObject(value))
    throw new McpctlError('INVALID_INPUT', '--args must be a JSON object', { hint: `for example --args '{"message":"hi"}'` });
  return { ...value };
}

/** Text stays text unless the schema asks only for something else. */
function convert(text: string, schema: Schema, path: string): unknown {
  const types = typesOf(schema);
  if (types.length === 0 || types.includes('string')) return text;
  for (const type of types) {
    const value = convertTo(type, text);
    if (value !== undefined) return value.value;
  }
  throw invalid(path, `must be ${types.join(' or ')}, not "${text}"`);
}

function convertTo(type: string, text: string): { value: unknown } | undefined {
  switch (type) {
    case 'integer':
    case 'number': {
      if (!/^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return undefined;
      const value = Number(text);
      return Number.isFinite(value) && (type === 'number' || Number.isInteger(value)) ? { value } : undefined;
    }
    case 'boolean':
      return text === 'true' || text === 'false' ? { value: text === 'true' } : undefined;
    case 'null':
      return text === 'null' ? { value: null } : undefined;
    case 'array':
    case 'object':
      try {
        const value: unknown = JSON.parse(text);
        return Array.isArray(value) === (type === 'array') && typeof value === 'object' && value !== null ? { value } : undefined;
      } catch {
        return undefined;
      }
    default:
      return undefined;
  }
}

/** The JSON types a schema admits; of `anyOf`/`oneOf` all together; none when it does not say. Enums and constants speak by their values. */
function typesOf(schema: Schema, depth = 0): string[] {
  const { type } = schema;
  if (typeof type === 'string') return [type];
  if (Array.isArray(type)) return type.filter((item): item is string => typeof item === 'string');
  const values = Array.isArray(schema.enum) ? schema.enum : 'const' in schema ? [schema.const] : [];
  if (values.length > 0)
    return [...new Set(values.map((value) => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value)))];
  const branches = schema.anyOf ?? schema.oneOf;
  if (!Array.isArray(branches) || depth > 4) return [];
  const all = branches.filter(isObject).map((branch) => typesOf(branch as Schema, depth + 1));
  // A branch that admits anything makes the whole admit anything.
  return all.some((types) => types.length === 0) ? [] : [...new Set(all.flat())];
}

function append(before: unknown, item: unknown, key: string): unknown[] {
  if (!Array.isArray(before)) throw invalid(`/${key}`, 'is given twice, but the tool takes one value');
  return [...before, item];
}

/** `__proto__` is an ordinary name here. */
function set(target: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(path: string, what: string): McpctlError {
  return new McpctlError('INVALID_INPUT', `${path} ${what}`, { hint: 'key:=json passes JSON as it is', details: { path } });
}
