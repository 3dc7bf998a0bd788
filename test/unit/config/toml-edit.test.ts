/** The edits of a TOML file someone typed: a table appended, a table cut, a scalar set. */
import fc from 'fast-check';
import { parse } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import { TomlText } from '../../../src/config/toml-edit.js';
import { enabledChange } from '../../../src/config/user-file.js';

const open = (text: string) => TomlText.open('config.toml', text);
const add = (text: string, name = 'new', entry = { command: 'npx', args: ['-y', 'x'], env: { A: 'b' } }) =>
  open(text).withServer(['mcpServers'], name, entry)!;
const remove = (text: string, name = 'a') => open(text).withoutServer(['mcpServers', name]);
const block = '[mcpServers.new]\ncommand = "npx"\nargs = ["-y", "x"]\n\n[mcpServers.new.env]\nA = "b"\n';

describe('adding a server', () => {
  it.each([
    ['one blank line behind what is there', '# mine\n[mcpServers.a]\ncommand = "x"\n', '\n'],
    ['a line break first, where the last line has none', '[mcpServers.a]\ncommand = "x"', '\n\n'],
    ['no further blank line, where there is one', '[mcpServers.a]\ncommand = "x" # last\n\n', ''],
  ])('appends a table: %s', (_name, before, gap) => {
    expect(add(before)).toBe(before + gap + block);
  });

  it('writes CRLF into a file with CRLF', () => {
    expect(add('[mcpServers.a]\r\ncommand = "x"\r\n')).toBe(
      `[mcpServers.a]\r\ncommand = "x"\r\n\r\n${block.replaceAll('\n', '\r\n')}`,
    );
  });

  it('quotes names and escapes values as TOML wants them', () => {
    const entry = { command: 'a"b\\c\x7f\n\t\u0001é', env: { 'X.Y': "it's" } };
    const text = open('# x\n').withServer(['mcpServers'], 'v1.0', entry)!;
    expect(text).toContain('[mcpServers."v1.0".env]\n"X.Y" = "it\'s"');
    expect(parse(text)).toEqual({ mcpServers: { 'v1.0': entry } });
  });
});

describe('removing a server', () => {
  it('cuts the table, its sub-tables and the comments in and directly above it, and leaves one blank line', () => {
    const before =
      '# the file\n\n[mcpServers.b]\nurl = "u"\n\n# about a\n# more about a\n[mcpServers.a]\ncommand = "x" # why\n\n# its environment\n[mcpServers.a.env]\nA = """\n[mcpServers.c]\n"""\n\n# about c\n[mcpServers.c]\nurl = "u"\n';
    expect(remove(before)).toBe('# the file\n\n[mcpServers.b]\nurl = "u"\n\n# about c\n[mcpServers.c]\nurl = "u"\n');
  });

  it.each([
    ['a comment that opens the file', '# my servers\n[mcpServers.a]\ncommand = "x"\n', '# my servers\n'],
    ['a comment of its own at the end', '[mcpServers.a]\ncommand = "x"\n\n# vim: ft=toml\n', '# vim: ft=toml\n'],
    [
      'the comment of the next table',
      '[mcpServers.a]\nurl = "x"\n# b\n[mcpServers.b]\nurl = "y"\n',
      '# b\n[mcpServers.b]\nurl = "y"\n',
    ],
    ['line breaks before the last table', 'x = 1\r\n\r\n[mcpServers.a]\r\nurl = "x"', 'x = 1\r\n'],
  ])('leaves %s', (_name, before, after) => {
    expect(remove(before)).toBe(after);
  });

  it.each([
    ['an inline table', '[mcpServers]\na = { command = "x" }\n'],
    ['dotted keys', '[mcpServers]\na.command = "x"\n'],
    [
      'tables with others between them',
      '[mcpServers.a]\nurl = "x"\n[mcpServers.b]\nurl = "y"\n[mcpServers.a.headers]\nA = "b"\n',
    ],
  ])('has no text for %s', (_name, text) => {
    expect(remove(text)).toBeUndefined();
  });
});

