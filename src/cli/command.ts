/** What a command is: a plain spec that is known at once, and a module that is loaded when it runs. */

import type { ZodMiniType } from 'zod/mini';
import type { Config } from '../config/schema.js';
import type { McpctlError } from '../core/errors.js';
import type { Manager } from '../manager/manager.js';

/** Where live names for completion come from. */
export type NameKind = 'server' | 'tool' | 'tool-argument' | 'command';

export interface PositionalSpec {
  /** The key in `args`. */
  readonly name: string;
  readonly summary: string;
  readonly required?: boolean;
  readonly variadic?: boolean;
  readonly choices?: readonly string[];
  readonly complete?: NameKind;
  /**
   * The last positional, which takes every word from the first on that is no flag, as typed, flags included; a leading `--` is
   * dropped. A URL is one word alone: what follows it are flags again.
   */
  readonly rest?: boolean;
}

export interface FlagSpec {
  /** Long name without dashes; in `args` it stands in camelCase. */
  readonly name: string;
  readonly short?: string;
  /** The placeholder of its value; absent = a switch. A `duration` arrives in milliseconds, a `folder` as an absolute path. */
  readonly value?: string;
  /** May be given several times, one value each: a list in `args`. */
  readonly repeatable?: boolean;
  readonly summary: string;
}

/** One command, as data: REPL, batch, one-shot, help, completion and `docs/cli.md` all read this. */
export interface CommandSpec {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  /** Paragraphs below the summary in `help <command>`. */
  readonly description?: string;
  readonly examples: readonly string[];
  readonly positionals: readonly PositionalSpec[];
  readonly flags: readonly FlagSpec[];
  /** `repl`: typed in the REPL only, and carried out by it. */
  readonly scope?: 'repl';
  /** Absent for `help`, which the parser answers, and for what only the REPL can do. */
  readonly load?: () => Promise<CommandModule>;
}

/** Everything a command gets to work with. */
export interface CommandContext {
  readonly manager: Manager;
  readonly config: Config;
  /** Aborted by Ctrl-C, an end signal, or the overall `--timeout`. */
  readonly signal: AbortSignal;
  /** A line for the person in front of it, on stderr. */
  readonly note: (text: string) => void;
  /** Asks a question; absent when nobody is there to answer. */
  readonly ask?: (question: string) => Promise<string>;
}

/** What a command found out. With `error` the data is still printed, then the error, and the exit code is the error's. */
export interface Outcome<D> {
  readonly data: D;
  readonly error?: McpctlError;
  /** The data is the user's own, asked for by name: it is printed as it came, and secrets in it are not masked. */
  readonly verbatim?: boolean;
}

/** Runs a command. An AsyncIterable is a live view: NDJSON with `--json`, redrawn otherwise. */
export type Run<A extends ZodMiniType, D> = (
  args: A['_zod']['output'],
  context: CommandContext,
) => Promise<Outcome<D>> | AsyncIterable<D>;

export interface TextOptions {
  /** Width of the terminal in columns. */
  readonly columns: number;
  readonly color: boolean;
}

/** Renders the data of a command for a person; every string in it is already safe for a terminal. */
export type Text<D, A extends ZodMiniType = ZodMiniType> = (data: D, options: TextOptions, args: A['_zod']['output']) => string;

// biome-ignore lint/suspicious/noExplicitAny: the registry holds modules of many argument and data types; each module is checked against its own.
export interface CommandModule<A extends ZodMiniType = any, D = any> {
  readonly args: A;
  readonly run: Run<A, D>;
  readonly text: Text<D, A>;
  /** Secrets among the arguments: they are kept out of whatever is printed or stored from now on. */
  readonly secrets?: (args: A['_zod']['output']) => readonly string[];
}
