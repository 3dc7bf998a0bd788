/** Arguments that come from elsewhere: `key=@file`, `--args @file`, `--args -`. Resolved before a command sees its input. */

import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { McpctlError, rootMessage } from '../core/errors.js';

export interface InputSources {
  readonly cwd: string;
  readonly readInput: () => Promise<string>;
}

/** One argument of a call as typed: text to convert by the schema, or JSON taken as it is. */
export type InputWord = { readonly key: string; readonly text: string } | { readonly key: string; readonly json: unknown };

/**
 * Turns the words of a call into `words` (not `key=…`) and `pairs`, and `--args` into text, reading files and stdin.
 *
 * @throws McpctlError `USAGE` for a file that cannot be read, `INVALID_INPUT` for `key:=` that is not JSON.
 */
export async function resolveInput(
  input: Readonly<Record<string, unknown>>,
  sources: InputSources,
): Promise<Record<string, unknown>> {
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
