/** Argument keys and values a tool's input schema allows. The schema is a stranger's: every shape is expected, nothing is trusted. */

/** As much of a tool as completion needs. */
export interface ToolShape {
  readonly name: string;
  /** JSON Schema of the arguments. */
  readonly inputSchema?: unknown;
}

/** How many subschemas of one argument are looked at: more than generators write, an end for schemas that name themselves. */
const maxSchemas = 200;

/** `key=` for every argument that is not given yet, `key:=` where only JSON can say it, lists again and again. */
export function argumentKeys(tool: ToolShape, given: readonly string[]): string[] {
  const keysGiven = new Set(given.map(keyOf).filter((key) => key !== undefined));
  const keys: string[] = [];
  for (const [key, property] of properties(tool)) {
    // Such a key cannot be written as key=value.
    if (key === '' || key.includes('=') || key.endsWith(':')) continue;
    const types = branchesOf(property, tool.inputSchema, false)
      .flatMap(typeList)
      .filter((type) => type !== undefined);
    if (keysGiven.has(key) && !types.includes('array')) continue;
    const needsJson = types.length > 0 && types.every((type) => type === 'object');
    keys.push(needsJson ? `${key}:=` : `${key}=`);
  }
  return keys;
}

/** `key=value` for the values that the schema names; `undefined` while the word has no `key=` yet. */
export function argumentValues(tool: ToolShape, word: string): string[] | undefined {
  const key = keyOf(word);
  if (key === undefined) return undefined;
  const property = properties(tool).find(([name]) => name === key)?.[1];
  if (property === undefined) return [];
  const operator = word.startsWith(`${key}:=`) ? ':=' : '=';
  const values = listedValues(property, tool.inputSchema, operator === ':=');
  return [...values].map((value) => `${key}${operator}${value}`);
}

/** The part of `key=value` or `key:=json` before the operator. */
function keyOf(word: string): string | undefined {
  return /^([^=]+?):?=/s.exec(word)?.[1];
}

function properties({ inputSchema }: ToolShape): [string, unknown][] {
  const found = field(inputSchema, 'properties');
  return isRecord(found) ? Object.entries(found) : [];
}

/** The values that the schema lists, as words. */
function listedValues(schema: unknown, root: unknown, asJson: boolean): Set<string> {
  const values = new Set<string>();
  for (const part of branchesOf(schema, root, !asJson)) {
    const listed =
      field(part, 'enum') ?? ('const' in part ? [part.const] : typeList(part).includes('boolean') ? [true, false] : []);
    for (const value of Array.isArray(listed) ? listed : []) {
      if (asJson) values.add(JSON.stringify(value));
      // `key=@x` would read a file; a doubled sign is the sign itself.
      else if (typeof value === 'string') values.add(value.startsWith('@') ? `@${value}` : value);
      else if (typeof value === 'number' || typeof value === 'boolean') values.add(String(value));
    }
  }
  return values;
}

/** The schema and what `$ref`, `anyOf` and `oneOf` lead to; with `items`, since a repeated key gives a list one item at a time. */
function branchesOf(schema: unknown, root: unknown, withItems: boolean): Record<string, unknown>[] {
  const found: Record<string, unknown>[] = [];
  const queue: unknown[] = [schema];
  for (let seen = 0; queue.length > 0 && seen < maxSchemas; seen++) {
    const next = queue.shift();
    if (!isRecord(next)) continue;
    found.push(next);
    const more = [field(next, 'anyOf'), field(next, 'oneOf'), target(next, root), withItems ? field(next, 'items') : undefined];
    queue.push(...more.flatMap((item) => (Array.isArray(item) ? item.slice(0, maxSchemas) : [item])));
  }
  return found;
}

/** What a `$ref` into the same document names, as code generators write them: `#/$defs/Mode`. */
function target(schema: unknown, root: unknown): unknown {
  const ref = field(schema, '$ref');
  if (typeof ref !== 'string' || !ref.startsWith('#/')) return undefined;
  let current = root;
  for (const part of ref.slice(2).split('/')) current = field(current, part.replaceAll('~1', '/').replaceAll('~0', '~'));
  return current;
}

function typeList(schema: unknown): unknown[] {
  const type = field(schema, 'type');
  return Array.isArray(type) ? type : [type];
}

function field(value: unknown, name: string): unknown {
  return isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
