/** TOML, and where everything in it is. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables as users write them in a file
import { describe, expect, it } from 'vitest';
import { formatProblem } from '../../../src/config/position.js';
import { TomlDocument } from '../../../src/config/toml-document.js';

const read = (text: string) => TomlDocument.parse('c.toml', text);
const told = (text: string) => read(text).problems.map(formatProblem);

/** The word that stands at a position. */
function wordAt(document: TomlDocument, path: (string | number)[], options = {}): string {
  const { line, column } = document.position(path, options);
  return /^(?:[\w.$-]+|.)/.exec(document.text.split('\n')[line - 1]!.slice(column - 1))![0];
}

describe('TomlDocument', () => {
  it('gives the values of tables, dotted and quoted keys, inline tables and lists of tables, and objects that inherit nothing', () => {
    const document = read(
      '\uFEFFa.b = 1\n[t."x.y"]\ns = """\nlong"""\n[[list]]\nn = 1_000\n[[list]]\nn = { o.p = true }\n[[list.sub]]\nq = 1.5\n',
    );
    expect(document.problems).toEqual([]);
    expect(JSON.parse(JSON.stringify(document.value))).toEqual({
      a: { b: 1 },
      t: { 'x.y': { s: 'long' } },
      list: [{ n: 1000 }, { n: { o: { p: true } }, sub: [{ q: 1.5 }] }],
    });
    expect(document.at(['toString'])).toBeUndefined();
    expect(Object.getPrototypeOf(document.at(['t']))).toBeNull();
    expect(document.hasBom).toBe(true);
  });

  it.each([
    ['', 'c.toml:1:1: the file is empty; write a comment such as "# no servers yet" for a configuration without servers'],
    [' \n', 'c.toml:1:1: the file is empty; write a comment such as "# no servers yet" for a configuration without servers'],
    ['a = 1\nb = x\0', 'c.toml:2:6: NUL byte: the file is binary or not UTF-8 (UTF-16?)'],
    ['a = 1\nb = npx', 'c.toml:2:5: not a value: text needs quotes, found "npx"'],
    ['[a]\nb = 1\n[a]\n', 'c.toml:3:2: this table or key is defined twice, found "a]"'],
    ['a = 1\na = 2\n', 'c.toml:2:1: this table or key is defined twice, found "a =…"'],
    ['token = ghp_1234567890', 'c.toml:1:9: not a value: text needs quotes, found "ghp…"'],
    ['a = "x', 'c.toml:1:5: unfinished string, found "\\"x"'],
    ['a = 1 b = 2', 'c.toml:1:7: expected the end of the line after the value, found "b =…"'],
    ['{ "mcpServers": {} }', 'c.toml:1:1: illegal character in key, found "{ \\"…"'],
    ['a = 99999999999999999999', 'c.toml:1:5: integer value cannot be represented losslessly, found "999…"'],
  ])('tells of %j: %s', (text, message) => {
    expect(told(text)).toEqual([message]);
  });

  it('refuses dates and numbers without end, each at its place', () => {
    expect(told('a = 2020-01-01\n[t]\nb = [1, inf,\n  -nan]\nc = 07:30:00\n')).toEqual([
      'c.toml:1:5: a: dates and times have no meaning here; write text in quotes',
      'c.toml:3:9: t.b[1]: Infinity is not a number that can be used here',
      'c.toml:4:3: t.b[2]: NaN is not a number that can be used here',
      'c.toml:5:5: t.c: dates and times have no meaning here; write text in quotes',
    ]);
  });

  it.each(['__proto__', 'constructor', 'prototype'])('refuses the key %s at any depth and in any spelling', (key) => {
    expect(told(`[a.${key}]\nx = 1`)).toEqual([`c.toml:1:4: a.${key}: the key "${key}" is not allowed`]);
    expect(told(`a = [{ "\\u00${key.charCodeAt(0).toString(16)}${key.slice(1)}" = 1 }]`)[0]).toContain('c.toml:1:8: a[0].');
  });

  it('refuses 65 levels and reads 64, of brackets and of dots; 1,000,000 of either do not overflow the stack', () => {
    const dotted = (levels: number) => `${Array(levels).fill('a').join('.')} = 1`;
    expect(told(dotted(64))).toEqual([]);
    expect(told(dotted(66))[0]).toContain('nested more than 64 levels deep');
    expect(told(`a = ${'['.repeat(63)}${']'.repeat(63)}`)).toEqual([]);
    expect(told(`a = ${'['.repeat(1_000_000)}`)[0]).toMatch(/^c\.toml:1:\d+: nested more than 64 levels deep/);
    expect(told(dotted(1_000_000))[0]).toContain('nested more than 64 levels deep');
  });
});

const sample = `# servers
start = 4 # "not = a key"

[mcpServers.files]
command = 'npx' # [not.a.header]
args = [
  "-y", # first
  "a ] b",
  """two
lines""",
]
env = { DEBUG = "1", "quoted key" = 'x' }
timeouts.call = "30s"

[mcpServers.files.health]
interval = "1m"

# about the next one
[mcpServers."git hub"]
url = "https://x.example"
enabled = true

[[mcpServers.search.endpoints]]
url = "https://a.example"
[[mcpServers.search.endpoints]]
url = "https://b.example"
weight = 2

[defaults]
`;