describe('switching a server', () => {
  const edit = (text: string, enabled: boolean) => enabledChange(open(text), 'a', enabled);

  it.each([
    ['[mcpServers.a]\nenabled = true # why\nurl = "u"\n', false, '[mcpServers.a]\nenabled = false # why\nurl = "u"\n'],
    ['[mcpServers.a] # a\nurl = "u"\n', false, '[mcpServers.a] # a\nenabled = false\nurl = "u"\n'],
    ['[mcpServers]\na = { url = "u", enabled = false }\n', true, '[mcpServers]\na = { url = "u", enabled = true }\n'],
    ['[servers.a]\ncommand = "x"\ndisabled = true\n', true, '[servers.a]\ncommand = "x"\ndisabled = false\n'],
  ])('%j to %s sets one scalar', (before, enabled, after) => {
    expect(edit(before, enabled)?.text).toBe(after);
  });

  it('changes nothing when the file says so already', () => {
    expect(edit('[mcpServers.a]\nurl = "u"\n', true)).toBeUndefined();
    expect(edit('[mcpServers.a]\nenabled = false\n', false)).toBeUndefined();
  });

  it('has no text for a key that an inline table lacks, and tells the lines to write', () => {
    const content = open('[mcpServers]\na = { url = "u" }\n');
    const change = enabledChange(content, 'a', false)!;
    expect(change.text).toBeUndefined();
    expect(content.byHand(change.path, false)).toEqual(['[mcpServers.a]', 'enabled = false']);
  });
});

describe('any TOML', () => {
  const void_ = fc.constantFrom('', '\n', '# c1 [x]\n', '\n# c2 = "\n\n', '   \n');
  const value = fc.oneof(
    fc.constantFrom('"""\n[mcpServers.new]\n"""', "'# no'", '[1, # c3\n 2]', '{ a = "]" }', 'true', '1.5', "'''\n# no\n'''"),
    fc.string().map((text) => JSON.stringify(text).replaceAll('\x7f', '\\u007f')),
  );
  const pairs = (prefix: string) =>
    fc
      .array(fc.tuple(void_, value), { maxLength: 3 })
      .map((all) => all.map(([gap, one], n) => `${gap}${prefix}${n} = ${one}\n`).join(''));
  const server = (name: string) =>
    fc
      .tuple(void_, pairs('k'), fc.boolean(), void_, pairs('e'))
      .map(
        ([gap, own, hasEnv, inner, env]) =>
          `${gap}[mcpServers.${name}] # c4\n${own}${hasEnv ? `${inner}[ mcpServers . ${JSON.stringify(name.replaceAll('"', ''))}.env ]\n${env}` : ''}`,
      );
  const document = fc
    .tuple(
      void_,
      pairs('top'),
      fc.subarray(['a', 'b', '"c d"']).chain((names) => fc.tuple(...names.map(server))),
      void_,
      fc.constantFrom('\n', '\r\n'),
    )
    .map(([before, top, servers, after, eol]) => `# file\n${before}${top}${servers.join('')}${after}`.replaceAll('\n', eol));
  const commentsOf = (text: string) => text.match(/# c\d/g) ?? [];

  it('says the same and keeps every comment after add, disable, enable and remove, in 1,000 made-up files', () => {
    fc.assert(
      fc.property(document, (text) => {
        const before = parse(text) as { mcpServers?: object };
        const added = add(text);
        const wanted = { command: 'npx', args: ['-y', 'x'], env: { A: 'b' } };
        expect(parse(added)).toEqual({ ...before, mcpServers: { ...before.mcpServers, new: wanted } });
        expect(added.startsWith(text.trimEnd())).toBe(true);
        const off = enabledChange(open(added), 'new', false)!.text!;
        expect(parse(off)).toMatchObject({ mcpServers: { new: { ...wanted, enabled: false } } });
        const on = enabledChange(open(off), 'new', true)!.text!;
        const removed = remove(on, 'new')!;
        expect(parse(removed)).toEqual(before);
        expect(commentsOf(removed)).toEqual(commentsOf(text));
        expect(removed.trimEnd()).toBe(text.trimEnd());
        for (const name of Object.keys(before.mcpServers ?? {})) {
          const { [name]: _, ...rest } = before.mcpServers as Record<string, unknown>;
          expect(parse(remove(text, name)!).mcpServers ?? {}).toEqual(rest);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
