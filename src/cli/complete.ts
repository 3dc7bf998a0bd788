/** What could come next on a line: commands, flags, choices, live names and argument keys. Pure: it asks nobody and waits for nothing. */

import { unreachable } from '../core/errors.js';
import { sanitizeText } from '../core/sanitize.js';
import type { CommandSpec, FlagSpec, PositionalSpec } from './command.js';
import { argumentKeys, argumentValues, type ToolShape } from './complete-schema.js';
import { isUrl } from './parse.js';
import { openWord, quoteWord, splitWords, type Word } from './tokenize.js';

/** Where names come from. Everything is answered from memory. */
export interface CompletionSources {
  readonly registry: readonly CommandSpec[];
  readonly globalFlags: readonly FlagSpec[];
  /** `repl` knows `/mcp status`, `/status` and `status`; `shell` only the last. */
  readonly front: 'shell' | 'repl';
  readonly servers: () => readonly string[];
  /** `undefined` while the tools of that server are not known. */
  readonly tools: (server: string) => readonly ToolShape[] | undefined;
}

export interface Candidate {
  /** The word as a command would see it, for a shell that quotes by its own rules. */
  readonly value: string;
  /** What to put in the place of the typed word, quoted for `tokenize`; ends with a space when the word is complete. */
  readonly text: string;
}

export interface Completion {
  /** Sorted, without duplicates. */
  readonly candidates: readonly Candidate[];
  /** Offset in the line where the word that is being completed starts. */
  readonly replaceFrom: number;
  /** That word as typed so far, quotes resolved. */
  readonly typed: string;
}

/** A possible word; `open` says that more of the same word follows (`server/`, `key=`). */
interface Option {
  readonly value: string;
  readonly open?: boolean;
}

/** Completes the word that ends at `cursor` (a UTF-16 offset); what stands right of it is not looked at. */
export function complete(line: string, cursor: number, sources: CompletionSources): Completion {
  const { words, commentAt } = splitWords(line.slice(0, cursor));
  const last = words.at(-1);
  const current: Word =
    last && last.end === Math.min(cursor, line.length)
      ? last
      : { text: '', start: Math.min(cursor, line.length), end: cursor, openedWith: undefined };
  const typed = current.text;
  if (commentAt !== undefined) return { candidates: [], replaceFrom: current.start, typed };
  const before = words.filter((word) => word !== current).map(({ text }) => text);
  const seen = new Set<string>();
  const candidates: Candidate[] = [];
  for (const { value, open = false } of optionsFor(before, typed, sources)) {
    // What a terminal cannot show safely cannot be offered: names come from servers.
    if (seen.has(value) || !startsWithAnyCase(value, typed) || /[\n\t]/.test(value) || sanitizeText(value) !== value) continue;
    seen.add(value);
    candidates.push({ value, text: open ? openWord(value, current.openedWith) : `${quoteWord(value, current.openedWith)} ` });
  }
  candidates.sort((a, b) => (a.value < b.value ? -1 : 1));
  return { candidates, replaceFrom: current.start, typed };
}

/** The longest text that all values start with. */
export function commonPrefix(values: readonly string[]): string {
  let prefix = values[0] ?? '';
  for (const value of values) {
    let length = 0;
    while (length < prefix.length && prefix[length] === value[length]) length++;
    prefix = prefix.slice(0, length);
  }
  // Half a surrogate pair is no character.
  return /[\ud800-\udbff]$/.test(prefix) ? prefix.slice(0, -1) : prefix;
}

function optionsFor(before: readonly string[], typed: string, sources: CompletionSources): Option[] {
  const isRepl = sources.front === 'repl';
  if (isRepl && (before[0] === '/mcp' || before[0] === 'mcp')) return lineOptions(before.slice(1), typed, false, sources);
  return lineOptions(before, typed, isRepl, sources);
}

