/** What Tab offers: commands, flags, names and argument keys from memory, also when a server's schema is hostile. */
import { describe, expect, it } from 'vitest';
import { type CompletionSources, commonPrefix, complete } from '../../../src/cli/complete.js';
import type { ToolShape } from '../../../src/cli/complete-schema.js';
import { globalFlags } from '../../../src/cli/global-flags.js';
import { registry } from '../../../src/cli/registry.js';
import { tokenize } from '../../../src/cli/tokenize.js';

const tool = (name: string, properties: unknown = {}, more: object = {}): ToolShape => ({
  name,
  inputSchema: { type: 'object', properties, ...more },
});

const tools: Record<string, readonly ToolShape[] | undefined> = {
  everything: [
    tool('echo', { message: { type: 'string' } }),
    tool('long', { steps: { type: 'number' }, dry: { type: 'boolean' }, mode: { enum: ['fast', 'fair', 'slow'] } }),
    tool('shared'),
  ],
  Files: [
    tool('read_file', {
      path: { type: 'string' },
      tags: { type: 'array', items: { enum: ['a', 'b'] } },
      meta: { type: 'object' },
    }),
    tool('write_file', { path: { type: 'string' }, content: { type: 'string' } }),
    tool('shared'),
  ],
  'my server': [tool('do it'), tool('plain')],
  starting: undefined,
};

function sources(over: Partial<CompletionSources> = {}): CompletionSources {
  return { registry, globalFlags, front: 'repl', servers: () => Object.keys(tools), tools: (server) => tools[server], ...over };
}

/** Candidates for a line whose cursor is at `|`, or at its end. */
function texts(line: string, over: Partial<CompletionSources> = {}): string[] {
  const cursor = line.includes('|') ? line.indexOf('|') : line.length;
  return complete(line.replace('|', ''), cursor, sources(over)).candidates.map(({ text }) => text);
}

describe('complete: commands', () => {
  it.each([
    ['sta', ['status ']],
    ['STA', ['status ']],
    ['/sta', ['/status ']],
    ['/mcp sta', ['status ']],
    ['mcp sta', ['status ']],
    ['/mc', ['/mcp ']],
    ['tool', ['tool ', 'tools ']],
    ['co', ['config ']],
    ['--json sta', ['status ']],
    ['/mcp --json sta', ['status ']],
    ['--timeout 5s sta', ['status ']],
    ['--timeout ', []],
    ['nonsense ', []],
    ['status # ', []],
    ['# sta', []],
    ['/mcp /sta', []],
  ])('offers for %j: %j', (line, expected) => {
    expect(texts(line)).toEqual(expected);
  });

  it('offers an alias where no name fits, and not beside its command', () => {
    expect(texts('qu')).toEqual(['quit ']);
    expect(texts('lis')).toEqual(['list ']);
    expect(texts('')).toContain('status ');
    expect(texts('')).not.toContain('list ');
  });

  it('keeps the commands of the REPL out of a shell', () => {
    expect(texts('cle')).toEqual(['clear ']);
    expect(texts('cle', { front: 'shell' })).toEqual([]);
    expect(texts('/sta', { front: 'shell' })).toEqual([]);
  });

  it('offers commands and choices as words: help ca, config sh', () => {
    expect(texts('help ca')).toEqual(['cache ', 'call ']);
    expect(texts('cache c')).toEqual(['clear ']);
    expect(texts('config s')).toEqual(['show ']);
    expect(texts('config show ')).toEqual([]);
    expect(texts('config explain ')).toContain('everything ');
  });
});

