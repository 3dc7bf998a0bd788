/** The edits of a JSON file someone typed: one value switched, a server put in, a server taken out. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsoncDocument } from '../../../src/config/document.js';
import { JsoncText } from '../../../src/config/jsonc-edit.js';
import { enabledChange } from '../../../src/config/user-file.js';

const open = (text: string) => new JsoncText(JsoncDocument.parse('c.json', text));
const edit = (text: string, enabled: boolean, server = 'a') => {
  const change = enabledChange(open(text), server, enabled);
  return change ? change.text! : text;
};

describe('switching a server', () => {
  it.each([
    [
      'replaces the value and nothing else',
      '{"mcpServers":{"a":{"enabled" : true /* why */,"command":"x"}}}',
      '{"mcpServers":{"a":{"enabled" : false /* why */,"command":"x"}}}',
    ],
    [
      'puts the key first on one line',
      '{ "mcpServers": { "a": { "command": "x" } } }',
      '{ "mcpServers": { "a": { "enabled": false, "command": "x" } } }',
    ],
    [
      'puts the key first in the tightest form',
      '{"mcpServers":{"a":{"command":"x"}}}',
      '{"mcpServers":{"a":{ "enabled": false, "command":"x"}}}',
    ],
    ['puts the key into an empty object', '{"mcpServers":{"a":{}}}', '{"mcpServers":{"a":{ "enabled": false }}}'],
    [
      'takes over an indentation of 4 and leaves comments where they are',
      '{\n    "mcpServers": {\n        "a": { // first\n            "command": "x", // second\n        },\n    },\n}\n',
      '{\n    "mcpServers": {\n        "a": { // first\n            "enabled": false,\n            "command": "x", // second\n        },\n    },\n}\n',
    ],
    [
      'takes over tabs and CRLF',
      '{\r\n\t"mcpServers": {\r\n\t\t"a": {\r\n\t\t\t"command": "x"\r\n\t\t}\r\n\t}\r\n}',
      '{\r\n\t"mcpServers": {\r\n\t\t"a": {\r\n\t\t\t"enabled": false,\r\n\t\t\t"command": "x"\r\n\t\t}\r\n\t}\r\n}',
    ],
    [
      'keeps a comment that fills an empty object',
      '{ "mcpServers": {\n  "a": {\n    // todo\n  } } }',
      '{ "mcpServers": {\n  "a": {\n    "enabled": false\n    // todo\n  } } }',
    ],
  ])('%s', (_name, before, after) => {
    expect(edit(before, false)).toBe(after);
    const document = JsoncDocument.parse('c.json', after);
    expect(document.problems).toEqual([]);
    expect(document.at(['mcpServers', 'a', 'enabled'])).toBe(false);
  });

  it('changes nothing when the file says so already, with or without the key', () => {
    expect(edit('{"mcpServers":{"a":{}}}', true)).toBe('{"mcpServers":{"a":{}}}');
    expect(edit('{"mcpServers":{"a":{"enabled":false}}}', false)).toBe('{"mcpServers":{"a":{"enabled":false}}}');
  });

  it('keeps a comment that a line comment behind the brace would swallow', () => {
    const after = edit('{"mcpServers":{"a":{ // {"x": 1}\n"command":"x"}}}', false);
    expect(JsoncDocument.parse('c.json', after).at(['mcpServers', 'a'])).toEqual(
      Object.assign(Object.create(null), { enabled: false, command: 'x' }),
    );
    expect(after).toContain('// {"x": 1}');
  });

  it('does not cut a comment open that starts behind the brace and goes on over the next line', () => {
    expect(edit('{"mcpServers":{"a":{ /* one\n two */ "command":"x"}}}', false)).toBe(
      '{"mcpServers":{"a":{\n "enabled": false, /* one\n two */ "command":"x"}}}',
    );
  });

  it('leaves the comment above the first property above it', () => {
    expect(edit('{"mcpServers":{"a":{\n  // how to start it\n  "command": "x"\n}}}', false)).toBe(
      '{"mcpServers":{"a":{\n  "enabled": false,\n  // how to start it\n  "command": "x"\n}}}',
    );
  });

  it('refuses an unknown server with the nearest name, and an entry that is no object', () => {
    expect(() => edit('{"mcpServers":{"files":{}}}', false, 'flies')).toThrow(
      expect.objectContaining({ code: 'UNKNOWN_SERVER', hint: 'did you mean "files"?' }),
    );
    expect(() => edit('{"mcpServers":{"a":[]}}', false)).toThrow('c.json:1:20: mcpServers.a: expected object, got array');
  });
});

