/** T25: schemas of strangers are checked against within bounds of depth, size and time, and never fetched from anywhere. */
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { McpctlError } from '../../../src/core/errors.js';
import { checkInput, checkStructuredResult } from '../../../src/mcp/json-schema.js';
import { surveySchema } from '../../../src/mcp/schema-bounds.js';

const tool = (inputSchema: object) => ({ name: 'x', inputSchema: { type: 'object', ...inputSchema } }) as never;
const refusal = async (promise: Promise<void>): Promise<McpctlError> => {
  const error = await promise.then(
    () => expect.unreachable('it should have been refused'),
    (reason: unknown) => reason,
  );
  return error as McpctlError;
};
const nested = (depth: number): object => (depth === 1 ? { type: 'object' } : { allOf: [nested(depth - 1)] });

describe('surveySchema', () => {
  it('takes 64 levels and 10 000 parts, and refuses one more of either', () => {
    expect(surveySchema(nested(64)).fault).toBeUndefined();
    expect(surveySchema(nested(65)).fault).toMatch(/deeper than 64/);
    const wide = (parts: number) => ({ anyOf: Array.from({ length: parts - 1 }, () => ({ type: 'string' })) });
    expect(surveySchema(wide(10_000)).fault).toBeUndefined();
    expect(surveySchema(wide(10_001)).fault).toMatch(/10000 parts/);
  });

  it('counts levels of properties once, and data not at all', () => {
    let schema: object = { type: 'string' };
    for (let i = 0; i < 63; i++) schema = { type: 'object', properties: { a: schema } };
    expect(surveySchema(schema).fault).toBeUndefined();
    let data: unknown = 1;
    for (let i = 0; i < 500; i++) data = { data };
    expect(surveySchema({ default: data, enum: [data], const: data, examples: [data] }).fault).toBeUndefined();
  });

  it('knows a property called "pattern" from a pattern', () => {
    expect(surveySchema({ properties: { pattern: { type: 'string' } } }).isCostly).toBe(false);
    expect(surveySchema({ properties: { a: { pattern: '^a' } } }).isCostly).toBe(true);
  });
});

describe('checkInput', () => {
  it('a pattern that backtracks without end is given up, and the process goes on', async () => {
    const hostile = tool({ properties: { a: { type: 'string', pattern: '^(a+)+$' } } });
    const error = await refusal(checkInput({ a: `${'a'.repeat(40)}!` }, hostile, 'it'));
    expect(error).toMatchObject({ code: 'PROTOCOL', server: 'it', delivered: 'no' });
    expect(error.message).toMatch(/unusable input schema: a check against it takes longer than 100 ms/);
    // The same tool with an input that is no trouble.
    await checkInput({ a: 'aaa' }, hostile, 'it');
    expect(await refusal(checkInput({ a: 'b' }, hostile, 'it'))).toMatchObject({ code: 'INVALID_INPUT' });
  });

  it('references that double at each of 40 levels are given up as well', async () => {
    const $defs: Record<string, object> = { d40: { type: 'string' } };
    for (let i = 0; i < 40; i++) $defs[`d${i}`] = { anyOf: [{ $ref: `#/$defs/d${i + 1}` }, { $ref: `#/$defs/d${i + 1}` }] };
    const error = await refusal(checkInput({ a: 1 }, tool({ properties: { a: { $ref: '#/$defs/d0' } }, $defs }), 'it'));
    expect(error).toMatchObject({ code: 'PROTOCOL', delivered: 'no' });
  });

  it('a schema that refers to itself without end is PROTOCOL, and one that describes a tree works', async () => {
    const circle = tool({ properties: { a: { $ref: '#/$defs/a' } }, $defs: { a: { $ref: '#/$defs/a' } } });
    const error = await refusal(checkInput({ a: 1 }, circle, 'it'));
    expect(error).toMatchObject({ code: 'PROTOCOL', delivered: 'no' });
    const tree = tool({ properties: { next: { $ref: '#' }, value: { type: 'number' } } });
    await checkInput({ next: { next: { value: 1 } } }, tree, 'it');
    expect(await refusal(checkInput({ next: { next: { value: 'a' } } }, tree, 'it'))).toMatchObject({ code: 'INVALID_INPUT' });
  });

  it('5000 nested allOf are refused without an overflow', async () => {
    let deep: object = { type: 'object' };
    for (let i = 0; i < 5000; i++) deep = { allOf: [deep] };
    expect((await refusal(checkInput({}, tool(deep), 'it'))).message).toMatch(/deeper than 64 levels/);
  });

  it('a $ref to a listener is PROTOCOL in one short line, and the listener sees nobody', async () => {
    let connections = 0;
    const listener = createServer((socket) => {
      connections++;
      socket.destroy();
    });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const { port } = listener.address() as { port: number };
    const error = await refusal(checkInput({ a: 1 }, tool({ properties: { a: { $ref: `http://127.0.0.1:${port}/s` } } }), 'it'));
    expect(error).toMatchObject({ code: 'PROTOCOL', delivered: 'no' });
    expect(error.message).not.toContain('Known schemas');
    expect(connections).toBe(0);
    await new Promise((resolve) => listener.close(resolve));
  });
});

describe('checkStructuredResult', () => {
  it('a hostile output schema is PROTOCOL, perhaps delivered, and the process goes on', async () => {
    const outputSchema = { type: 'object', properties: { a: { type: 'string', pattern: '^(a+)+$' } } };
    const result = { content: [], structuredContent: { a: `${'a'.repeat(40)}!` } };
    const subject = { name: 'x', inputSchema: { type: 'object' }, outputSchema } as never;
    const error = await refusal(checkStructuredResult(result, subject, 'it'));
    expect(error).toMatchObject({ code: 'PROTOCOL', delivered: 'maybe' });
    await checkStructuredResult({ content: [], structuredContent: { a: 'aa' } }, subject, 'it');
  });
});
