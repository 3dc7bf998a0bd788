/** JSON with comments, and where everything in it is. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables as users write them in a file
import { describe, expect, it } from 'vitest';
import { JsoncDocument } from '../../../src/config/document.js';
import { formatPath, formatProblem } from '../../../src/config/position.js';

const first = (text: string) => {
  const { problems } = JsoncDocument.parse('c.json', text);
  return problems[0] && formatProblem(problems[0]);
};

describe('JsoncDocument', () => {
  it('accepts comments, trailing commas and a byte order mark, which moves no position', () => {
    const document = JsoncDocument.parse('c.json', '\uFEFF// note\n{ "a": [1, 2,], /* x */ "b": true, }');
    expect(document.problems).toEqual([]);
    expect(document.at(['a', 1])).toBe(2);
    expect(document.position(['b'])).toEqual({ line: 2, column: 30 });
    expect(document.hasBom).toBe(true);
  });

  it.each([
    ['', 'c.json:1:1: the file is empty; write {} for a configuration without servers'],
    [' \n\t', 'c.json:1:1: the file is empty; write {} for a configuration without servers'],
    ['// only a comment\n', 'c.json:2:1: the file ends too early: expected a value'],
    ['{ "a": 1', 'c.json:1:9: the file ends too early: expected "," or "}"'],
    ['{\n  "a": [1, 2', 'c.json:2:13: the file ends too early: expected "," or "]"'],
    ['{\n  "a": "x\n}', 'c.json:2:8: a string is not closed with ", found "\\"x"'],
    ['{\n  "a" 1\n}', 'c.json:2:7: expected ":", found "1"'],
    ['{\n  "a": 1\n  "b": 2\n}', 'c.json:3:3: expected "," or the end of the list, found "\\"b\\""'],
    ["{ 'a': 1 }", 'c.json:1:3: unexpected text, found "\'a\'"'],
    ['{ a: 1 }', 'c.json:1:3: unexpected text, found "a"'],
    ['{ "a": /* open', 'c.json:1:8: a comment is not closed with */, found "/* …"'],
    ['{ "a": "\\q" }', 'c.json:1:8: invalid escape: a backslash is written \\\\, found "\\"\\\\q…"'],
    ['{ "token": "ghp_1234567890\n}', 'c.json:1:12: a string is not closed with ", found "\\"gh…"'],
    ['{ "a": tru }', 'c.json:1:8: unexpected text, found "tru"'],
    ['{} {}', 'c.json:1:4: unexpected text after the end of the configuration, found "{"'],
    ['{ "a": "x\0y" }', 'c.json:1:10: NUL byte: the file is binary or not UTF-8 (UTF-16?)'],
    ['[[1, 2]', 'c.json:1:8: the file ends too early: expected "," or "]"'],
  ])('tells of %j: %s', (text, message) => {
    expect(first(text)).toBe(message);
  });

  it('tells both places of a duplicate key', () => {
    expect(first('{\n  "a": { "x": 1,\n    "x": 2 }\n}')).toBe('c.json:3:5: a.x: duplicate key "x", first at line 2, column 10');
  });

  it.each(['__proto__', 'constructor', 'prototype'])('refuses the key %s at any depth', (key) => {
    expect(first(`{ "a": [ { "${key}": { "command": "sh" } } ] }`)).toBe(
      `c.json:1:12: a[0].${key}: the key "${key}" is not allowed`,
    );
    expect(first(`{ "\\u00${key.charCodeAt(0).toString(16)}${key.slice(1)}": 1 }`)).toContain('is not allowed');
  });

  it('makes objects that inherit nothing', () => {
    const document = JsoncDocument.parse('c.json', '{ "a": {} }');
    expect(document.at(['toString'])).toBeUndefined();
    expect(Object.getPrototypeOf(document.at(['a']))).toBeNull();
  });

  it('refuses 65 levels and reads 64, whatever stands in strings and comments; 5,000,000 brackets do not overflow the stack', () => {
    expect(first(`${'['.repeat(64)}"[[[\\"[["${']'.repeat(64)}// [[[[`)).toBeUndefined();
    expect(first(`${'['.repeat(65)}${']'.repeat(65)}`)).toBe('c.json:1:65: nested more than 64 levels deep');
    expect(first('['.repeat(5_000_000))).toBe('c.json:1:65: nested more than 64 levels deep');
  });

  it('points at a value, at its key, and at the nearest place around what is missing', () => {
    const document = JsoncDocument.parse('c.json', '{\n  "s": {\n    "files": { "command": 7 }\n  }\n}');
    expect(document.position(['s', 'files', 'command'])).toEqual({ line: 3, column: 27 });
    expect(document.position(['s', 'files', 'command'], { key: true })).toEqual({ line: 3, column: 16 });
    expect(document.position(['s', 'files', 'url'])).toEqual({ line: 3, column: 5 });
    expect(document.position(['nothing'])).toEqual({ line: 1, column: 1 });
  });

  it('survives 2,000 mutations of a good file: each gives a value or a problem with a position in the file', () => {
    const good = '{\n  // servers\n  "mcpServers": { "a": { "command": "npx", "args": ["-y", "x"], "n": -1.5e3 } },\n}';
    let seed = 42;
    const next = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed % below;
    };
    const junk = ['"', '{', '}', '[', ']', ',', ':', '\\', '\n', '\0', '/*', '//', '\uD800', 'x', '1', '\uFEFF', '__proto__'];
    for (let run = 0; run < 2000; run++) {
      let text = good;
      for (let edit = next(3) + 1; edit > 0; edit--) {
        const at = next(text.length + 1);
        text = text.slice(0, at) + (next(2) ? junk[next(junk.length)] : '') + text.slice(at + next(4));
      }
      const { problems } = JsoncDocument.parse('c.json', text);
      const lines = text.split('\n').length;
      for (const problem of problems) {
        expect(problem.line, text).toBeGreaterThanOrEqual(1);
        expect(problem.line, text).toBeLessThanOrEqual(lines);
        expect(problem.message, text).not.toBe('');
      }
    }
  });
});

describe('formatPath', () => {
  it('writes indexes in brackets and quotes what is no plain word', () => {
    expect(formatPath(['mcpServers', 'files', 'args', 1])).toBe('mcpServers.files.args[1]');
    expect(formatPath(['mcpServers', 'a b', 'env', 'X-Y'])).toBe('mcpServers["a b"].env.X-Y');
    expect(formatPath([])).toBe('');
  });
});
