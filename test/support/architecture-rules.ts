/** The architecture as rules over a source tree: each returns one line per violation, with file, line and what to do. */
import type { SourceFile } from './source-tree.js';

export type Rule = (files: readonly SourceFile[]) => string[];

/** From the top of the house to its ground: a file may import from its own folder and from rows below. */
export const rows: readonly (readonly string[])[] = [
  ['main.ts'],
  ['program.ts'],
  ['process-terminal.ts', 'process-end.ts', 'program-loader.ts'],
  ['cli', 'gateway'],
  ['manager', 'observe'],
  ['mcp', 'auth', 'policy', 'state'],
  ['config'],
  ['io'],
  ['core'],
];

export const maxLines = 400;

/** Where each of Node's globals may be touched; everyone else takes what it needs as a parameter. */
const globalHomes: readonly { readonly uses: RegExp; readonly files: readonly string[]; readonly instead: string }[] = [
  {
    // AbortSignal.timeout is a timer that no fake clock can move. setImmediate waits for nothing: it only lets others run.
    uses: /^(setTimeout|setInterval|clearTimeout|clearInterval|performance|AbortSignal\.timeout|Math\.random|Date\.now|Date\(\)|new Date\(\))/,
    files: ['core/clock.ts'],
    instead: 'take a Clock or Random (core/clock.ts) as a parameter',
  },
  {
    uses: /^process(\.|\(|$)/,
    files: [
      'main.ts',
      'program.ts',
      'process-terminal.ts',
      'process-end.ts',
      'program-loader.ts',
      'io/process-group.ts',
      'io/self.ts',
      'auth/keychain-helper.ts',
    ],
    instead: 'take the value as a parameter from program.ts',
  },
  // process-end.ts takes the console away from libraries.
  { uses: /^console(\.|$)/, files: ['process-end.ts'], instead: 'return data, or use the terminal of the command context' },
];

/** Modules that are another way to the same globals. */
const globalModules: Readonly<Record<string, string>> = {
  'node:timers': 'setTimeout',
  'node:timers/promises': 'setTimeout',
  'node:perf_hooks': 'performance',
  'node:process': 'process',
  'node:console': 'console',
};

/** Who may import a package, types included. */
const packageHomes: readonly { readonly name: RegExp; readonly folders: readonly string[] }[] = [
  { name: /^@modelcontextprotocol\/(server|node)(\/|$)/, folders: ['gateway'] },
  { name: /^@modelcontextprotocol\//, folders: ['mcp', 'auth'] },
  { name: /^@napi-rs\/keyring$/, folders: ['auth'] },
  { name: /^pino$/, folders: ['observe'] },
];

/**
 * What may be loaded before the command is known. Every other package costs start-up time of each run, `--version` included,
 * and waits behind `import()` until something needs it.
 */
export const startupPackages: Readonly<Record<string, string>> = {
  'zod/mini': '6 ms, measured; the full zod would be 16',
  commander: '2 ms bundled; it parses the command line itself',
  'jsonc-parser': '1.5 ms; every command reads the configuration, and --help and --version do not get this far',
};

export const layersPointDown: Rule = (files) => {
  const known = new Set(files.map(({ file }) => file));
  return files.flatMap(({ file, imports }) =>
    imports.flatMap(({ specifier, target, line, kind }) => {
      if (target === undefined) return [];
      const at = `${file}:${line} imports ${specifier}`;
      if (target.startsWith('..')) return [`${at}, outside src/`];
      if (!specifier.endsWith('.js')) return [`${at}, which does not end in .js`];
      if (!known.has(target)) return [`${at}, which does not exist`];
      const [from, to] = [folderOf(file), folderOf(target)];
      if (from === to && from !== target) return [];
      // Metrics listen to the manager's events and know their types, nothing else of it.
      if (from === 'observe' && to === 'manager' && kind === 'type') return [];
      const [fromRow, toRow] = [rowOf(from), rowOf(to)];
      if (fromRow === toRow) return [`${at}: ${from} and ${to} are of one row and do not import each other`];
      return fromRow < toRow ? [] : [`${at}: ${from} is below ${to}, imports point down only`];
    }),
  );
};

export const everyFileHasARow: Rule = (files) =>
  files
    .filter(({ file }) => rowOf(folderOf(file)) < 0)
    .map(({ file }) => `${file} is in no folder of the design: ${rows.flat().join(', ')}`);

/** Cycles of value imports. `import type` is erased, and `import()` runs after both files are loaded. */
export const noCycles: Rule = (files) => {
  const edges = new Map(
    files.map(({ file, imports }) => [file, imports.flatMap((i) => (i.kind === 'value' && i.target ? [i.target] : []))]),
  );
  const done = new Set<string>();
  const cycles: string[] = [];
  const walk = (file: string, path: readonly string[]): void => {
    const start = path.indexOf(file);
    if (start >= 0) cycles.push(`cycle: ${[...path.slice(start), file].join(' → ')}`);
    if (start >= 0 || done.has(file)) return;
    for (const target of edges.get(file) ?? []) walk(target, [...path, file]);
    done.add(file);
  };
  for (const file of edges.keys()) walk(file, []);
  return cycles;
};

export const filesAreSmall: Rule = (files) =>
  files.flatMap(({ file, text }) => {
    const lines = text.replace(/\n$/, '').split('\n').length;
    return lines > maxLines ? [`${file} has ${lines} lines, more than ${maxLines}: split it by idea`] : [];
  });

export const filesSayTheirPurpose: Rule = (files) =>
  files.flatMap(({ file, text }) =>
    /^\/\*\* \S.* \*\/\r?\n/.test(text) ? [] : [`${file}:1 does not start with a one-line /** purpose */`],
  );

export const namesAreKebabCase: Rule = (files) =>
  files.flatMap(({ file }) =>
    /^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+(-[a-z0-9]+)*\.ts$/.test(file) ? [] : [`${file} is not kebab-case`],
  );

export const exportsAreNamed: Rule = (files) =>
  files.flatMap(({ file, hasDefaultExport }) => (hasDefaultExport ? [`${file} has a default export; use a named one`] : []));

export const globalsStayHome: Rule = (files) =>
  files.flatMap(({ file, uses, imports }) => {
    const imported = imports.flatMap(({ specifier, line }) => {
      const what = globalModules[specifier];
      return what === undefined ? [] : [{ what, line, shown: specifier }];
    });
    return [...uses, ...imported].flatMap((use) => {
      const home = globalHomes.find(({ uses: pattern }) => pattern.test(use.what));
      if (home === undefined || home.files.includes(file)) return [];
      return [`${file}:${use.line} uses ${'shown' in use ? use.shown : use.what}: ${home.instead}`];
    });
  });

export const packagesStayHome: Rule = (files) =>
  files.flatMap(({ file, imports }) =>
    imports.flatMap(({ specifier, target, line }) => {
      if (target !== undefined) return [];
      const at = `${file}:${line} imports ${specifier}`;
      if (specifier === '(computed)') return [`${at}: write the module's name, so that the bundler and these rules see it`];
      if (/^zod(?!\/mini$)/.test(specifier)) return [`${at}: use zod/mini, which loads in a third of the time`];
      const home = packageHomes.find(({ name }) => name.test(specifier));
      return home === undefined || home.folders.includes(folderOf(file))
        ? []
        : [`${at}: only ${home.folders.join('/ and ')}/ may`];
    }),
  );

/** What the path of an attached command may load: Node's own modules that cost next to nothing, and no package at all. */
const attachModules: ReadonlySet<string> = new Set(['node:fs', 'node:net', 'node:os', 'node:path', 'node:tty']);

/** main.ts asks the manager that is there: whatever it reaches is loaded by every command that only passes a question on. */
export const attachLoadsNothing: Rule = (files) =>
  loadedFrom('main.ts', files).flatMap(({ file, specifier, line, path }) =>
    attachModules.has(specifier) ? [] : [`${file}:${line} loads ${specifier} to attach (${path}): use await import()`],
  );

/** Whatever the value imports of program.ts reach is loaded by every run without a manager. */
export const startupStaysLight: Rule = (files) =>
  loadedFrom('program.ts', files).flatMap(({ file, specifier, line, path }) =>
    specifier.startsWith('node:') || specifier in startupPackages
      ? []
      : [`${file}:${line} loads ${specifier} at start-up (${path}): use await import()`],
  );

/** Every package and module of Node that the value imports of `entry` reach. */
function loadedFrom(entry: string, files: readonly SourceFile[]) {
  const byName = new Map(files.map((source) => [source.file, source]));
  const reachedBy = new Map<string, string>([[entry, '']]);
  const loaded: { file: string; specifier: string; line: number; path: string }[] = [];
  for (const [file] of reachedBy) {
    for (const { kind, specifier, target, line } of byName.get(file)?.imports ?? []) {
      if (kind !== 'value') continue;
      if (target !== undefined) {
        if (!reachedBy.has(target)) reachedBy.set(target, file);
        continue;
      }
      const path = [file];
      for (let from = reachedBy.get(file); from; from = reachedBy.get(from)) path.unshift(from);
      loaded.push({ file, specifier, line, path: path.join(' → ') });
    }
  }
  return loaded;
}

/** `cli/commands/x.ts` → `cli`; files of the root stand for themselves. */
function folderOf(file: string): string {
  return file.split('/')[0]!;
}

function rowOf(folder: string): number {
  return rows.findIndex((row) => row.includes(folder));
}