describe('adding a server', () => {
  const entry = { command: 'npx', args: ['-y', 'x'], env: { A: 'b' } };
  const add = (text: string, section = ['mcpServers']) => open(text).withServer(section, 'new', entry);

  it.each([
    [
      'makes what is missing in an empty file, two spaces a step',
      '{}\n',
      '{\n  "mcpServers": {\n    "new": {\n      "command": "npx",\n      "args": ["-y", "x"],\n      "env": {\n        "A": "b"\n      }\n    }\n  }\n}\n',
    ],
    [
      'goes behind the last comment, and puts the comma in front of it',
      '{\n    "mcpServers": {\n        "a": {} // first, last\n        // the end\n    }\n}\n',
      '{\n    "mcpServers": {\n        "a": {}, // first, last\n        // the end\n        "new": {\n            "command": "npx",\n            "args": ["-y", "x"],\n            "env": {\n                "A": "b"\n            }\n        }\n    }\n}\n',
    ],
    [
      'keeps trailing commas, tabs and CRLF',
      '{\r\n\t"mcpServers": {\r\n\t\t"a": {},\r\n\t},\r\n}',
      '{\r\n\t"mcpServers": {\r\n\t\t"a": {},\r\n\t\t"new": {\r\n\t\t\t"command": "npx",\r\n\t\t\t"args": ["-y", "x"],\r\n\t\t\t"env": {\r\n\t\t\t\t"A": "b"\r\n\t\t\t}\r\n\t\t},\r\n\t},\r\n}',
    ],
    [
      'stays on one line where everything is',
      '{ "mcpServers": { "a": {} } }',
      '{ "mcpServers": { "a": {}, "new": { "command": "npx", "args": ["-y", "x"], "env": { "A": "b" } } } }',
    ],
    [
      'keeps a comment that is all there is in the section',
      '{\n  "mcpServers": {\n    // none yet\n  }\n}',
      '{\n  "mcpServers": {\n    // none yet\n    "new": {\n      "command": "npx",\n      "args": ["-y", "x"],\n      "env": {\n        "A": "b"\n      }\n    }\n  }\n}',
    ],
  ])('%s', (_name, before, after) => {
    expect(add(before)).toBe(after);
  });

  it('uses the section of another program’s file', () => {
    expect(add('{ "mcp": { "servers": { "a": {} } } }', ['mcp', 'servers'])).toBe(
      '{ "mcp": { "servers": { "a": {}, "new": { "command": "npx", "args": ["-y", "x"], "env": { "A": "b" } } } } }',
    );
  });
});

describe('removing a server', () => {
  it.each([
    ['the only one', '{\n  "mcpServers": {\n    "a": {}\n  }\n}\n', '{\n  "mcpServers": {\n  }\n}\n'],
    ['the first', '{"mcpServers":{"a":{},"b":{}}}', '{"mcpServers":{"b":{}}}'],
    ['the last, with the comma before it', '{ "mcpServers": { "b": {}, "a": {} } }', '{ "mcpServers": { "b": {} } }'],
    [
      'one in the middle, and leaves comments around it',
      '{ "mcpServers": {\n  "b": {}, // b\n  // a\n  "a": { "x": [1, 2] } /* why */, // more\n  "c": {}\n} }',
      '{ "mcpServers": {\n  "b": {}, // b\n  // a\n  /* why */ // more\n  "c": {}\n} }',
    ],
    [
      'the last of a list with trailing commas',
      '{ "mcpServers": {\r\n  "b": {},\r\n  "a": {},\r\n} }',
      '{ "mcpServers": {\r\n  "b": {},\r\n} }',
    ],
  ])('takes out %s', (_name, before, after) => {
    expect(open(before).withoutServer(['mcpServers', 'a'])).toBe(after);
  });
});

