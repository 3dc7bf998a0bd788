/** Words to a command: global flags, command name, positionals and flags, as the registry declares them. */

import { Command, CommanderError, Option } from 'commander';
import { type PresetName, presetNames } from '../config/presets.js';
import { parseDuration } from '../core/duration.js';
import { McpctlError } from '../core/errors.js';
import { didYouMean } from '../core/suggest.js';
import type { CommandSpec, FlagSpec } from './command.js';
import { globalFlags } from './global-flags.js';

export interface GlobalOptions {
  readonly json: boolean;
  /** Paths as typed. */
  readonly config: readonly string[];
  readonly preset: PresetName | undefined;
  readonly timeoutMs: number | undefined;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly noColor: boolean;
  readonly noAttach: boolean;
  readonly keepGoing: boolean;
}

export type Parsed =
  | { readonly kind: 'version'; readonly globals: GlobalOptions }
  | { readonly kind: 'help'; readonly topic: CommandSpec | undefined; readonly globals: GlobalOptions }
  /** Only global flags: the REPL or a batch. */
  | { readonly kind: 'nothing'; readonly globals: GlobalOptions }
  | {
      readonly kind: 'command';
      readonly spec: CommandSpec;
      readonly input: Readonly<Record<string, unknown>>;
      readonly globals: GlobalOptions;
    };

/**
 * Parses the words of one command line.
 *
 * @param front `repl` accepts `/mcp status`, `/status` and `status`, and the commands that only the REPL has.
 * @throws McpctlError `USAGE` for unknown commands, flags, missing or surplus words.
 */
