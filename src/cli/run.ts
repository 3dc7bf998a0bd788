/** One command from words to exit code, the same for the REPL, a batch line and a one-shot: every cross-cutting wish is a step here. */

import { formatProblem } from '../config/position.js';
import type { Config, ConfigProblem } from '../config/schema.js';
import { formatDuration } from '../core/duration.js';
import { exitCodeFor, McpctlError, toMcpctlError } from '../core/errors.js';
import type { Redactor } from '../core/redact.js';
import { sanitizeData, sanitizeText, toSafeJson } from '../core/sanitize.js';
import type { TraceContext } from '../core/tracing.js';
import type { Manager } from '../manager/manager.js';
import type { Observation } from '../observe/observation.js';
import type { CommandContext, CommandModule, CommandSpec, Host, HostContext, Outcome } from './command.js';
import { absolutePaths, resolveInput, secretsOf } from './input.js';
import { type GlobalOptions, type Parsed, parse } from './parse.js';
import { registry } from './registry.js';
import type { Terminal } from './terminal.js';
import { tracedCommand } from './traced-command.js';

/** What a front end lends to the commands it runs. */
export interface Session {
  readonly front: 'shell' | 'repl';
  /** Somebody sits at a prompt; false for commands of a shell and of a script. */
  readonly atPrompt: boolean;
  readonly terminal: Terminal;
  readonly redactor: Redactor;
  /** Relative paths of arguments start here. */
  readonly cwd: string;
  /** Flags given to the process, for every command of the session. */
  readonly defaults: Partial<Pick<GlobalOptions, 'json' | 'quiet' | 'verbose' | 'noColor'>>;
  readonly version: string;
  /** The trace that whoever runs a command belongs to; undefined = that of the process, if any. */
  readonly trace?: TraceContext | undefined;
  /** Reads the configuration and builds the manager, once. */
  open(globals: GlobalOptions, stays?: boolean): Promise<{ config: Config; manager: Manager; observation: Observation }>;
  /** The process and its managers, for `up` and `down`. */
  host(globals: GlobalOptions): Host;
  /** Runs a command in the manager that this session is attached to; undefined when it has to run here after all. */
  remote?(words: readonly string[], session: Session, signal: AbortSignal, where: string): Promise<number | undefined>;
  /** Bounds a command as a whole; returns the function that ends the bound. */
  expireAfter(ms: number, onExpire: () => void): () => void;
  /** Shows that something takes long; called when a command starts, ended by the returned function. */
  progress?(spec: CommandSpec, manager: Manager, options: GlobalOptions): () => void;
}

/** Runs one command line. Prints the result or the error, and returns the exit code; never throws. */
export async function runCommand(words: readonly string[], session: Session, signal: AbortSignal, where = ''): Promise<number> {
  let globals: GlobalOptions = { ...noGlobals, json: session.defaults.json === true || words.includes('--json') };
  try {
    const parsed = await parse(words, registry, session.front);
    globals = withDefaults(parsed.globals, session);
    const isHere = parsed.kind !== 'command' || parsed.spec.here || parsed.spec.host;
    const code = isHere ? undefined : await session.remote?.(words, session, signal, where);
    if (code !== undefined) return code;
    return await execute(parsed, globals, session, signal, where);
  } catch (error) {
    printError(error, globals, session, where);
    return exitCodeFor(error);
  }
}

/** Prints an error to stderr: `error: …`, `hint: …`, or with `--json` one document. */
export function printError(error: unknown, globals: Pick<GlobalOptions, 'json' | 'verbose'>, session: Session, where = ''): void {
  const known = toMcpctlError(error);
  const { terminal, redactor } = session;
  if (globals.json) {
    const { code, message, hint, server, details } = known;
    const document = {
      error: {
        code,
        message: where + message,
        hint: hint ?? null,
        ...(server ? { server } : {}),
        ...(details ? { details } : {}),
      },
    };
    terminal.writeError(`${redactor.redact(toSafeJson(document))}\n`);
    return;
  }
  const lines = [`error: ${where}${known.message}`];
  const stderr = known.details?.stderr;
  if (Array.isArray(stderr)) lines.push(...stderr.map((line) => `  stderr: ${String(line)}`));
  lines.push(...furtherProblems(known));
  if (known.hint) lines.push(`hint: ${known.hint}`);
  if (globals.verbose && known.details?.callId !== undefined) {
    const callId = String(known.details.callId);
    lines.push(`call: ${callId} (mcpctl logs --call ${callId})`);
  }
  if (globals.verbose && (known.code === 'INTERNAL' || known.cause)) lines.push(stackOf(known));
  terminal.writeError(`${redactor.redact(sanitizeText(lines.join('\n')))}\n`);
}

const maxProblems = 20;

