/** What of a server's JSON Schema is not worth checking against: too deep, too large, or leading out of itself. */

/** As the protocol advises for schemas of strangers. */
export const schemaBounds = { depth: 64, subschemas: 10_000 } as const;

/** Keywords whose values are data, not schemas. */
const dataKeywords: ReadonlySet<string> = new Set(['enum', 'const', 'default', 'examples', 'required', 'dependentRequired']);
/** Keywords whose values are maps from names to schemas. */
const mapKeywords: ReadonlySet<string> = new Set([
  '$defs',
  'definitions',
  'properties',
  'patternProperties',
  'dependentSchemas',
  'dependencies',
]);
/** Keywords whose cost grows faster than schema and value: the check gets a limit of time. */
const costlyKeywords: ReadonlySet<string> = new Set([
  'pattern',
  'patternProperties',
  'format',
  '$ref',
  '$recursiveRef',
  '$dynamicRef',
  'uniqueItems',
]);

export interface SchemaSurvey {
  /** Why the schema is not used; undefined when it is. */
  readonly fault: string | undefined;
  /** Whether a check against it may take longer than the size of the value explains. */
  readonly isCostly: boolean;
}

/** Looks at every subschema once, without recursion. */
export function surveySchema(schema: unknown): SchemaSurvey {
  const waiting: { value: unknown; depth: number }[] = [{ value: schema, depth: 1 }];
  let count = 0;
  let isCostly = false;
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { value, depth } = next;
    if (typeof value !== 'object' || value === null) continue;
    if (depth > schemaBounds.depth) return { fault: `it is nested deeper than ${schemaBounds.depth} levels`, isCostly };
    if (++count > schemaBounds.subschemas) return { fault: `it has more than ${schemaBounds.subschemas} parts`, isCostly };
    for (const [keyword, part] of Object.entries(value)) {
      if (dataKeywords.has(keyword)) continue;
      if (costlyKeywords.has(keyword)) isCostly = true;
      if (typeof part !== 'object' || part === null) continue;
      const isList = Array.isArray(part) || mapKeywords.has(keyword);
      for (const inner of isList ? Object.values(part) : [part]) waiting.push({ value: inner, depth: depth + 1 });
    }
  }
  return { fault: undefined, isCostly };
}