describe('complete: flags', () => {
  it('offers the flags of the command and the global ones, without those given', () => {
    expect(texts('reconnect --')).toEqual(expect.arrayContaining(['--all ', '--failed ', '--json ']));
    expect(texts('reconnect --all --')).not.toContain('--all ');
    expect(texts('status -w --w')).toEqual([]);
  });

  it('leaves out what a running session cannot change', () => {
    expect(texts('status --c')).toEqual(['--check ']);
    expect(texts('status --c', { front: 'shell' })).toEqual(['--check ', '--config ']);
  });

  it('offers nothing for the value of a flag, and goes on after it', () => {
    expect(texts('tools --match ')).toEqual([]);
    expect(texts('tools --match x* ever')).toEqual(['everything ']);
    expect(texts('tools --match=x* ever')).toEqual(['everything ']);
  });

  it('takes what follows -- for names', () => {
    expect(texts('ping -- --')).toEqual([]);
    expect(texts('ping -- ev')).toEqual(['everything ']);
  });
});

describe('complete: servers and tools', () => {
  it.each([
    ['ping ev', ['everything ']],
    ['ping EV', ['everything ']],
    ['ping fi', ['Files ']],
    ['ping everything ', []],
    ['enable everything ev', []],
    ['enable everything fi', ['Files ']],
    ['ping my', ['"my server" ']],
    ['ping "my', ['"my server" ']],
    ["ping 'my s", ["'my server' "]],
    ['ping my\\ s', ['"my server" ']],
    ['ping "ev', ['"everything" ']],
    ['call ev', ['everything/']],
    ['call everything/', ['everything/echo ', 'everything/long ', 'everything/shared ']],
    ['call everything/E', ['everything/echo ']],
    ['call EVERYTHING/ec', ['everything/echo ']],
    ['call starting/', []],
    ['call nowhere/', []],
    ['call everything l', ['long ']],
    ['tool everything l', ['long ']],
    ['tool everything long ', []],
    ['call my', ['"my server/']],
    ['call "my server/d', ['"my server/do it" ']],
    ['call ec', ['echo ']],
    ['call shar', []],
  ])('offers for %j: %j', (line, expected) => {
    expect(texts(line)).toEqual(expected);
  });

  it('shows the servers alone while nothing is typed', () => {
    expect(texts('call ')).toEqual(['Files/', 'everything/', '"my server/', 'starting/']);
  });

  it('completes the word at the cursor and says where it starts', () => {
    expect(complete('call everything/ec message=hi', 'call everything/ec'.length, sources())).toEqual({
      candidates: [{ value: 'everything/echo', text: 'everything/echo ' }],
      replaceFrom: 5,
      typed: 'everything/ec',
    });
    expect(texts('pi| everything')).toEqual(['ping ']);
  });

  it('gives a shell the plain value beside the quoted text', () => {
    expect(complete('ping my', 7, sources({ front: 'shell' })).candidates).toEqual([
      { value: 'my server', text: '"my server" ' },
    ]);
  });

  it('offers words that tokenize reads back as the value', () => {
    for (const line of ['ping ', 'call "my server/', 'call everything/']) {
      for (const { text, value } of complete(line, line.length, sources()).candidates) expect(tokenize(text)).toEqual([value]);
    }
  });

  it('has no candidates for a name that a terminal cannot show safely', () => {
    const names = ['ok', 'e\x1b[2Jvil', 'r\u202etl', 'new\nline', 'tab\tbed'];
    expect(texts('ping ', { servers: () => names })).toEqual(['ok ']);
  });

  it('handles 50 servers with 200 tools each, also while a word is typed', () => {
    const servers = Array.from({ length: 50 }, (_, i) => `s${i}`);
    const many = Array.from({ length: 200 }, (_, i) => tool(`t${i}`));
    expect(texts('call t', { servers: () => servers, tools: () => many })).toEqual([]);
    expect(texts('call s7/', { servers: () => servers, tools: () => many })).toHaveLength(200);
  });
});