/** What else is wrong with the configuration: the first problem is the error's message. */
function furtherProblems({ code, details }: McpctlError): string[] {
  if (code !== 'CONFIG_INVALID' || !Array.isArray(details?.problems)) return [];
  const errors = (details.problems as ConfigProblem[]).filter(({ severity }) => severity === 'error').slice(1);
  const lines = errors.slice(0, maxProblems).map((problem) => `  also: ${formatProblem(problem)}`);
  return errors.length > maxProblems ? [...lines, `  … and ${errors.length - maxProblems} more`] : lines;
}

const dayMs = 24 * 60 * 60 * 1000;

const noGlobals: GlobalOptions = {
  json: false,
  config: [],
  preset: undefined,
  timeoutMs: undefined,
  quiet: false,
  verbose: false,
  noColor: false,
  noAttach: false,
  keepGoing: false,
};

function withDefaults(globals: GlobalOptions, { defaults, front }: Session): GlobalOptions {
  if (front === 'repl' && (globals.config.length > 0 || globals.preset)) {
    const flag = globals.preset ? `--preset ${globals.preset}` : '-c <file>';
    throw new McpctlError('USAGE', 'The configuration cannot be changed in a running session', {
      hint: `leave with /exit and start mcpctl ${flag}`,
    });
  }
  return {
    ...globals,
    json: globals.json || (defaults.json ?? false),
    quiet: globals.quiet || (defaults.quiet ?? false),
    verbose: globals.verbose || (defaults.verbose ?? false),
    noColor: globals.noColor || (defaults.noColor ?? false),
  };
}

async function execute(
  parsed: Parsed,
  globals: GlobalOptions,
  session: Session,
  signal: AbortSignal,
  where: string,
): Promise<number> {
  if (parsed.kind === 'version') {
    await session.terminal.write(globals.json ? `${toSafeJson({ version: session.version })}\n` : `${session.version}\n`);
    return 0;
  }
  if (parsed.kind !== 'command') {
    const { explain } = await import('./help.js');
    const data = explain(parsed.kind === 'help' ? parsed.topic : undefined, registry, session.front);
    await session.terminal.write(globals.json ? `${toSafeJson(data, 2)}\n` : `${data.help}\n`);
    return 0;
  }
  const { spec } = parsed;
  if (!spec.load) return 0;
  // The module and the configuration are read side by side: a cold call is bound by its slowest part.
  const opening = spec.host ? undefined : session.open(globals, spec.stays);
  opening?.catch(() => {});
  const module = await spec.load();
  const args = validate(spec, module, await readInputs(spec, parsed.input, session));
  for (const secret of module.secrets?.(args) ?? []) session.redactor.add(secret);
  const opened = await opening;
  await using bound = bounded(spec, globals, session, signal);
  const endProgress = opened && !globals.quiet ? session.progress?.(spec, opened.manager, globals) : undefined;
  const base = baseContext(globals, session, bound.signal, () => endProgress?.());
  const context: CommandContext | HostContext = opened
    ? {
        ...base,
        manager: opened.manager,
        config: opened.manager.config,
        observation: opened.observation,
        atPrompt: session.atPrompt,
        readInput: () => session.terminal.readInput(),
        ...(session.terminal.openUrl && { openUrl: session.terminal.openUrl }),
      }
    : { ...base, host: session.host(globals) };
  const show = (outcome: Outcome<unknown>, live: boolean) => print(outcome, args, module, globals, session, live);
  try {
    const { openScreen } = session.terminal;
    if (module.show && openScreen && !globals.json) {
      bound.live();
      endProgress?.();
      const stage = {
        open: openScreen,
        color: hasColor(globals, session),
        redact: (text: string) => session.redactor.redact(text),
      };
      return await viewed(module.show(args, context as CommandContext, stage), true);
    }
    const result = tracedCommand(spec, opened?.manager.tracer, session.trace, () => module.run(args, context));
    if (Symbol.asyncIterator in result) {
      bound.live();
      // Nobody knows when the next line comes, or whether one does.
      if (module.live === 'append') endProgress?.();
      const all = async () => {
        for await (const data of result) {
          endProgress?.();
          await show({ data }, true);
        }
      };
      return await viewed(all(), false);
    }
    const outcome: Outcome<unknown> = await bound.race(result);
    endProgress?.();
    await show(outcome, false);
    if (!outcome.error) return 0;
    printError(outcome.error, globals, session, where);
    return exitCodeFor(outcome.error);
  } finally {
    endProgress?.();
  }
}

/** The way to leave a view that has no end of its own is no failure to be told. That the manager went from under a screen is one. */
async function viewed(view: Promise<void>, isScreen: boolean): Promise<number> {
  try {
    await view;
    return 0;
  } catch (error) {
    if (!(error instanceof McpctlError) || error.code !== 'CANCELLED') throw error;
    if (!isScreen || error.details?.by !== 'manager') return exitCodeFor(error);
    throw new McpctlError('UNAVAILABLE', 'The manager has ended', { cause: error, hint: 'mcpctl up starts it again' });
  }
}

