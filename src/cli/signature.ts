/** A tool as people read it: `name(a: string, b?: number)`, its marks, and a call to paste. */

import type { Tool } from '../manager/manager.js';

type Schema = Readonly<Record<string, unknown>>;

/** `create_issue(title: string, labels?: string[]) [destructive]` */
export function signature(tool: Tool): string {
  const parameters = parametersOf(tool).map(({ name, type, isRequired }) => `${name}${isRequired ? '' : '?'}: ${type}`);
  const tags = tagsOf(tool);
  return `${tool.name}(${parameters.join(', ')})${tags.length > 0 ? ` [${tags.join(', ')}]` : ''}`;
}

/** What the server claims about the tool; nothing is trusted because of it. */
export function tagsOf({ annotations }: Tool): string[] {
  const tags: string[] = [];
  if (annotations?.readOnlyHint) tags.push('read-only');
  if (annotations?.destructiveHint && !annotations.readOnlyHint) tags.push('destructive');
  if (annotations?.idempotentHint) tags.push('idempotent');
  if (annotations?.openWorldHint) tags.push('open-world');
  return tags;
}

export interface Parameter {
  readonly name: string;
  readonly type: string;
  readonly isRequired: boolean;
  readonly description: string | undefined;
  readonly example: string;
}

/** Required parameters first, otherwise in the server's order. */
export function parametersOf({ inputSchema }: Tool): Parameter[] {
  const properties = Object.entries((inputSchema.properties ?? {}) as Record<string, unknown>);
  const required = new Set(Array.isArray(inputSchema.required) ? inputSchema.required : []);
  const parameters = properties.map(([name, value]) => {
    const schema = (typeof value === 'object' && value !== null ? value : {}) as Schema;
    const description = typeof schema.description === 'string' ? schema.description : undefined;
    return { name, type: typeName(schema), isRequired: required.has(name), description, example: exampleOf(name, schema) };
  });
  return [...parameters.filter(({ isRequired }) => isRequired), ...parameters.filter(({ isRequired }) => !isRequired)];
}

/** `call server/tool key=value` with every required parameter, ready to paste into a shell. */
export function exampleCall(server: string, tool: Tool): string {
  const words = parametersOf(tool)
    .filter(({ isRequired }) => isRequired)
    .map(({ example }) => example);
  return ['mcpctl call', `${server}/${tool.name}`, ...words].join(' ');
}

function typeName(schema: Schema, depth = 0): string {
  if (depth > 3) return 'any';
  if (Array.isArray(schema.enum))
    return (
      schema.enum
        .slice(0, 6)
        .map((value) => JSON.stringify(value))
        .join(' | ') + (schema.enum.length > 6 ? ' | …' : '')
    );
  if ('const' in schema) return JSON.stringify(schema.const);
  const branches = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(branches)) return [...new Set(branches.map((branch) => typeName(asSchema(branch), depth + 1)))].join(' | ');
  const { type } = schema;
  if (Array.isArray(type)) return type.join(' | ');
  if (type === 'array') return `${typeName(asSchema(schema.items), depth + 1)}[]`;
  return typeof type === 'string' ? type : 'any';
}

function exampleOf(name: string, schema: Schema): string {
  const known =
    schema.default ??
    (Array.isArray(schema.examples) ? schema.examples[0] : undefined) ??
    (Array.isArray(schema.enum) ? schema.enum[0] : undefined);
  const types = [schema.type].flat();
  if (typeof known === 'string') return quote(`${name}=${known}`);
  if (known !== undefined) return quote(`${name}:=${JSON.stringify(known)}`);
  if (types.includes('string') || types[0] === undefined) return quote(`${name}=…`);
  if (types.includes('number') || types.includes('integer')) return `${name}=1`;
  if (types.includes('boolean')) return `${name}=true`;
  if (types.includes('array')) return quote(`${name}:=[]`);
  return quote(`${name}:={}`);
}

/** Quoted for sh when it must be. */
function quote(word: string): string {
  return /^[\w@%+=:,./\u2026-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function asSchema(value: unknown): Schema {
  return typeof value === 'object' && value !== null ? (value as Schema) : {};
}