function lineOptions(before: readonly string[], typed: string, mayHaveSlash: boolean, sources: CompletionSources): Option[] {
  const at = commandIndex(before, sources.globalFlags);
  if (at === 'value') return [];
  if (at === undefined) {
    if (typed.startsWith('-')) return flagOptions([], before, sources);
    return commandOptions(typed, mayHaveSlash && before.length === 0, sources);
  }
  const name = before[at]!;
  const spec = findSpec(mayHaveSlash && at === 0 ? name.replace(/^\//, '') : name, sources);
  return spec ? positionalOrFlag(spec, [...before.slice(0, at), ...before.slice(at + 1)], typed, sources) : [];
}

/** Where the command stands; `value` when the next word belongs to a global flag before it; `undefined` when it is still to come. */
function commandIndex(before: readonly string[], globalFlags: readonly FlagSpec[]): number | 'value' | undefined {
  for (let i = 0; i < before.length; i++) {
    const word = before[i]!;
    if (!word.startsWith('-')) return i;
    if (takesValue(word, globalFlags) && ++i === before.length) return 'value';
  }
  return undefined;
}

/** Command names; an alias only where no name fits, so that the list shows every command once. */
function commandOptions(typed: string, mayHaveSlash: boolean, sources: CompletionSources): Option[] {
  const slash = mayHaveSlash && typed.startsWith('/') ? '/' : '';
  const usable = sources.registry.filter(({ scope }) => sources.front === 'repl' || scope !== 'repl');
  const names = usable.map(({ name }) => slash + name);
  if (slash) names.push('/mcp');
  const fitting = names.some((name) => startsWithAnyCase(name, typed));
  const found = fitting ? names : usable.flatMap(({ aliases = [] }) => aliases.map((alias) => slash + alias));
  return found.map((value) => ({ value }));
}

function positionalOrFlag(spec: CommandSpec, words: readonly string[], typed: string, sources: CompletionSources): Option[] {
  const flags = [...spec.flags, ...sources.globalFlags];
  const given: string[] = [];
  const restIndex = spec.positionals.findIndex(({ rest }) => rest);
  let flagsEnded = false;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    // The words of another program: nothing is known about them.
    if (restIndex !== -1 && (word === '--' || (given.length > restIndex && !isUrl(given[restIndex]!)))) return [];
    if (flagsEnded || !word.startsWith('-') || word === '-') given.push(word);
    else if (word === '--') flagsEnded = true;
    else if (takesValue(word, flags) && ++i === words.length) return [];
  }
  if (restIndex !== -1 && given.length > restIndex && !isUrl(given[restIndex]!)) return [];
  if (!flagsEnded && typed.startsWith('-')) return flagOptions(spec.flags, words, sources);
  const positional = spec.positionals[given.length] ?? spec.positionals.at(-1);
  if (!positional || (given.length >= spec.positionals.length && !positional.variadic)) return [];
  if (positional.after && !positional.after.includes(given.at(-1) ?? '')) return [];
  return positionalOptions(spec, positional, given, typed, sources);
}

function positionalOptions(
  spec: CommandSpec,
  positional: PositionalSpec,
  given: readonly string[],
  typed: string,
  sources: CompletionSources,
): Option[] {
  if (positional.choices) return positional.choices.map((value) => ({ value }));
  switch (positional.complete) {
    case undefined:
      return [];
    case 'server':
      return sources
        .servers()
        .filter((name) => !given.includes(name))
        .map((value) => ({ value }));
    case 'command':
      return commandOptions(typed, false, sources);
    case 'tool':
    case 'tool-argument': {
      const tool = given.length === 0 ? undefined : findTool(given, sources);
      if (tool === undefined) return given.length === 0 ? toolOptions(typed, sources) : [];
      if (tool.kind === 'server') return sources.tools(tool.server)?.map(({ name }) => ({ value: name })) ?? [];
      const takesArguments = spec.positionals.some(({ complete: kind }) => kind === 'tool-argument');
      if (!takesArguments || !tool.shape) return [];
      const values = argumentValues(tool.shape, typed);
      if (values) return values.map((value) => ({ value }));
      return argumentKeys(tool.shape, given).map((value) => ({ value, open: true }));
    }
    default:
      return unreachable(positional.complete);
  }
}

/** `server/` for every server, then its tools; bare names of the tools that one server alone has. */
function toolOptions(typed: string, sources: CompletionSources): Option[] {
  const servers = sources.servers();
  const slash = typed.indexOf('/');
  if (slash !== -1) {
    const server = resolveServer(typed.slice(0, slash), servers);
    return (server !== undefined && sources.tools(server)?.map(({ name }) => ({ value: `${server}/${name}` }))) || [];
  }
  const options: Option[] = servers.map((server) => ({ value: `${server}/`, open: true }));
  // Without a first letter the servers are the overview; every tool of every server would bury it.
  if (typed === '') return options;
  const owners = new Map<string, number>();
  for (const server of servers) for (const { name } of sources.tools(server) ?? []) owners.set(name, (owners.get(name) ?? 0) + 1);
  // A bare name with a slash would be read as server/tool.
  for (const [name, count] of owners) if (count === 1 && !name.includes('/')) options.push({ value: name });
  return options;
}

type FoundTool =
  | { readonly kind: 'server'; readonly server: string }
  | { readonly kind: 'tool'; readonly shape: ToolShape | undefined };

/** What the words so far name: a tool (`server/tool`, `server tool`, a bare name), or a server whose tool comes next. */
function findTool(given: readonly string[], sources: CompletionSources): FoundTool | undefined {
  const [first = '', second] = given;
  const servers = sources.servers();
  const slash = first.indexOf('/');
  const shapeOf = (server: string | undefined, name: string) =>
    server === undefined ? undefined : sources.tools(server)?.find((tool) => tool.name === name);
  if (slash !== -1)
    return { kind: 'tool', shape: shapeOf(resolveServer(first.slice(0, slash), servers), first.slice(slash + 1)) };
  if (servers.includes(first)) {
    return second === undefined || second.includes('=')
      ? { kind: 'server', server: first }
      : { kind: 'tool', shape: shapeOf(first, second) };
  }
  const owners = servers.filter((server) => shapeOf(server, first) !== undefined);
  return owners.length === 1 ? { kind: 'tool', shape: shapeOf(owners[0], first) } : undefined;
}

/** The server of that name; in another case when that is unmistakable. */
function resolveServer(typed: string, servers: readonly string[]): string | undefined {
  if (servers.includes(typed)) return typed;
  const alike = servers.filter((name) => name.toLowerCase() === typed.toLowerCase());
  return alike.length === 1 ? alike[0] : undefined;
}

/** A running session has its configuration and its version, and `--keep-going` is of a batch. */
const notInRepl: readonly string[] = ['config', 'preset', 'version', 'keep-going'];

function flagOptions(own: readonly FlagSpec[], words: readonly string[], { front, globalFlags }: CompletionSources): Option[] {
  const globals = globalFlags.filter(({ name }) => front === 'shell' || !notInRepl.includes(name));
  const used = (flag: FlagSpec) => !flag.repeatable && words.some((word) => isFlag(word, flag));
  return [...own, ...globals].filter((flag) => !used(flag)).map(({ name }) => ({ value: `--${name}` }));
}

function takesValue(word: string, flags: readonly FlagSpec[]): boolean {
  return !word.includes('=') && flags.some((flag) => flag.value !== undefined && isFlag(word, flag));
}

function isFlag(word: string, { name, short }: FlagSpec): boolean {
  return word === `--${name}` || word.startsWith(`--${name}=`) || (short !== undefined && word === `-${short}`);
}

function findSpec(name: string, { registry, front }: CompletionSources): CommandSpec | undefined {
  return registry.find(
    (spec) => (front === 'repl' || spec.scope !== 'repl') && (spec.name === name || spec.aliases?.includes(name)),
  );
}

function startsWithAnyCase(value: string, typed: string): boolean {
  return value.slice(0, typed.length).toLowerCase() === typed.toLowerCase();
}