/** `--args -` is stdin, `--args @file` a file; `key=@file` is resolved by the call itself, which knows its words. */
async function readInputs(
  spec: CommandSpec,
  input: Readonly<Record<string, unknown>>,
  session: Session,
): Promise<Record<string, unknown>> {
  if (!spec.positionals.some(({ complete }) => complete === 'tool-argument')) return absolutePaths(spec, input, session.cwd);
  const resolved = await resolveInput(input, { cwd: session.cwd, readInput: () => session.terminal.readInput() });
  for (const secret of secretsOf(resolved)) session.redactor.add(secret);
  return resolved;
}

function validate(spec: CommandSpec, module: CommandModule, input: Record<string, unknown>): unknown {
  const checked = module.args.safeParse(input);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0];
  const path = issue?.path.join('.') ?? '';
  throw new McpctlError('USAGE', `${path || spec.name}: ${issue?.message ?? 'invalid'}`, { hint: `mcpctl ${spec.name} --help` });
}

/** The caller's signal, and the overall `--timeout` for commands that do not deal with it themselves. */
function bounded(spec: CommandSpec, { timeoutMs }: GlobalOptions, session: Session, signal: AbortSignal) {
  const own = spec.flags.some(({ name }) => name === 'timeout');
  const controller = new AbortController();
  const onAbort = () => controller.abort(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  const onExpire = () =>
    controller.abort(
      new McpctlError('TIMEOUT', `${spec.name}: not done within ${formatDuration(timeoutMs ?? 0)}`, {
        hint: 'give it longer with --timeout',
        details: { timeoutMs },
      }),
    );
  const start = () => (timeoutMs === undefined ? undefined : session.expireAfter(timeoutMs, onExpire));
  let endBound = own ? undefined : start();
  return {
    signal: controller.signal,
    /** A view has no end of its own: `--timeout` always bounds it, and it lives on while nothing happens and nothing else holds the process. */
    live(): void {
      const hold = () => {
        endBound = session.expireAfter(dayMs, hold);
      };
      endBound ??= start();
      if (!endBound) hold();
    },
    /** Ends with the signal even when the command does not listen to it. */
    race<T>(work: Promise<T>): Promise<T> {
      return new Promise((resolve, reject) => {
        const onEnd = () => reject(controller.signal.reason);
        if (controller.signal.aborted) onEnd();
        controller.signal.addEventListener('abort', onEnd, { once: true });
        work.then(resolve, reject).finally(() => controller.signal.removeEventListener('abort', onEnd));
      });
    },
    async [Symbol.asyncDispose]() {
      signal.removeEventListener('abort', onAbort);
      endBound?.();
    },
  };
}

function baseContext(
  globals: GlobalOptions,
  { terminal, redactor }: Session,
  signal: AbortSignal,
  endProgress: () => void,
): Pick<CommandContext, 'signal' | 'note' | 'ask'> {
  const asking = globals.json ? undefined : terminal.ask;
  // What a person reads, or types, is not spun over.
  const ask: typeof asking =
    asking &&
    ((question, options) => {
      endProgress();
      return asking(question, options);
    });
  const note = (text: string, { isPrompt = false, isNeeded = false } = {}) => {
    // A script that reads JSON reads stderr for the error document.
    const isLeftOut = isPrompt ? globals.json || (globals.quiet && !ask) : globals.quiet || (globals.json && !globals.verbose);
    if (isLeftOut && !isNeeded) return;
    if (isPrompt || isNeeded) endProgress();
    const safe = sanitizeText(text);
    terminal.writeError(`${isPrompt || isNeeded ? safe : redactor.redact(safe)}\n`);
  };
  return { signal, note, ...(ask ? { ask } : {}) };
}

async function print(
  { data, verbatim = false }: Outcome<unknown>,
  args: unknown,
  module: CommandModule,
  globals: GlobalOptions,
  session: Session,
  live: boolean,
): Promise<void> {
  const { terminal, redactor } = session;
  const masked = <T>(shown: T) => (verbatim ? shown : redactor.redactData(shown));
  if (globals.json) return terminal.write(`${toSafeJson(masked(data), live ? 0 : 2)}\n`);
  const color = hasColor(globals, session);
  // Masked after it was made harmless, since without an escape sequence in its middle a secret is whole again; then as a text, which has
  // the names of fields too, before which values were cut to the width.
  const text = masked(module.text(masked(sanitizeData(data)), { columns: terminal.columns, color }, args));
  if (text === '') return;
  const clear = live && module.live !== 'append' && terminal.stdoutIsTerminal ? '\x1b[2J\x1b[H' : '';
  return terminal.write(`${clear}${text.endsWith('\n') ? text : `${text}\n`}`);
}

function hasColor({ noColor }: GlobalOptions, { terminal }: Session): boolean {
  return terminal.stdoutIsTerminal && terminal.colorAllowed && !noColor;
}

function stackOf(error: Error): string {
  const causes: string[] = [];
  for (let current: unknown = error; current instanceof Error && causes.length < 5; current = current.cause)
    causes.push(current.stack ?? String(current));
  return causes.join('\ncaused by: ');
}
