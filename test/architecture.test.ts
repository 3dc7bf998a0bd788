/** Holds src/ to the architecture, and each rule to finding what it is there to find. */

import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import * as rules from './support/architecture-rules.js';
import { parseSource, readSourceTree } from './support/source-tree.js';

const files = readSourceTree(fileURLToPath(new URL('../src', import.meta.url)));

/** A made-up tree, so that a rule is seen to fail. */
function check(rule: rules.Rule, sources: Readonly<Record<string, string>>): string[] {
  return rule(Object.entries(sources).map(([file, text]) => parseSource(file, text)));
}

describe('src/', () => {
  it('is found: main.ts and the clock are there', () => {
    expect(files.map(({ file }) => file)).toEqual(expect.arrayContaining(['main.ts', 'core/clock.ts']));
  });

  it.each([
    ['imports point down only', rules.layersPointDown],
    ['every file lies in a folder of the design', rules.everyFileHasARow],
    ['no file takes part in an import cycle', rules.noCycles],
    [`no file has more than ${rules.maxLines} lines`, rules.filesAreSmall],
    ['every file starts with its purpose', rules.filesSayTheirPurpose],
    ['every file name is kebab-case', rules.namesAreKebabCase],
    ['every export is named', rules.exportsAreNamed],
    ['time, chance, process and console stay where they belong', rules.globalsStayHome],
    ['the SDK and zod are imported only where they may', rules.packagesStayHome],
    ['nothing heavy is loaded before the command is known', rules.startupStaysLight],
    ['a command that a manager carries out loads no package, and little of Node', rules.attachLoadsNothing],
  ] as const)('%s', (_, rule) => {
    expect(rule(files)).toEqual([]);
  });
});

describe('layersPointDown', () => {
  const check1 = (file: string, code: string) =>
    check(rules.layersPointDown, { 'io/a.ts': '', 'mcp/b.ts': '', 'auth/c.ts': '', [file]: code });

  it('refuses upward imports of every kind: value, type, type expression, re-export, import()', () => {
    for (const code of [
      "import { b } from '../mcp/b.js';",
      "import type { B } from '../mcp/b.js';",
      "type B = import('../mcp/b.js').B;",
      "export { b } from '../mcp/b.js';",
      "export * from '../mcp/b.js';",
      "const b = await import('../mcp/b.js');",
    ]) {
      expect(check1('io/x.ts', code)).toEqual([expect.stringMatching(/^io\/x\.ts:1 imports .* io is below mcp/)]);
    }
  });

  it('refuses a neighbour of the same row, a missing file, a missing .js and a way out of src/', () => {
    expect(check1('mcp/x.ts', "import '../auth/c.js';")).toEqual([expect.stringContaining('of one row')]);
    expect(check1('mcp/x.ts', "import './gone.js';")).toEqual([expect.stringContaining('does not exist')]);
    expect(check1('mcp/x.ts', "import './b';")).toEqual([expect.stringContaining('.js')]);
    expect(check1('mcp/x.ts', "import '../../package.json';")).toEqual([expect.stringContaining('outside src/')]);
  });

  it('accepts the own folder, rows below, and the types of the manager in observe/ but not its values', () => {
    expect(check1('mcp/x.ts', "import './b.js'; import '../io/a.js';")).toEqual([]);
    const observe = (code: string) => check(rules.layersPointDown, { 'manager/m.ts': '', 'observe/o.ts': code });
    expect(observe("import type { M } from '../manager/m.js';")).toEqual([]);
    expect(observe("import { m } from '../manager/m.js';")).toHaveLength(1);
  });

  it('refuses to import main.ts, and a file outside the folders of the design', () => {
    expect(check(rules.layersPointDown, { 'main.ts': '', 'cli/x.ts': "import '../main.js';" })).toHaveLength(1);
    expect(check(rules.everyFileHasARow, { 'utils/x.ts': '', 'other.ts': '', 'core/x.ts': '' })).toHaveLength(2);
  });
});

describe('noCycles', () => {
  it('finds a cycle of three files once and shows its path', () => {
    const tree = {
      'core/a.ts': "import './b.js';",
      'core/b.ts': "export * from './c.js';",
      'core/c.ts': "import { type A } from './a.js';",
    };
    expect(check(rules.noCycles, tree)).toEqual(['cycle: core/a.ts → core/b.ts → core/c.ts → core/a.ts']);
  });

  it('accepts a way back by `import type` and by `import()`', () => {
    const tree = {
      'core/a.ts': "import './b.js';",
      'core/b.ts': "import type { A } from './a.js'; export const a = () => import('./a.js');",
    };
    expect(check(rules.noCycles, tree)).toEqual([]);
  });
});

