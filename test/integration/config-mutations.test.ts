/** 5,000 damaged configuration files, and the user's file in two languages: never a crash, always a configuration or errors with a place. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatProblem } from '../../src/config/position.js';
import { readConfigFile, readUserFile } from '../../src/config/read-file.js';
import { tempHome } from '../support/temp-home.js';

const fixtures = new URL('../fixtures/config/', import.meta.url);
const originals = readdirSync(fixtures).map((name) => ({ name, bytes: readFileSync(new URL(name, fixtures)) }));

/** Numbers from a seed (mulberry32), so that a failure can be repeated. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

type Next = (below: number) => number;
type Mutation = (bytes: Buffer, next: Next) => Buffer;

const scraps = [
  '"',
  "'",
  '{',
  '}',
  '[',
  ']',
  '[[',
  ',',
  ':',
  '=',
  '.',
  '#',
  '//',
  '/*',
  '\\',
  '"""',
  "'''",
  '\n',
  '\r',
  '\t',
].concat([
  ...[
    '\0',
    '\uFEFF',
    '\u202E',
    '\uD83D\uDE00',
    'null',
    'true',
    '-1',
    '1e999',
    '0x',
    'inf',
    'nan',
    '1979-05-27',
    '${',
    '${env:A}',
  ],
  ...['__proto__', 'constructor', '"command": ', 'url = 1\n', 'servers', 'mcp', '[mcpServers]\n', '[cache]\n', 'disabled'],
]);

const spliced = (bytes: Buffer, at: number, remove: number, insert: string | Buffer) =>
  Buffer.concat([bytes.subarray(0, at), Buffer.from(insert as string), bytes.subarray(Math.min(at + remove, bytes.length))]);

const mutations: Readonly<Record<string, Mutation>> = {
  truncated: (bytes, next) => bytes.subarray(0, next(bytes.length)),
  'scraps put in': (bytes, next) => spliced(bytes, next(bytes.length + 1), next(4), scraps[next(scraps.length)]!),
  'a byte turned': (bytes, next) => spliced(bytes, next(bytes.length), 1, Buffer.from([next(256)])),
  'a byte order mark': (bytes) => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes]),
  'UTF-16': (bytes) => Buffer.from(`\uFEFF${bytes.toString()}`, 'utf16le'),
  'a NUL': (bytes, next) => spliced(bytes, next(bytes.length), 0, '\0'),
  'a piece twice': (bytes, next) => {
    const from = next(bytes.length);
    return spliced(bytes, next(bytes.length), 0, bytes.subarray(from, from + next(200)));
  },
  'a line twice': (bytes, next) => {
    const lines = bytes.toString().split('\n');
    const line = lines[next(lines.length)]!;
    return Buffer.from(lines.flatMap((one) => (one === line ? [one, one] : [one])).join('\n'));
  },
  'a line gone': (bytes, next) => {
    const lines = bytes.toString().split('\n');
    lines.splice(next(lines.length), 1);
    return Buffer.from(lines.join('\n'));
  },
  'a value of another type': (bytes, next) => {
    const values = ['null', '7', '-0.5', 'true', '"text"', '[]', '[1]', '{}', '""', '{"a": {}}', '{ a = 1 }', '1e400'];
    let skip = next(8);
    return Buffer.from(
      bytes
        .toString()
        .replace(/"[^"\n]*"(?!\s*:)|\b\d+\b|\btrue\b|\bfalse\b/g, (all) => (skip-- === 0 ? values[next(values.length)]! : all)),
    );
  },
  'nested deeply': (bytes, next) => spliced(bytes, next(bytes.length), 0, '[{'[next(2)]!.repeat(1 + next(5000))),
  'a long string': (bytes, next) => spliced(bytes, next(bytes.length), 0, `"${'x'.repeat(next(200_000))}"`),
  'invalid UTF-8': (bytes, next) => spliced(bytes, next(bytes.length), 0, Buffer.from([0xc3, 0x28, 0xff])),
  'the other language': (bytes) => bytes,
};

describe('a damaged configuration file', () => {
  it('gives a configuration or errors with file and line, for 5,000 mutations of every fixture, and stays as it is', {
    timeout: 60_000,
  }, async () => {
    await using home = await tempHome();
    const kinds = Object.entries(mutations);
    const outcomes = { read: 0, refused: 0 };
    for (let run = 0; run < 5000; run++) {
      const next = seeded(run);
      const { name, bytes } = originals[run % originals.length]!;
      const [kind, mutate] = kinds[next(kinds.length)]!;
      let mutated = mutate(bytes, next);
      if (next(3) === 0) mutated = mutations['scraps put in']!(mutated, next);
      const isToml = name.endsWith('.toml') !== (kind === 'the other language');
      const file = join(home.path, isToml ? 'c.toml' : 'c.json');
      await writeFile(file, mutated, { mode: 0o600 });

      const what = `run ${run}: ${name}, ${kind}`;
      const { problems, parsed, exists } = await readConfigFile(file, 'flag');
      const errors = problems.filter(({ severity }) => severity === 'error');
      const lines = mutated.toString().split('\n').length;
      expect(exists, what).toBe(true);
      expect(errors.length > 0, what).toBe(parsed === undefined);
      for (const problem of problems) {
        expect(problem.file, what).toBe(file);
        // Only what concerns the file as a whole, such as its encoding, has no line.
        if (problem.line !== 0 || problem.message !== 'not UTF-8 text') {
          expect(problem.line, `${what}: ${formatProblem(problem)}`).toBeGreaterThanOrEqual(1);
          expect(problem.line, `${what}: ${formatProblem(problem)}`).toBeLessThanOrEqual(lines);
          expect(problem.column, `${what}: ${formatProblem(problem)}`).toBeGreaterThanOrEqual(1);
        }
        expect(problem.message, what).toMatch(/\S/);
      }
      expect(await hashOf(file), what).toBe(createHash('sha1').update(mutated).digest('hex'));
      outcomes[parsed ? 'read' : 'refused']++;
    }
    // Both happen often, or the mutations are too weak or too strong to find anything.
    expect(outcomes.read).toBeGreaterThan(500);
    expect(outcomes.refused).toBeGreaterThan(2000);
  });

  it('in TOML of 50 MB is refused without being read', async () => {
    await using home = await tempHome();
    const file = join(home.path, 'c.toml');
    await writeFile(file, `x = "${'y'.repeat(50_000_000)}"`);
    const { problems } = await readConfigFile(file, 'flag');
    expect(problems.map(({ message }) => message)).toEqual(['larger than 1 MiB, which is no configuration']);
  });

  it.each([
    ['1 MiB of open lists', (size: number) => '['.repeat(size)],
    ['1 MiB of dots in a key', (size: number) => `${'a.'.repeat(size >> 1)}a = 1`],
    ['1 MiB of headers', (size: number) => '[[a]]\n'.repeat(Math.floor(size / 6))],
    [
      '1 MiB of servers',
      (size: number) => Array.from({ length: Math.floor(size / 36) }, (_, i) => `[mcpServers.s${i}]\ncommand = "x"\n`).join(''),
    ],
    ['1 MiB of quotes', (size: number) => '"'.repeat(size)],
    ['1 MiB of placeholders', (size: number) => `[mcpServers.a]\ncommand = "${'${env:'.repeat(Math.floor(size / 6))}"\n`],
  ])('of %s ends, with a place', { timeout: 60_000 }, async (_what, text) => {
    await using home = await tempHome();
    const file = join(home.path, 'c.toml');
    await writeFile(file, text(1024 ** 2 - 100), { mode: 0o600 });
    const { problems, parsed } = await readConfigFile(file, 'flag');
    expect(parsed !== undefined || problems.some(({ severity, line }) => severity === 'error' && line >= 1)).toBe(true);
  });
});

async function hashOf(file: string): Promise<string> {
  return createHash('sha1')
    .update(await readFile(file))
    .digest('hex');
}

describe("the user's file", () => {
  const places = (home: { configDir: string }) => ({
    userFile: join(home.configDir, 'config.json'),
    userToml: join(home.configDir, 'config.toml'),
  });

  it('is config.json, or config.toml; without both it is the config.json that does not exist yet', async () => {
    await using home = await tempHome();
    expect(await readUserFile(places(home))).toEqual({
      path: places(home).userFile,
      source: 'user',
      exists: false,
      problems: [],
    });
    const toml = await home.write('config/config.toml', '[mcpServers.a]\ncommand = "x"\n');
    expect(toml).toBe(places(home).userToml);
    const read = await readUserFile(places(home));
    expect(read).toMatchObject({ path: toml, exists: true });
    expect(read.parsed?.content.mcpServers?.a?.command).toBe('x');
  });

  it('in both languages at once is one error that names both, even when one of them is broken', async () => {
    await using home = await tempHome();
    await home.writeConfig('{ oops');
    await writeFile(places(home).userToml, '');
    const { problems, parsed } = await readUserFile(places(home));
    expect(parsed).toBeUndefined();
    expect(problems.map(formatProblem)).toEqual([
      `${places(home).userFile}: both ${places(home).userFile} and ${places(home).userToml} exist; keep one of them`,
    ]);
  });
});
