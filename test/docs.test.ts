/** The documents and the code say the same: what is named in the docs exists, what exists is named, links lead somewhere. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
// @ts-expect-error: a script, not typed
import { madePages } from '../scripts/docs.mjs';
import { globalFlags } from '../src/cli/global-flags.js';
import { registry } from '../src/cli/registry.js';
import { configKeys } from '../src/config/json-schema.js';
import { exitCodes, signalExitCodes } from '../src/core/errors.js';
import { transitions } from '../src/manager/server-state.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const top = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md'];
const pages = [...top, ...markdownBelow('docs')];
const texts = new Map(pages.map((page) => [page, read(page)]));
const decisions = pages.filter((page) => page.startsWith('docs/decisions/'));

function markdownBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    .sort();
}

/** GitHub's anchors: lower case, punctuation gone, spaces as dashes. */
function anchorsOf(text: string): Set<string> {
  const headings = [...withoutFences(text).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading!);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

function withoutFences(text: string): string {
  return text.replace(/^```[\s\S]*?^```$/gm, '');
}

describe('pages made from the code', () => {
  it('are up to date (npm run docs)', async () => {
    const made: Record<string, string> = await madePages(root);
    for (const [page, text] of Object.entries(made)) expect(read(page), page).toBe(text);
    expect(Object.keys(made).sort()).toEqual(['docs/architecture.md', 'docs/cli.md', 'docs/faults.md']);
  });
});

describe('docs/cli.md', () => {
  const text = texts.get('docs/cli.md')!;

  it('has every command with its aliases and flags, and every global flag', () => {
    for (const { name, aliases = [], flags, scope } of registry) {
      for (const word of [name, ...aliases]) expect(text).toContain(`\`${scope === 'repl' ? '/' : ''}${word}\``);
      const section = scope === 'repl' ? '' : text.slice(text.indexOf(`\n## ${name}\n`)).split('\n## ')[1]!;
      for (const flag of flags) expect(section, `${name} --${flag.name}`).toContain(`--${flag.name}`);
    }
    for (const { name } of globalFlags) expect(text).toContain(`--${name}`);
  });

  it('explains every status of a server, and no other', () => {
    const told = [
      ...text
        .split('| status | meaning |')[1]!
        .split('\n\n')[0]!
        .matchAll(/^\| `([\w-]+)` \|/gm),
    ].map(([, name]) => name);
    expect(told.sort()).toEqual(Object.keys(transitions).sort());
  });

  it('has every error code in the row of its exit code, and no other row', () => {
    const rows = text
      .split('\n')
      .filter((line) => /^\| \d/.test(line))
      .map((line) => line.split('|').map((cell) => cell.trim()));
    const told = new Map(rows.map(([, exit, names]) => [exit!, [...names!.matchAll(/`(\w+)`/g)].map(([, name]) => name)]));
    const { CANCELLED: _, ...plain } = exitCodes;
    const expected = new Map<string, string[]>([['0', []]]);
    for (const [name, exit] of Object.entries(plain)) expected.set(`${exit}`, [...(expected.get(`${exit}`) ?? []), name]);
    expected.set(Object.values(signalExitCodes).join(' / '), ['CANCELLED']);
    expect(Object.fromEntries(told)).toEqual(Object.fromEntries(expected));
  });
});

describe('the prose', () => {
  const flags = new Set([...globalFlags, ...registry.flatMap((spec) => spec.flags)].map(({ name }) => name));
  const commands = new Set(registry.flatMap(({ name, aliases = [] }) => [name, ...aliases]));
  /** Programs of somebody else, whose flags are not ours. */
  const foreign = /\b(?:npm|npx|node|git|kill)\b/;
  /** What is set as code: in running text, and line by line in blocks. */
  const codeIn = (page: string) => {
    const text = texts.get(page)!;
    const fenced = [...text.matchAll(/^```\w*\n([\s\S]*?)^```/gm)].flatMap(([, block]) => block!.split('\n'));
    const inline = [...withoutFences(text).matchAll(/`([^`\n]+)`/g)].map(([, code]) => code!);
    return [...fenced, ...inline].map((line) => line.replace(/^\$ /, ''));
  };

  it.each(pages)('%s names only commands that exist', (page) => {
    const named = codeIn(page).flatMap((line) => /^mcpctl (?!-)([a-z][a-z-]*)/.exec(line)?.[1] ?? []);
    expect(named.filter((word) => !commands.has(word))).toEqual([]);
  });

  it.each(pages)('%s names only flags that exist', (page) => {
    const ours = codeIn(page).filter((line) => !foreign.test(line) && /^(?:--|-\w, --|mcpctl )/.test(line));
    const named = ours.flatMap((line) => [...line.matchAll(/(?<=^|[\s[])--([a-z][a-z-]*)/g)].map(([, name]) => name!));
    expect(named.filter((name) => !flags.has(name))).toEqual([]);
  });

  it('is checked for commands and flags by rules that see them', () => {
    expect(pages.flatMap(codeIn).filter((line) => /^mcpctl [a-z]/.test(line)).length).toBeGreaterThan(30);
    expect(pages.flatMap(codeIn).filter((line) => /^--[a-z]/.test(line)).length).toBeGreaterThan(15);
  });

  it('names in README.md every exit code that exists, and no other', () => {
    const section = texts.get('README.md')!.split('## Exit codes')[1]!.split('\n## ')[0]!;
    const told = [...section.matchAll(/`(\d+)`/g)].map(([, code]) => Number(code)).sort((a, b) => a - b);
    const all = [...new Set([0, ...Object.values(exitCodes), ...Object.values(signalExitCodes)])].sort((a, b) => a - b);
    expect(told).toEqual(all);
  });

  it('names in the table of docs/configuration.md only keys that exist', () => {
    const [, keys] = /\n## Keys of a server\n([\s\S]*?)\n## TOML\n/.exec(texts.get('docs/configuration.md')!)!;
    const rows = [...keys!.matchAll(/^\| `([^|]+)` \|/gm)].flatMap(([, keys]) => keys!.split('`, `'));
    const known = new Set(configKeys());
    expect(rows.length).toBeGreaterThan(20);
    expect(rows.filter((key) => !known.has(key))).toEqual([]);
  });

  it.each(pages)('%s has only links that lead somewhere', (page) => {
    const links = [...withoutFences(texts.get(page)!).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!);
    const broken = links.filter((link) => {
      if (/^https:\/\//.test(link)) return false;
      const [path, anchor] = link.split('#') as [string, string?];
      const target = path === '' ? page : join(dirname(page), path);
      if (!existsSync(resolve(root, target))) return true;
      return anchor !== undefined && !anchorsOf(read(target)).has(anchor);
    });
    expect(broken).toEqual([]);
  });

  it('numbers the decisions without a gap, each with context, decision and consequences', () => {
    expect(decisions.map((page) => page.slice('docs/decisions/'.length, 'docs/decisions/'.length + 4))).toEqual(
      decisions.map((_, i) => String(i + 1).padStart(4, '0')),
    );
    for (const page of decisions) {
      const text = texts.get(page)!;
      expect(text).toContain(`# ${page.slice('docs/decisions/'.length).slice(0, 4)}: `);
      for (const part of ['Context', 'Decision', 'Consequences']) expect(text, page).toContain(`\n**${part}.** `);
    }
  });

  it('says nothing about the machine or the place where it was written', () => {
    const places = [
      /(?<![\w.~}])\/(?:work|root|tmp\/(?!mcpctl)|home\/(?!ann\b))/,
      /\b(?:shared\/research|house-style|design card|the brief)\b/i,
    ];
    for (const [page, text] of texts) for (const place of places) expect(text.match(place)?.[0], page).toBeUndefined();
  });
});
