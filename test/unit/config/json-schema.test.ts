/** The published JSON Schema says the same as the checks: for every fixture, and for every single mistake of a table. */
import { readdirSync, readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { configJsonSchema, configKeys } from '../../../src/config/json-schema.js';
import { keyTexts } from '../../../src/config/key-texts.js';
import { parseText } from '../../../src/config/read-file.js';
import { checkShape } from '../../../src/config/shape.js';

const schema = configJsonSchema();
const validate = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true }).compile(schema);
const fixtures = new URL('../../fixtures/config/', import.meta.url);
const isValid = (value: unknown) => validate(JSON.parse(JSON.stringify(value)));

/** Every place in the schema that is called by a key. */
function* described(part: Record<string, unknown>, name = ''): Generator<[string, Record<string, unknown>]> {
  for (const inner of [part.items, part.additionalProperties, ...((part.anyOf as unknown[]) ?? [])]) {
    if (typeof inner === 'object') yield* described(inner as Record<string, unknown>, name);
  }
  for (const [key, value] of Object.entries((part.properties ?? {}) as Record<string, Record<string, unknown>>)) {
    yield [`${name}.${key}`, value];
    yield* described(value, `${name}.${key}`);
  }
}

describe('the JSON Schema', () => {
  it.each(readdirSync(fixtures).filter((name) => /^(native|full)\./.test(name)))('accepts %s', async (name) => {
    const document = await parseText(name, readFileSync(new URL(name, fixtures), 'utf8'));
    expect(isValid(document.value), JSON.stringify(validate.errors)).toBe(true);
  });

  it.each([
    [{ mcpServers: [] }],
    [{ mcpServers: { 'a/b': { command: 'x' } } }],
    [{ mcpServers: { a: { command: '' } } }],
    [{ mcpServers: { a: { command: 'x', args: [1] } } }],
    [{ mcpServers: { a: { command: 'x', env: { A: 1 } } } }],
    [{ mcpServers: { a: { command: 'x', stop: { command: [] } } } }],
    [{ mcpServers: { a: { url: 'u', type: 'websocket' } } }],
    [{ mcpServers: { a: { url: 'u', timeouts: { call: 5 } } } }],
    [{ mcpServers: { a: { url: 'u', timeouts: { call: '5' } } } }],
    [{ mcpServers: { a: { url: 'u', maxMessageBytes: 1.5 } } }],
    [{ mcpServers: { a: { url: 'u', maxMessageBytes: 1 } } }],
    [{ mcpServers: { a: { url: 'u', trust: 'yes' } } }],
    [{ mcpServers: { a: { endpoints: [] } } }],
    [{ mcpServers: { a: { endpoints: [{ url: 'u', weight: -1 }] } } }],
    [{ mcpServers: { a: { url: 'u', retry: { tools: { t: { jitter: 2 } } } } } }],
    [{ defaults: { cache: { ttl: 5 } } }],
    [{ startConcurrency: 0 }],
    [{ metrics: { port: 65_536 } }],
    [{ state: { redis: { url: '' } } }],
  ])('refuses %j, as the check does', async (value) => {
    expect(isValid(value)).toBe(false);
    expect(checkShape(await parseText('c.json', JSON.stringify(value))).issues).not.toEqual([]);
  });

  it('accepts what the check accepts: unknown keys, "trust": true, durations with a fraction', async () => {
    const entry = { url: 'u', trust: true, unknown: 1, timeouts: { call: '1.5m' }, health: { interval: '0s' } };
    const value = { $schema: 'x', mcpServers: { a: entry }, other: {} };
    expect(isValid(value), JSON.stringify(validate.errors)).toBe(true);
    expect(checkShape(await parseText('c.json', JSON.stringify(value))).issues).toEqual([]);
  });

  it('has a text for each of over 90 keys, and no text is left over', () => {
    const places = [...described(schema)].map(([name, part]) => [name.slice(1), part.description] as const);
    expect(places.filter(([, text]) => text === undefined).map(([name]) => name)).toEqual([]);
    const used = new Set(places.map(([, text]) => text));
    expect(Object.entries(keyTexts).filter(([, text]) => !used.has(text))).toEqual([]);
    expect(Object.keys(keyTexts).length).toBeGreaterThan(90);
  });

  it('gives defaults that fit their own schema', () => {
    const withDefault = [...described(schema)].filter(([, part]) => 'default' in part);
    expect(withDefault.length).toBeGreaterThan(10);
    const ajv = new Ajv2020();
    for (const [name, part] of withDefault) expect(ajv.validate(part, part.default), name).toBe(true);
  });

  it('knows each key once', () => {
    expect(new Set(configKeys()).size).toBe(configKeys().length);
    expect(configKeys()).toEqual(
      expect.arrayContaining(['trust.annotations', 'endpoints.weight', 'retry.tools', 'state.redis.url']),
    );
  });
});