export async function parse(
  words: readonly string[],
  registry: readonly CommandSpec[],
  front: 'shell' | 'repl',
): Promise<Parsed> {
  const tokens = front === 'repl' ? withoutSlash(words) : [...words];
  const at = commandIndex(tokens);
  if (at === -1) {
    const { globals, flags } = await parseFlags(tokens, undefined);
    if (flags.version) return { kind: 'version', globals };
    if (flags.help) return { kind: 'help', topic: undefined, globals };
    return { kind: 'nothing', globals };
  }
  const spec = findCommand(tokens[at]!, registry, front);
  const { own, rest } = splitRest(tokens.slice(at + 1), spec);
  const { globals, flags, positionals } = await parseFlags([...tokens.slice(0, at), ...own], spec, rest);
  if (flags.version) return { kind: 'version', globals };
  if (flags.help) return { kind: 'help', topic: spec, globals };
  if (spec.name === 'help') {
    const topic = positionals.command as string | undefined;
    return {
      kind: 'help',
      topic: topic === undefined ? undefined : findCommand(topic.replace(/^\//, ''), registry, front, true),
      globals,
    };
  }
  return { kind: 'command', spec, input: { ...positionals, ...ownFlags(spec, flags) }, globals };
}

/** Whether the words hold a command, and not only global flags. */
export function namesCommand(words: readonly string[]): boolean {
  return commandIndex(words) !== -1;
}

/**
 * The command of that name or alias.
 *
 * @param all also those that cannot be typed at this front: help explains them too
 * @throws McpctlError `USAGE` with the nearest names
 */
export function findCommand(
  name: string,
  registry: readonly CommandSpec[],
  front: 'shell' | 'repl',
  all = front === 'repl',
): CommandSpec {
  const usable = registry.filter((spec) => all || spec.scope !== 'repl');
  const found = usable.find((spec) => spec.name === name || spec.aliases?.includes(name));
  if (found) return found;
  const names = usable.flatMap((spec) => [spec.name, ...(spec.aliases ?? [])]);
  const hint =
    didYouMean(name, names) ?? (front === 'repl' ? 'type /help for the commands' : 'run mcpctl --help for the commands');
  throw new McpctlError('USAGE', `Unknown command "${name}"`, { hint });
}

/** `--no-connect` stands in `args` as `noConnect`. */
export function camelCase(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** `/mcp status`, `/status` and a pasted `mcpctl status` mean `status`; a bare `/mcp` means `/mcp status`, as the chat hosts have it. */
function withoutSlash(words: readonly string[]): string[] {
  const [first, ...rest] = words;
  if (first === 'mcpctl') return withoutSlash(rest);
  if (first === '/mcp' || first === 'mcp') return rest.length > 0 ? rest : ['status'];
  if (first?.startsWith('/') && first.length > 1) return [first.slice(1), ...rest];
  return [...words];
}

/** Index of the first word that is neither a flag nor the value of a global flag. */
function commandIndex(tokens: readonly string[]): number {
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    if (token === '--') return -1;
    if (!token.startsWith('-')) return i;
    if (takesNextWord(token, globalFlags)) i++;
  }
  return -1;
}

/** Whether a word is an address and no program. */
export function isUrl(word: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(word);
}

/** Takes the words of a `rest` positional out: from the first word behind the other positionals that is no flag, or from `--`. */
function splitRest(tokens: readonly string[], spec: CommandSpec): { own: readonly string[]; rest: readonly string[] } {
  const restIndex = spec.positionals.findIndex(({ rest }) => rest);
  if (restIndex === -1) return { own: tokens, rest: [] };
  let given = 0;
  let urlAt: number | undefined;
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    if (token.startsWith('-') && token !== '-') {
      if (token === '--' && urlAt === undefined) return { own: tokens.slice(0, i), rest: tokens.slice(i + 1) };
      if (takesNextWord(token, [...spec.flags, ...globalFlags])) i++;
    } else if (urlAt !== undefined) {
      throw usageError('Only flags may follow a URL', spec);
    } else if (given++ === restIndex) {
      if (!isUrl(token)) return { own: tokens.slice(0, i), rest: tokens.slice(i) };
      urlAt = i;
    }
  }
  return urlAt === undefined ? { own: tokens, rest: [] } : { own: tokens.toSpliced(urlAt, 1), rest: [tokens[urlAt]!] };
}

/** Whether the value of a flag is the word after it. */
function takesNextWord(word: string, flags: readonly FlagSpec[]): boolean {
  return flags.some(({ name, short, value }) => value !== undefined && (word === `--${name}` || word === `-${short}`));
}

interface ParsedFlags {
  readonly globals: GlobalOptions;
  readonly flags: Readonly<Record<string, unknown>>;
  readonly positionals: Readonly<Record<string, unknown>>;
}

async function parseFlags(
  tokens: readonly string[],
  spec: CommandSpec | undefined,
  rest: readonly string[] = [],
): Promise<ParsedFlags> {
  const command = new Command(spec?.name ?? 'mcpctl').exitOverride().helpOption(false).helpCommand(false);
  command.configureOutput({ writeErr: () => {}, writeOut: () => {} }).allowExcessArguments(false);
  for (const positional of spec?.positionals ?? []) {
    if (positional.rest) continue;
    const name = positional.variadic ? `${positional.name}...` : positional.name;
    // Required ones are checked below: `--help` must work without them.
    command.argument(`[${name}]`);
  }
  const own = spec?.flags ?? [];
  for (const flag of [...own, ...globalFlags.filter((global) => !own.some(({ name }) => name === global.name))]) {
    const names = `${flag.short ? `-${flag.short}, ` : ''}--${flag.name}${flag.value ? ` <${flag.value}>` : ''}`;
    const option = new Option(names);
    // `--no-x` would negate `--x` in commander; here it is a switch of its own name.
    option.negate = false;
    option.attributeName = () => camelCase(flag.name);
    if (flag.repeatable) {
      option.argParser((value: string, previous: string[] = []) => {
        if (value === '') throw usageError(`--${flag.name} names no ${flag.value}`, spec);
        return [...previous, value];
      });
    }
    command.addOption(option);
  }
  try {
    command.parse([...tokens], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) throw usageError(error.message, spec);
    throw error;
  }
  const flags: Record<string, unknown> = command.opts();
  const positionals: Record<string, unknown> = {};
  const values = command.processedArgs as unknown[];
  for (const [index, positional] of (spec?.positionals ?? []).entries()) {
    const value = positional.rest ? rest : values[index];
    const missing = value === undefined || (Array.isArray(value) && value.length === 0);
    if (missing && positional.required && !flags.help) throw usageError(`Missing <${positional.name}>`, spec);
    if (!missing) {
      for (const word of [value].flat() as string[]) {
        if (positional.choices && !positional.choices.includes(word)) {
          throw usageError(`<${positional.name}> is one of ${positional.choices.join(', ')}, not "${word}"`, spec);
        }
      }
      positionals[positional.name] = value;
    }
  }
  return { globals: globalOptions(flags), flags, positionals };
}

function globalOptions(flags: Readonly<Record<string, unknown>>): GlobalOptions {
  const timeout = flags.timeout as string | undefined;
  return {
    json: flags.json === true,
    config: (flags.config as string[] | undefined) ?? [],
    preset: flags.preset === undefined ? undefined : presetFlag(String(flags.preset)),
    timeoutMs: timeout === undefined ? undefined : durationFlag('timeout', timeout),
    quiet: flags.quiet === true,
    verbose: flags.verbose === true,
    noColor: flags.noColor === true,
    noAttach: flags.noAttach === true,
    keepGoing: flags.keepGoing === true,
  };
}

/** The command's own flags; a global flag that the command declares too (`--timeout`) is handed to it as well. */
function ownFlags(spec: CommandSpec, flags: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const own: Record<string, unknown> = {};
  for (const flag of spec.flags) {
    const key = camelCase(flag.name);
    const value = flags[key];
    if (value === undefined) continue;
    own[key] = flag.value === 'duration' ? durationFlag(flag.name, String(value)) : value;
  }
  return own;
}

function presetFlag(text: string): PresetName {
  const preset = presetNames.find((name) => name === text);
  if (preset) return preset;
  throw new McpctlError('USAGE', `--preset is one of ${presetNames.join(', ')}, not "${text}"`, {
    hint: didYouMean(text, presetNames) ?? `for example --preset ${presetNames[1]}`,
  });
}

function durationFlag(name: string, text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined && ms > 0) return ms;
  const bare = /^\d+(\.\d+)?$/.test(text);
  throw new McpctlError('USAGE', `--${name} takes a duration, not "${text}"`, {
    hint: bare && Number(text) > 0 ? `write the unit: --${name} ${text}s or --${name} ${text}ms` : `for example --${name} 30s`,
  });
}

function usageError(message: string, spec: CommandSpec | undefined): McpctlError {
  const text = message
    .replace(/^error: /, '')
    .replace(/\.$/, '')
    .replace(/\n\(Did you mean (.*?)\?\)$/, ' (did you mean $1?)');
  return new McpctlError('USAGE', text.charAt(0).toUpperCase() + text.slice(1), {
    hint: spec ? `mcpctl ${spec.name} --help` : 'mcpctl --help',
  });
}
