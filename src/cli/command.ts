/** What a command is: a plain spec that is known at once, and a module that is loaded when it runs. */

import type { ZodMiniType } from 'zod/mini';
import type { ManagerAddress } from '../config/manager-address.js';
import type { Config } from '../config/schema.js';
import type { Clock } from '../core/clock.js';
import type { McpctlError } from '../core/errors.js';
import type { Screen, ScreenInput } from '../io/screen.js';
import type { BackgroundProcess } from '../io/self.js';
import type { Manager } from '../manager/manager.js';
import type { Observation } from '../observe/observation.js';
import type { AskOptions } from './terminal.js';

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
  /** Offered only behind one of these words. */
  readonly after?: readonly string[];
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
  /** Never sent to a manager that runs elsewhere: it is about the files, or the process, in front of the person. */
  readonly here?: true;
  /** Gets a `HostContext`: it is about managers as processes, and needs none of its own. */
  readonly host?: true;
  /** A view: where no manager runs, its own one stays like that of a session, and connects, checks and reconnects by itself. */
  readonly stays?: true;
  /** Absent for `help`, which the parser answers, and for what only the REPL can do. */
  readonly load?: () => Promise<CommandModule>;
}

/** Everything a command gets to work with. */
export interface CommandContext {
  readonly manager: Manager;
  readonly config: Config;
  /** What was counted, and how the manager is. */
  readonly observation: Observation;
  /** Aborted by Ctrl-C, an end signal, or the overall `--timeout`. */
  readonly signal: AbortSignal;
  /** Typed at the prompt of a session, where an answer comes at once; a script waits for servers to settle. */
  readonly atPrompt: boolean;
  /**
   * A line for the person in front of it, on stderr. `isPrompt`: what a decision is about. It is shown with --quiet too where somebody
   * is asked, nothing in it is redacted, so that nobody can hide a part of it, and with --json it stays away: it stands in the data.
   * `isNeeded`: what the person has to do before the command can go on. It is always shown, and whole.
   */
  readonly note: (text: string, options?: { isPrompt?: boolean; isNeeded?: boolean }) => void;
  /** Asks a question; absent when nobody is there to answer. */
  readonly ask?: (question: string, options?: AskOptions) => Promise<string>;
  /** Shows an address in the browser of the person in front. Only where somebody asked for just that: see `commands/auth.ts`. */
  readonly openUrl?: (url: string) => Promise<boolean>;
  /** All of stdin. @throws McpctlError `USAGE` when nothing is piped into it */
  readonly readInput: () => Promise<string>;
}

/** The process around a command, for those that start and end managers. */
export interface Host {
  readonly address: ManagerAddress;
  /** Of this mcpctl, and of this user. */
  readonly version: string;
  readonly uid: number | undefined;
  readonly clock: Clock;
  /** Whether this process is itself a manager that others can attach to. */
  readonly isManager: boolean;
  /** Starts a manager in the background, for the same configuration. */
  startManager(options: { idleMs: number | undefined }): Promise<BackgroundProcess>;
  /** Is a manager until the signal is aborted or somebody stops it. @throws ManagerRunning when there is one already */
  serve(options: { idleMs: number | undefined; signal: AbortSignal }): Promise<void>;
  /** Ends a process by a signal. */
  kill(pid: number, signal: 'SIGTERM' | 'SIGKILL' | 'SIGCONT'): void;
}

export interface HostContext extends Pick<CommandContext, 'signal' | 'note' | 'ask'> {
  readonly host: Host;
}

/** What a command found out. With `error` the data is still printed, then the error, and the exit code is the error's. */
export interface Outcome<D> {
  readonly data: D;
  readonly error?: McpctlError;
  /** It is printed as it came, and secrets in it are not masked: it is the user's own, asked for by name, or has none. */
  readonly verbatim?: boolean;
}

/** Runs a command. An AsyncIterable is a live view: NDJSON with `--json`, otherwise redrawn or, with `live: 'append'`, continued. */
export type Run<A extends ZodMiniType, D, C = CommandContext> = (
  args: A['_zod']['output'],
  context: C,
) => Promise<Outcome<D>> | AsyncIterable<D>;

/** What a view gets that has a whole screen. */
export interface Stage {
  readonly open: (onInput: (input: ScreenInput) => void) => Promise<Screen>;
  readonly color: boolean;
  readonly redact: (text: string) => string;
}

/** A live view with keys, where a screen is to be had: in place of what `run` yields. Ends when the person leaves it. */
export type Show<A extends ZodMiniType> = (args: A['_zod']['output'], context: CommandContext, stage: Stage) => Promise<void>;

export interface TextOptions {
  /** Width of the terminal in columns. */
  readonly columns: number;
  readonly color: boolean;
}

/** Renders the data of a command for a person; every string in it is already safe for a terminal. */
export type Text<D, A extends ZodMiniType = ZodMiniType> = (data: D, options: TextOptions, args: A['_zod']['output']) => string;

// biome-ignore lint/suspicious/noExplicitAny: the registry holds modules of many argument and data types; each module is checked against its own.
export interface CommandModule<A extends ZodMiniType = any, D = any, C = any> {
  readonly args: A;
  readonly run: Run<A, D, C>;
  readonly text: Text<D, A>;
  /** A live view that grows: each of its items is printed below the one before instead of in its place. */
  readonly live?: 'append';
  readonly show?: Show<A>;
  /** Secrets among the arguments: they are kept out of whatever is printed or stored from now on. */
  readonly secrets?: (args: A['_zod']['output']) => readonly string[];
}