describe('any JSON with comments', () => {
  const space = fc.constantFrom(
    '',
    ' ',
    '\n',
    '\n  ',
    '\t',
    '\r\n',
    ' // c1, "x": {\n',
    '/* c2 } */',
    ' /* c3\n, */ ',
    '\n// c4\n\n',
  );
  const scalar = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null)).map((value) => JSON.stringify(value));
  const list = (items: readonly string[], spaces: readonly string[], open: string, close: string, trailing: boolean) => {
    const at = (n: number) => spaces[n % spaces.length] ?? '';
    const inner = items.map((item, n) => `${at(n)}${item}${at(n + 1)}${n < items.length - 1 || trailing ? ',' : ''}`).join('');
    return `${open}${inner}${at(items.length + 2)}${close}`;
  };
  const objectOf = (value: fc.Arbitrary<string>, keys: readonly string[]) =>
    fc
      .tuple(
        fc.uniqueArray(fc.constantFrom(...keys), { maxLength: 4 }),
        fc.array(space, { minLength: 1, maxLength: 6 }),
        fc.boolean(),
        fc.infiniteStream(value),
      )
      .map(([names, spaces, trailing, values]) => {
        const items = names.map(
          (name, n) =>
            `${JSON.stringify(name)}${spaces[n % spaces.length]}:${spaces[(n + 1) % spaces.length]}${values.next().value}`,
        );
        return list(items, spaces, '{', '}', trailing && items.length > 0);
      });
  const server = objectOf(scalar, ['command', 'url', 'enabled', 'x y', 'future']);
  const document = fc
    .tuple(
      space,
      objectOf(server, ['a', 'b', 'c-d']),
      objectOf(scalar, ['$schema', 'startConcurrency', 'other']),
      space,
      fc.boolean(),
    )
    .map(([before, servers, others, after, isFirst]) => {
      const inner = others.slice(1, -1);
      const own = `"mcpServers":${servers}`;
      const hasOthers =
        open(others).document.problems.length === 0 && Object.keys(open(others).document.value as object).length > 0;
      const isTrailing = inner
        // A string may hold what looks like a comment.
        .replace(/"(?:[^"\\]|\\.)*"|\/\/[^\r\n]*|\/\*[\s\S]*?\*\//g, (found) => (found.startsWith('"') ? '""' : ''))
        .trimEnd()
        .endsWith(',');
      const body = !hasOthers ? `${own}${inner}` : isFirst ? `${own},${inner}` : `${inner}${isTrailing ? '' : ','}${own}`;
      return `${before}{${body}}${after}`;
    });
  const commentsOf = (text: string) =>
    text.match(/"(?:[^"\\\n]|\\.)*"|\/\/[^\r\n]*|\/\*[\s\S]*?\*\//g)!.filter((found) => !found.startsWith('"'));
  const meaningOf = (text: string) => {
    const { value, problems } = JsoncDocument.parse('c.json', text);
    expect(problems, text).toEqual([]);
    return JSON.parse(JSON.stringify(value)) as { mcpServers: Record<string, Record<string, unknown>> };
  };

  it('says the same and keeps every comment after add, disable, enable and remove, in 2,000 made-up files', () => {
    fc.assert(
      fc.property(document, (text) => {
        const before = meaningOf(text);
        const comments = commentsOf(text);
        const added = open(text).withServer(['mcpServers'], 'new', { command: 'x', args: ['"', '//'] })!;
        expect(meaningOf(added)).toEqual({
          ...before,
          mcpServers: { ...before.mcpServers, new: { command: 'x', args: ['"', '//'] } },
        });
        expect(commentsOf(added)).toEqual(comments);
        const off = edit(added, false, 'new');
        expect(meaningOf(off).mcpServers.new).toEqual({ command: 'x', args: ['"', '//'], enabled: false });
        const on = edit(off, true, 'new');
        expect(meaningOf(on).mcpServers.new!.enabled).toBe(true);
        const removed = open(on).withoutServer(['mcpServers', 'new'])!;
        expect(meaningOf(removed)).toEqual(before);
        expect(commentsOf(removed)).toEqual(comments);
        // Every server that was there before can go too, and takes only its own comments along.
        for (const name of Object.keys(before.mcpServers)) {
          const { [name]: _, ...rest } = before.mcpServers;
          const without = open(text).withoutServer(['mcpServers', name])!;
          expect(meaningOf(without)).toEqual({ ...before, mcpServers: rest });
          for (const comment of commentsOf(without)) expect(comments).toContain(comment);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