describe('globalsStayHome', () => {
  const violations = (code: string, file = 'core/x.ts') => check(rules.globalsStayHome, { [file]: code });

  it.each([
    'setTimeout(f, 1);',
    'const t = setInterval;',
    'const now = Date.now();',
    'const d = new Date();',
    'const d = Date();',
    'const r = Math.random();',
    'const r = Math["random"]();',
    'const t = performance.now();',
    'const s = AbortSignal.timeout(5);',
    'globalThis.setTimeout(f, 1);',
    'const e = process.env;',
    'const { env } = process;',
    'const e = globalThis.process;',
    'console.log(1);',
    'const log = x as any ?? console;',
    'function f(env = process.env) {}',
    'const { now } = Date; const n = Date.now;',
    'const f = ({ [process.pid]: x }) => x;',
    "import { setTimeout } from 'node:timers/promises';",
    "import process from 'node:process';",
  ])('finds %s', (code) => {
    expect(violations(code)).toHaveLength(1);
  });

  it.each([
    '// setTimeout(f, 1) and Date.now()',
    "const text = 'process.env';",
    'const d = new Date(text);',
    'const iso = Date.parse(text);',
    'setImmediate(f);',
    'type E = typeof process.env; let p: NodeJS.Process;',
    'const o = { process: 1, console: 2 }; o.process; o.console;',
    'function f(process: { pid: number }) { return process.pid; }',
    'const f = ({ process, console: [x = 1] }: T) => process.pid;',
    'class A { constructor(readonly process: P) { process.on(1); } }',
    'try { f(); } catch (process) { process.x; }',
    'class A { console = 1; process() { return this.console; } }',
  ])('accepts %s', (code) => {
    expect(violations(code)).toEqual([]);
  });

  it('lets core/clock.ts have timers, main.ts and io/process-group.ts have process, only process-end.ts the console that it silences', () => {
    expect(violations('setTimeout(f, 1); new Date();', 'core/clock.ts')).toEqual([]);
    expect(violations('process.exit(0);', 'main.ts')).toEqual([]);
    expect(violations('process.kill(1);', 'io/process-group.ts')).toEqual([]);
    expect(violations('Object.assign(globalThis.console, {});', 'process-end.ts')).toEqual([]);
    expect(violations('console.log(1);', 'cli/run.ts')).toHaveLength(1);
    expect(violations('process.exit(0);', 'core/clock.ts')).toHaveLength(1);
  });
});

describe('packagesStayHome', () => {
  it('keeps the client SDK in mcp/ and auth/, the server SDK in gateway/, and zod to its mini form', () => {
    const tree = {
      'mcp/a.ts': "import { Client } from '@modelcontextprotocol/client'; import * as z from 'zod/mini';",
      'auth/a.ts': "import type { AuthProvider } from '@modelcontextprotocol/client';",
      'gateway/a.ts': "import { McpServer } from '@modelcontextprotocol/server';",
      'manager/b.ts': "import type { Client } from '@modelcontextprotocol/client';",
      'mcp/b.ts': "import { McpServer } from '@modelcontextprotocol/server';",
      'config/b.ts': "import * as z from 'zod'; const m = await import(name);",
    };
    expect(check(rules.packagesStayHome, tree)).toEqual([
      'manager/b.ts:1 imports @modelcontextprotocol/client: only mcp/ and auth/ may',
      'mcp/b.ts:1 imports @modelcontextprotocol/server: only gateway/ may',
      'config/b.ts:1 imports zod: use zod/mini, which loads in a third of the time',
      expect.stringContaining('config/b.ts:1 imports (computed)'),
    ]);
  });
});

describe('startupStaysLight', () => {
  it('follows value imports through two files, and stops at import() and `import type`', () => {
    const tree = {
      'program.ts': "import './cli/run.js'; import type { T } from './cli/types.js'; const x = () => import('./cli/late.js');",
      'cli/run.ts': "import '../io/store.js'; import * as z from 'zod/mini'; import net from 'node:net';",
      'io/store.ts': "import Conf from 'conf';",
      'cli/types.ts': "import chalk from 'chalk';",
      'cli/late.ts': "import Table from 'cli-table3';",
    };
    expect(check(rules.startupStaysLight, tree)).toEqual([
      'io/store.ts:1 loads conf at start-up (program.ts → cli/run.ts → io/store.ts): use await import()',
    ]);
  });
});

describe('attachLoadsNothing', () => {
  it('refuses a package, and a module of Node that costs time, that main.ts reaches; not what waits behind import()', () => {
    const tree = {
      'main.ts': "import './cli/attach.js'; const x = () => import('./program.js');",
      'cli/attach.ts': "import 'node:fs'; import 'zod/mini'; import 'node:http'; const x = () => import('node:net');",
      'program.ts': "import 'commander';",
    };
    expect(check(rules.attachLoadsNothing, tree)).toEqual([
      'cli/attach.ts:1 loads zod/mini to attach (main.ts → cli/attach.ts): use await import()',
      'cli/attach.ts:1 loads node:http to attach (main.ts → cli/attach.ts): use await import()',
    ]);
  });
});

describe('the rules about files', () => {
  it('refuse 401 lines and accept 400', () => {
    expect(check(rules.filesAreSmall, { 'core/a.ts': 'x;\n'.repeat(400), 'core/b.ts': 'x;\n'.repeat(401) })).toEqual([
      'core/b.ts has 401 lines, more than 400: split it by idea',
    ]);
  });

  it('refuse a first line without a purpose, a default export and a name that is not kebab-case', () => {
    const tree = {
      'core/good-name.ts': '/** Good. */\nexport const a = 1;\n',
      'core/badName.ts': '// Bad.\nexport default 1;\n',
      'core/c.ts': '/**\n * Long.\n */\n',
    };
    expect(check(rules.filesSayTheirPurpose, tree)).toHaveLength(2);
    expect(check(rules.exportsAreNamed, tree)).toHaveLength(1);
    expect(check(rules.namesAreKebabCase, tree)).toEqual(['core/badName.ts is not kebab-case']);
  });
});