describe('complete: arguments', () => {
  it.each([
    ['call everything/echo ', ['message=']],
    ['call everything echo ', ['message=']],
    ['call echo m', ['message=']],
    ['call everything/echo message=hi ', []],
    ['call everything/long ', ['dry=', 'mode=', 'steps=']],
    ['call everything/long dry=', ['dry=false ', 'dry=true ']],
    ['call everything/long dry=T', ['dry=true ']],
    ['call everything/long dry:=', ['dry:=false ', 'dry:=true ']],
    ['call everything/long mode=fa', ['mode=fair ', 'mode=fast ']],
    ['call everything/long mode:=', ['"mode:=\\"fair\\"" ', '"mode:=\\"fast\\"" ', '"mode:=\\"slow\\"" ']],
    ['call everything/long steps=', []],
    ['call everything/long nothing=', []],
    ['call everything/long --timeout 5s st', ['steps=']],
    ['call Files/read_file ', ['meta:=', 'path=', 'tags=']],
    ['call Files/read_file tags=a ', ['meta:=', 'path=', 'tags=']],
    ['call Files/read_file meta:={} path=x ', ['tags=']],
    ['call Files/read_file tags=', ['tags=a ', 'tags=b ']],
    ['tool everything/echo ', []],
  ])('offers for %j: %j', (line, expected) => {
    expect(texts(line)).toEqual(expected);
  });

  const of = (inputSchema: unknown, line = 'call x/t ') =>
    texts(line, { servers: () => ['x'], tools: () => [{ name: 't', inputSchema }] });

  it('follows references and alternatives as code generators write them', () => {
    const schema = {
      properties: { mode: { $ref: '#/$defs/Mode' }, level: { anyOf: [{ const: 1 }, { const: 2 }, { type: 'null' }] } },
      $defs: { Mode: { enum: ['on', 'off'] } },
    };
    expect(of(schema, 'call x/t mode=')).toEqual(['mode=off ', 'mode=on ']);
    expect(of(schema, 'call x/t level=')).toEqual(['level=1 ', 'level=2 ']);
  });

  it('writes a value that starts with @ so that it is no file', () => {
    expect(of({ properties: { who: { enum: ['@me'] } } }, 'call x/t who=')).toEqual(['who=@@me ']);
  });

  it.each([
    ['no schema', undefined],
    ['null', null],
    ['a string', 'schema'],
    ['properties that are a list', { properties: [1, 2] }],
    ['properties that are a number', { properties: 3 }],
    ['a property that is null', { properties: { '': null } }],
  ])('offers nothing and survives %s', (_, schema) => {
    expect(of(schema)).toEqual([]);
  });

  it('survives schemas that name themselves, and ends with wide and deep ones', () => {
    const self: Record<string, unknown> = { properties: { a: { $ref: '#/properties/a' } } };
    expect(of(self, 'call x/t a=')).toEqual([]);
    const wide = { anyOf: Array.from({ length: 1_000 }, () => ({ $ref: '#/$defs/w' })) };
    expect(of({ properties: { a: { $ref: '#/$defs/w' } }, $defs: { w: wide } }, 'call x/t a=')).toEqual([]);
    expect(of({ properties: { a: { $ref: '#/__proto__/x' }, b: { enum: 'no list' } } })).toEqual(['a=', 'b=']);
  });

  it('skips keys that cannot be written as key=value', () => {
    expect(of({ properties: { 'a=b': {}, 'c:': {}, 'd e': {}, __proto__x: {}, 'f\x07': {} } })).toEqual(['__proto__x=', '"d e=']);
  });
});

describe('commonPrefix', () => {
  it.each([
    [[], ''],
    [['one'], 'one'],
    [['tool ', 'tools '], 'tool'],
    [['a', 'b'], ''],
    [['x\u{1f600}', 'x\u{1f601}'], 'x'],
  ])('of %j is %j', (values, expected) => {
    expect(commonPrefix(values)).toBe(expected);
  });
});

describe('complete: the words of a new server', () => {
  it.each([
    ['add ', []],
    ['add --tr', ['--transport ']],
    ['add --env A=b --en', ['--env ']],
    ['add x --h', ['--header ', '--help ']],
    ['add x prog --h', []],
    ['add x -- --h', []],
    ['add x https://a.example --h', ['--header ', '--help ']],
    ['add --transport http --tr', []],
    ['remove ev', ['everything ']],
    ['remove everything ', []],
  ])('%j offers %j', (line, wanted) => {
    expect(texts(line)).toEqual(wanted);
  });
});