describe('TomlDocument.position', () => {
  it.each([
    [['start'], '4'],
    [['mcpServers', 'files', 'command'], "'"],
    [['mcpServers', 'files', 'args', 0], '"'],
    [['mcpServers', 'files', 'timeouts', 'call'], '"'],
    [['mcpServers', 'files'], '['],
  ])('of the value %j is at %s', (path, word) => {
    expect(wordAt(read(sample), path)).toBe(word);
  });

  it.each([
    [['mcpServers'], 'mcpServers.files'],
    [['mcpServers', 'files'], 'files'],
    [['mcpServers', 'files', 'env', 'DEBUG'], 'DEBUG'],
    [['mcpServers', 'files', 'env', 'quoted key'], '"'],
    [['mcpServers', 'files', 'timeouts', 'call'], 'call'],
    [['mcpServers', 'files', 'health', 'interval'], 'interval'],
    [['mcpServers', 'search', 'endpoints', 1, 'weight'], 'weight'],
    [['mcpServers', 'files', 'nothing', 'at', 'all'], 'files'],
    [['nothing'], '#'],
  ])('of the key %j is at %s', (path, word) => {
    expect(wordAt(read(sample), path, { key: true })).toBe(word);
  });

  it('counts the lines of multi-line lists and strings, whatever the line ends are', () => {
    for (const text of [sample, sample.replaceAll('\n', '\r\n')]) {
      const document = read(text);
      expect(document.position(['mcpServers', 'files', 'args', 1])).toEqual({ line: 8, column: 3 });
      expect(document.position(['mcpServers', 'files', 'args', 2])).toEqual({ line: 9, column: 3 });
      expect(document.position(['mcpServers', 'files', 'env', 'quoted key'])).toEqual({ line: 12, column: 37 });
      expect(document.position(['mcpServers', 'search', 'endpoints', 1, 'url'])).toEqual({ line: 26, column: 7 });
    }
  });
});

describe('ranges for text edits', () => {
  const cut = (document: TomlDocument, path: string[]) => {
    const range = document.tableRange(path);
    return range && document.text.slice(range.offset, range.offset + range.length);
  };

  it('of a table are whole lines with every table below it, without the comments around', () => {
    const document = read(sample);
    expect(cut(document, ['mcpServers', 'files'])).toMatch(/^\[mcpServers\.files\]\n[\s\S]*\ninterval = "1m"\n$/);
    expect(cut(document, ['mcpServers', 'git hub'])).toBe('[mcpServers."git hub"]\nurl = "https://x.example"\nenabled = true\n');
    expect(cut(document, ['mcpServers', 'search'])!.split('\n')).toHaveLength(6);
    expect(cut(document, ['defaults'])).toBe('[defaults]\n');
    expect(cut(read('[a]\nb = 1'), ['a'])).toBe('[a]\nb = 1');
  });

  it.each([
    ['inline', 'mcpServers = { a = { command = "x" } }'],
    ['inline in a table', '[mcpServers]\na = { command = "x" }'],
    ['with dotted keys', '[mcpServers]\na.command = "x"'],
    ['with dotted keys at the top', 'mcpServers.a.command = "x"'],
    ['in parts with another table between them', '[mcpServers.a]\ncommand = "x"\n[other]\n[mcpServers.a.env]\nB = "1"'],
    ['not at all', '[mcpServers.b]\ncommand = "x"'],
  ])('are undefined for a table written %s', (_how, text) => {
    const document = read(text);
    expect(document.problems).toEqual([]);
    expect(document.tableRange(['mcpServers', 'a'])).toBeUndefined();
  });

  it('cutting any table of the sample leaves valid TOML without exactly this table', () => {
    const document = read(sample);
    for (const name of ['files', 'git hub', 'search']) {
      const { offset, length } = document.tableRange(['mcpServers', name])!;
      const after = read(sample.slice(0, offset) + sample.slice(offset + length));
      const expected = structuredClone(document.value) as { mcpServers: Record<string, unknown> };
      delete expected.mcpServers[name];
      expect(after.problems).toEqual([]);
      expect(JSON.stringify(after.value)).toBe(JSON.stringify(expected));
    }
  });

  it('of scalars are exactly their text, also inline; tables and lists have none', () => {
    const document = read(`${sample}flags = { on = false, n = 1_0 }\n`);
    const text = (...path: (string | number)[]) => {
      const range = document.valueRange(path);
      return range && document.text.slice(range.offset, range.offset + range.length);
    };
    expect(text('start')).toBe('4');
    expect(text('mcpServers', 'git hub', 'enabled')).toBe('true');
    expect(text('mcpServers', 'files', 'args', 2)).toBe('"""two\nlines"""');
    expect(text('defaults', 'flags', 'on')).toBe('false');
    expect(text('defaults', 'flags', 'n')).toBe('1_0');
    expect(text('mcpServers', 'files', 'args')).toBeUndefined();
    expect(text('mcpServers', 'files')).toBeUndefined();
    expect(text('mcpServers', 'files', 'enabled')).toBeUndefined();
  });

  it('tell where the first key of a table can stand', () => {
    const document = read(sample);
    const offset = document.bodyOffset(['mcpServers', 'files'])!;
    const after = read(`${sample.slice(0, offset)}enabled = false\n${sample.slice(offset)}`);
    expect(after.problems).toEqual([]);
    expect(after.at(['mcpServers', 'files', 'enabled'])).toBe(false);
    expect(document.bodyOffset(['mcpServers', 'search'])).toBeUndefined();
  });
});
