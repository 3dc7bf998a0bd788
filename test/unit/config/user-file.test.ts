/** The edit of one value in a file someone typed. */
import { describe, expect, it } from 'vitest';
import { JsoncDocument } from '../../../src/config/document.js';
import { withEnabled } from '../../../src/config/user-file.js';

const edit = (text: string, enabled: boolean, server = 'a') => withEnabled(JsoncDocument.parse('c.json', text), server, enabled);

describe('withEnabled', () => {
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
