/** Words of a call: text becomes what the schema asks for, or says why not. */
import { describe, expect, it } from 'vitest';
import type { InputWord } from '../../../src/cli/input.js';
import { resolveInput } from '../../../src/cli/input.js';
import { toolInput } from '../../../src/cli/tool-input.js';
import type { Tool } from '../../../src/manager/manager.js';

const tool = (properties: Record<string, unknown>): Tool => ({
  name: 't',
  inputSchema: { type: 'object', properties: properties as never },
});
const words = (...texts: string[]): InputWord[] =>
  texts.map((text) => ({ key: text.slice(0, text.indexOf('=')), text: text.slice(text.indexOf('=') + 1) }));

describe('toolInput', () => {
  it.each([
    ['a string stays text', { a: { type: 'string' } }, 'a=5', { a: '5' }],
    ['no schema: text', {}, 'a=5', { a: '5' }],
    ['a number', { a: { type: 'number' } }, 'a=-1.5e3', { a: -1500 }],
    ['an integer', { a: { type: 'integer' } }, 'a=7', { a: 7 }],
    ['a boolean', { a: { type: 'boolean' } }, 'a=true', { a: true }],
    ['null', { a: { type: 'null' } }, 'a=null', { a: null }],
    ['string or number stays text', { a: { type: ['string', 'number'] } }, 'a=5', { a: '5' }],
    ['number or null', { a: { type: ['number', 'null'] } }, 'a=null', { a: null }],
    ['anyOf number and boolean', { a: { anyOf: [{ type: 'number' }, { type: 'boolean' }] } }, 'a=false', { a: false }],
    ['an enum of numbers', { a: { enum: [1, 2] } }, 'a=2', { a: 2 }],
    ['a constant', { a: { const: true } }, 'a=true', { a: true }],
    ['one value for an array', { a: { type: 'array', items: { type: 'integer' } } }, 'a=1', { a: [1] }],
    ['an object as JSON', { a: { type: 'object' } }, 'a={"b":1}', { a: { b: 1 } }],
    ['an equals sign in the value', { a: { type: 'string' } }, 'a=b=c', { a: 'b=c' }],
    ['an empty value', { a: { type: 'string' } }, 'a=', { a: '' }],
  ])('%s', (_, properties, word, wanted) => expect(toolInput(words(word), undefined, tool(properties))).toEqual(wanted));

  it('makes an array of a repeated key', () => {
    const schema = { a: { type: 'array', items: { type: 'number' } } };
    expect(toolInput(words('a=1', 'a=2', 'a=3'), undefined, tool(schema))).toEqual({ a: [1, 2, 3] });
  });

  it('lays single words over --args', () => {
    expect(toolInput(words('a=2'), '{"a":"1","b":[true]}', tool({ a: { type: 'string' } }))).toEqual({ a: '2', b: [true] });
  });

  it.each([
    ['a=x', { a: { type: 'number' } }, '/a must be number, not "x"'],
    ['a=1.5', { a: { type: 'integer' } }, '/a must be integer, not "1.5"'],
    ['a=', { a: { type: 'number' } }, '/a must be number, not ""'],
    ['a=0x10', { a: { type: 'number' } }, '/a must be number'],
    ['a=1e999', { a: { type: 'number' } }, '/a must be number'],
    ['a=yes', { a: { type: 'boolean' } }, '/a must be boolean'],
  ])('%s is INVALID_INPUT with its path', (word, properties, message) => {
    expect(() => toolInput(words(word), undefined, tool(properties))).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringContaining(message), details: { path: '/a' } }),
    );
  });

  it('refuses a key given twice for one value, and --args that is no object', () => {
    expect(() => toolInput(words('a=1', 'a=2'), undefined, tool({ a: { type: 'string' } }))).toThrow(/given twice/);
    for (const text of ['[1]', '"x"', 'null', '{', ''])
      expect(() => toolInput([], text, tool({}))).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
  });

  it('takes __proto__ and constructor for ordinary names', () => {
    const input = toolInput(words('__proto__=x', 'constructor=y'), undefined, tool({}));
    expect(Object.keys(input)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(input)).toBe(Object.prototype);
  });
});

describe('resolveInput', () => {
  const sources = { cwd: '/nowhere', readInput: async () => '{"from":"stdin"}' };

  it('splits pairs from words, reads JSON after :=, and stdin for --args -', async () => {
    const { input, args } = await resolveInput({ input: ['echo', 'a=1', 'b:={"c":[1]}', 'd=@@at'], args: '-' }, sources);
    expect(input).toEqual({
      words: ['echo'],
      pairs: [
        { key: 'a', text: '1' },
        { key: 'b', json: { c: [1] } },
        { key: 'd', text: '@at' },
      ],
    });
    expect(args).toBe('{"from":"stdin"}');
  });

  it.each([
    [{ input: ['a:={'] }, 'INVALID_INPUT'],
    [{ input: ['=x'] }, 'USAGE'],
    [{ input: ['a=@missing.txt'] }, 'USAGE'],
    [{ args: '@missing.json' }, 'USAGE'],
  ])('refuses %j with %s and a hint', async (given, code) => {
    await expect(resolveInput(given, sources)).rejects.toMatchObject({ code, hint: expect.any(String) });
  });
});
