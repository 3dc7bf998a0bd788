/** Words to commands: flags anywhere, names with suggestions, and messages that say what to type. */
import { describe, expect, it } from 'vitest';
import { globalFlags } from '../../../src/cli/global-flags.js';
import { camelCase, parse } from '../../../src/cli/parse.js';
import { registry } from '../../../src/cli/registry.js';

const shell = (...words: string[]) => parse(words, registry, 'shell');
const repl = (...words: string[]) => parse(words, registry, 'repl');

describe('parse', () => {
  it('takes global flags before and after the command', async () => {
    const wanted = {
      kind: 'command',
      globals: { json: true, config: ['a.json', 'b.json'], timeoutMs: 2000 },
      input: { servers: ['github'] },
    };
    await expect(shell('--json', '-c', 'a.json', '--timeout', '2s', 'status', 'github', '-c', 'b.json')).resolves.toMatchObject(
      wanted,
    );
    await expect(shell('status', 'github', '--config=a.json', '-cb.json', '--timeout=2s', '--json')).resolves.toMatchObject(
      wanted,
    );
  });

  it('hands --timeout to a command that declares it', async () => {
    await expect(shell('call', 'a/b', '--timeout', '5s')).resolves.toMatchObject({ input: { tool: 'a/b', timeout: 5000 } });
  });

  it.each([
    [['/mcp', 'status'], 'status'],
    [['/status'], 'status'],
    [['/mcp', 'list'], 'status'],
    [['/mcp'], 'status'],
    [['mcpctl', 'reconnect', '--all'], 'reconnect'],
    [['/exit'], 'exit'],
  ])('in the REPL %j is the command %s', async (words, name) => {
    await expect(repl(...words)).resolves.toMatchObject({ kind: 'command', spec: { name } });
  });

  it.each([[['help', 'call']], [['call', '--help']], [['--help', 'call']], [['call', 'a/b', '-h']]])(
    '%j asks for help on call',
    async (words) => {
      await expect(shell(...words)).resolves.toMatchObject({ kind: 'help', topic: { name: 'call' } });
    },
  );

  it('keeps --no-connect and --no-color as switches of their own', async () => {
    await expect(shell('status', '--no-connect', '--no-color')).resolves.toMatchObject({
      input: { noConnect: true },
      globals: { noColor: true },
    });
    const { input } = (await shell('status')) as { input: object };
    expect(input).toEqual({});
  });

  it.each([
    [['statsu'], 'Unknown command "statsu"', 'did you mean "status"?'],
    [['/status'], 'Unknown command "/status"', undefined],
    [['exit'], 'Unknown command "exit"', undefined],
    [['status', '--chek'], "Unknown option '--chek' (did you mean --check?)", 'mcpctl status --help'],
    [['ping'], 'Missing <server>', 'mcpctl ping --help'],
    [['ping', 'a', 'b'], /Too many arguments/, 'mcpctl ping --help'],
    [['config', 'edit'], '<action> is one of path, show, validate, explain, not "edit"', 'mcpctl config --help'],
    [['status', '--timeout', '30'], '--timeout takes a duration, not "30"', 'write the unit: --timeout 30s or --timeout 30ms'],
    [['status', '--timeout', 'soon'], '--timeout takes a duration, not "soon"', 'for example --timeout 30s'],
    [['status', '--timeout', '0s'], '--timeout takes a duration, not "0s"', 'for example --timeout 30s'],
    [['status', '--timeout'], /argument missing/, 'mcpctl status --help'],
    [['--preset', 'tset', 'status'], '--preset is one of production, development, test, not "tset"', 'did you mean "test"?'],
    [['--preset', 'x', 'status'], /^--preset is one of/, 'for example --preset development'],
    [['--bogus'], "Unknown option '--bogus'", 'mcpctl --help'],
  ])('%j is refused: %s', async (words, message, hint) => {
    const error = await shell(...words).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'USAGE' });
    expect((error as Error).message).toMatch(message);
    if (hint) expect(error).toMatchObject({ hint });
  });
});

describe('parse: words of another program', () => {
  it.each([
    [['add', 'x', 'npx', '-y', 'pkg'], { name: 'x', command: ['npx', '-y', 'pkg'] }, false],
    [
      ['add', 'x', 'prog', '--json', '-c', 'f', '--', '--env', 'A=b'],
      { name: 'x', command: ['prog', '--json', '-c', 'f', '--', '--env', 'A=b'] },
      false,
    ],
    [
      ['add', '--json', '--env', 'A=b', 'x', '--env=C=d', '--', 'prog'],
      { name: 'x', command: ['prog'], env: ['A=b', 'C=d'] },
      true,
    ],
    [['--json', 'add', 'x', '--', '--odd', 'a'], { name: 'x', command: ['--odd', 'a'] }, true],
    [
      ['add', 'x', 'https://a.example', '--header', 'A: b', '--json'],
      { name: 'x', command: ['https://a.example'], header: ['A: b'] },
      true,
    ],
    [['add', 'x', '-', 'y'], { name: 'x', command: ['-', 'y'] }, false],
  ])('%j', async (words, input, json) => {
    await expect(shell(...words)).resolves.toMatchObject({ kind: 'command', spec: { name: 'add' }, input, globals: { json } });
    await expect(repl('/mcp', ...words)).resolves.toMatchObject({ input });
  });

  it.each([
    [['add'], 'Missing <name>'],
    [['add', 'x'], 'Missing <command>'],
    [['add', 'x', '--'], 'Missing <command>'],
    [['add', '--', 'x', 'prog'], 'Missing <name>'],
    [['add', 'x', '--odd', 'prog'], "Unknown option '--odd'"],
    [['add', 'x', 'https://a.example', 'y'], 'Only flags may follow a URL'],
    [['add', 'x', '--env'], /argument missing/],
    [['add', '--env', '', 'x', 'y'], '--env names no name=value'],
  ])('%j is refused: %s', async (words, message) => {
    const error = await shell(...words).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'USAGE', hint: 'mcpctl add --help' });
    expect((error as Error).message).toMatch(message);
  });

  it('hands --help on only when it stands before the program', async () => {
    await expect(shell('add', '--help')).resolves.toMatchObject({ kind: 'help', topic: { name: 'add' } });
    await expect(shell('add', 'x', 'prog', '--help')).resolves.toMatchObject({
      kind: 'command',
      input: { command: ['prog', '--help'] },
    });
  });
});

describe('the registry', () => {
  it('has for each command the same keys in `args` as positionals and flags', async () => {
    for (const spec of registry) {
      if (!spec.load) continue;
      const { args } = await spec.load();
      const keys = Object.keys((args as { _zod: { def: { shape: object } } })._zod.def.shape);
      const declared = [...spec.positionals.map(({ name }) => name), ...spec.flags.map(({ name }) => camelCase(name))];
      const shown = new Set(['schema']);
      expect(new Set(keys), spec.name).toEqual(new Set(declared.filter((name) => keys.includes(name) || !shown.has(name))));
    }
  });

  it('has unique names, aliases and flags, each with an example and a summary', () => {
    const names = registry.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
    expect(new Set(names).size).toBe(names.length);
    for (const { name, summary, examples, flags } of registry) {
      expect(summary, name).toMatch(/^[A-Z].*[^.]$/);
      expect(examples.length, name).toBeGreaterThan(0);
      const all = [
        ...flags.map((flag) => flag.name),
        ...globalFlags.map((flag) => flag.name).filter((flag) => flag !== 'timeout'),
      ];
      expect(new Set(all).size, name).toBe(all.length);
    }
  });
});
