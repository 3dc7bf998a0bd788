/** Arguments that come from elsewhere: `key=@file`, `--args @file`, `--args -`. Resolved before a command sees its input. */

import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { McpctlError, rootMessage } from '../core/errors.js';
import { isSecretName } from '../core/redact.js';
import type { CommandSpec } from './command.js';
import { isUrl } from './parse.js';

export interface InputSources {
  readonly cwd: string;
  readonly readInput: () => Promise<string>;
}

/** The input of a call with its files and stdin read; the flags are as they were. */
export interface ResolvedInput extends Record<string, unknown> {
  readonly input: { readonly words: readonly string[]; readonly pairs: readonly InputWord[] };
  /** JSON text, not yet parsed. */
  readonly args?: string;
}

/** One argument of a call as typed: text to convert by the schema, or JSON taken as it is. */
export type InputWord = { readonly key: string; readonly text: string } | { readonly key: string; readonly json: unknown };

/**
 * Turns the words of a call into `words` (not `key=…`) and `pairs`, and `--args` into text, reading files and stdin.
 *
 * @throws McpctlError `USAGE` for a file that cannot be read, `INVALID_INPUT` for `key:=` that is not JSON.
 */
export async function resolveInput(input: Readonly<Record<string, unknown>>, sources: InputSources): Promise<ResolvedInput> {
  const pairs: InputWord[] = [];
  const words: string[] = [];
  for (const word of (input.input as string[] | undefined) ?? []) {
    const match = /^([^=]*?)(:?=)(.*)$/s.exec(word);
    if (!match) words.push(word);
    else pairs.push(await resolvePair(match[1]!, match[2] === ':=', match[3]!, sources));
  }
  const args = input.args as string | undefined;
  return { ...input, input: { words, pairs }, ...(args === undefined ? {} : { args: await resolveText(args, sources, true) }) };
}

/** Makes paths absolute that would mean something else in a file: a `folder`, and the program in front of `rest` words. */
export function absolutePaths(spec: CommandSpec, input: Readonly<Record<string, unknown>>, cwd: string): Record<string, unknown> {
  const made: Record<string, unknown> = { ...input };
  for (const { name, value } of spec.flags) {
    const path = made[name];
    if (value === 'folder' && typeof path === 'string') made[name] = absolute(path, cwd);
  }
  const rest = spec.positionals.find((positional) => positional.rest);
  if (rest && Array.isArray(made[rest.name])) made[rest.name] = absoluteProgram(made[rest.name] as string[], cwd);
  return made;
}

/** A bare name is looked up in PATH, as in a shell. */
export function absoluteProgram([program = '', ...words]: readonly string[], cwd: string): string[] {
  return [program.includes('/') && !isUrl(program) ? absolute(program, cwd) : program, ...words];
}

/** What begins with a variable is not known yet. */
function absolute(path: string, cwd: string): string {
  return path === '' || /^(?:~|\$\{)/.test(path) ? path : resolve(cwd, path);
}

/** The arguments whose names say that they are secret (`token`, `password` …): a server may repeat them in an error or on its stderr. */
export function secretsOf({ input, args }: ResolvedInput): string[] {
  const found: string[] = [];
  const look = (name: string, value: unknown, depth = 0): void => {
    if (typeof value === 'string') {
      // An author is no secret, whatever the first four letters say.
      if (isSecretName(name.replace(/author(?!i[sz])/gi, ''))) found.push(value);
    } else if (Array.isArray(value)) {
      for (const item of value) look(name, item, depth + 1);
    } else if (typeof value === 'object' && value !== null && depth < maxDepth) {
      for (const [key, item] of Object.entries(value)) look(key, item, depth + 1);
    }
  };
  for (const pair of input.pairs) look(pair.key, 'json' in pair ? pair.json : pair.text);
  if (args !== undefined) look('', parsed(args));
  return found;
}

/** Deeper than any tool's input. */
const maxDepth = 32;

/** What is no JSON is told later, when the tool and its schema are known. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function resolvePair(key: string, isJson: boolean, value: string, sources: InputSources): Promise<InputWord> {
  if (key === '') throw new McpctlError('USAGE', `"=${value}" has no name before the equals sign`, { hint: 'write key=value' });
  if (!isJson) return { key, text: await resolveText(value, sources, false) };
  try {
    return { key, json: JSON.parse(value) };
  } catch (error) {
    throw new McpctlError('INVALID_INPUT', `${key}:= is not JSON: ${rootMessage(error)}`, {
      hint: `write ${key}=… for text`,
      details: { path: `/${key}` },
    });
  }
}

async function resolveText(value: string, { cwd, readInput }: InputSources, dashIsInput: boolean): Promise<string> {
  if (dashIsInput && value === '-') return readInput();
  if (!value.startsWith('@')) return value;
  // `@@` writes a text that starts with an at sign.
  if (value.startsWith('@@')) return value.slice(1);
  const file = resolve(cwd, value.slice(1));
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new McpctlError('USAGE', `Cannot read ${value.slice(1)}: ${rootMessage(error)}`, {
      cause: error,
      hint: 'a text that starts with @ is written @@',
    });
  }
}
