/** The composition root: the one place that touches the process. Decides between REPL, batch and one-shot, and ends cleanly. */

import { EventEmitter } from 'node:events';
import { availableParallelism, homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { noteEvents } from './cli/event-notes.js';
import { type GlobalOptions, namesCommand, parse } from './cli/parse.js';
import { createProgress } from './cli/progress.js';
import { registry } from './cli/registry.js';
import { runCommand, type Session } from './cli/run.js';
import type { Terminal } from './cli/terminal.js';
import { loadConfig } from './config/load.js';
import { findPlaces } from './config/paths.js';
import { formatProblem } from './config/position.js';
import { systemClock, systemRandom } from './core/clock.js';
import { cancelled, type EndSignal, exitCodeFor, exitCodes, McpctlError, signalExitCodes } from './core/errors.js';
import { Redactor } from './core/redact.js';
import { sanitizeText } from './core/sanitize.js';
import { ProcessGroups } from './io/process-group.js';
import { Manager } from './manager/manager.js';
import { ServerMemories } from './state/server-memory.js';

declare const __MCPCTL_VERSION__: string;

/** How long the clean end of everything may take after a signal, in milliseconds. */
const endMs = 3000;

// A hundred servers may listen to one signal; Node would print a warning about it into our stderr.
EventEmitter.defaultMaxListeners = 0;

/** A second Ctrl-C within this many milliseconds does not wait for anything. */
const secondSignalMs = 2000;

const { argv, env, stdin, stdout, stderr } = process;
const words = argv.slice(2);
const clock = systemClock;
const redactor = new Redactor();
const interruption = new AbortController();
let manager: Manager | undefined;
let groups: ProcessGroups | undefined;
let isPipeBroken = false;
/** As a shell counts a process that SIGPIPE ended. */
let outputErrorCode = 141;

await run();

async function run(): Promise<void> {
  handleSignals();
  handleBugs();
  silenceLibraries();
  let code: number;
  try {
    code = await runFront();
  } finally {
    await close();
  }
  await Promise.all([drained(stdout), drained(stderr)]);
  // Explicit, so that a forgotten handle of a library cannot keep a finished command alive.
  process.exit(isPipeBroken ? outputErrorCode : code);
}

async function runFront(): Promise<number> {
  const { signal } = interruption;
  const json = env.MCPCTL_JSON === '1';
  const isAnswered = words.some((word) => ['--help', '-h', '--version', '-V'].includes(word));
  if (namesCommand(words) || isAnswered) return runCommand(words, newSession({ json }, false), signal);

  const globals = await parse(words, registry, 'shell').then(
    (parsed) => parsed.globals,
    () => undefined,
  );
  // Wrong flags are told the same way everywhere: by running into the same error.
  if (!globals) return runCommand(words, newSession({ json }, false), signal);
  const { quiet, verbose, noColor, keepGoing } = globals;
  const isTerminal = stdin.isTTY && stdout.isTTY;
  const base = newSession({ json: json || globals.json, quiet, verbose, noColor }, isTerminal);
  // The configuration is that of the command line; the lines cannot name another.
  const open = () => base.open(globals);
  const session: Session = { ...base, open };
  if (!isTerminal) {
    const { runBatch } = await import('./cli/batch.js');
    return runBatch({ input: stdin, session, keepGoing, signal });
  }
  const isDumb = env.TERM === 'dumb';
  if (!isDumb && !base.defaults.json && !quiet && globals.config.length === 0) {
    const { offerFirstServer } = await import('./cli/first-run.js');
    await offerFirstServer({ session, places: places(), env, stdin, stdout, signal });
  }
  const { runRepl } = await import('./cli/repl.js');
  const historyFile = join(places().stateDir, 'history');
  return runRepl({
    session,
    stdin,
    stdout,
    manager: open,
    historyFile,
    redactor,
    clock,
    signal,
    isDumb,
    version: __MCPCTL_VERSION__,
  });
}

function newSession(defaults: Session['defaults'], isRepl: boolean): Session {
  const terminal = processTerminal();
  let opened: ReturnType<Session['open']> | undefined;
  return {
    front: isRepl ? 'repl' : 'shell',
    terminal,
    redactor,
    cwd: process.cwd(),
    defaults,
    version: __MCPCTL_VERSION__,
    open: (globals) => (opened ??= openManager(globals, terminal, isRepl)),
    expireAfter: (ms, onExpire) => clock.after(ms, onExpire),
    progress: createProgress({ clock, redactor, terminal }),
  };
}

async function openManager(globals: GlobalOptions, terminal: Terminal, isRepl: boolean): ReturnType<Session['open']> {
  const { pid } = process;
  const config = await loadConfig({
    files: globals.config,
    cwd: process.cwd(),
    env,
    places: places(),
    cores: availableParallelism(),
    clock,
    pid,
  });
  for (const secret of config.secrets) redactor.add(secret);
  const note = (line: string) => {
    if (!globals.quiet && (!globals.json || globals.verbose)) terminal.writeError(`${redactor.redact(sanitizeText(line))}\n`);
  };
  // What is wrong with one server is told when that server is wanted; the REPL tells the rest in its own way.
  const warnings = isRepl ? [] : config.problems.filter(({ severity }) => severity === 'warning');
  for (const problem of warnings) note(`warning: ${formatProblem(problem)}`);
  const onWarning = (message: string) => manager?.events.emit({ type: 'warning', server: null, message });
  groups = new ProcessGroups({ clock, runtimeDir: config.places.runtimeDir, onWarning });
  manager = new Manager(config, {
    clock,
    random: systemRandom,
    groups,
    memories: new ServerMemories(config.places.stateDir, onWarning),
    env,
    pid,
    // A one-shot has nothing in flight when it ends: servers that linger would only cost time.
    stop: { stdinMs: isRepl ? 1000 : 50, termMs: 1000 },
    longLived: isRepl,
    clientVersion: __MCPCTL_VERSION__,
  });
  if (!isRepl) noteEvents(manager.events, { verbose: globals.verbose, note });
  return { config, manager };
}

function places() {
  return findPlaces(env, homedir(), tmpdir(), process.getuid?.());
}

/** Servers first, then what is left of processes; what an earlier mcpctl could not clean up is looked for on the way out. */
async function close(): Promise<void> {
  if (!groups) return;
  await Promise.allSettled([manager?.[Symbol.asyncDispose](), groups.sweepOrphans()]);
  await groups[Symbol.asyncDispose]();
}

function processTerminal(): Terminal {
  stdout.on('error', onOutputError);
  stderr.on('error', () => {});
  let isRead = false;
  return {
    write: (text) =>
      new Promise((resolve) => {
        if (isPipeBroken) resolve();
        else stdout.write(text, () => resolve());
      }),
    writeError: (text) => {
      if (!isPipeBroken) stderr.write(text);
    },
    readInput: async () => {
      if (stdin.isTTY)
        throw new McpctlError('USAGE', 'Nothing is piped into stdin', {
          hint: "for example: echo '{}' | mcpctl call server/tool --args -",
        });
      if (isRead) throw new McpctlError('USAGE', 'stdin can be read only once');
      isRead = true;
      const chunks: Buffer[] = [];
      for await (const chunk of stdin) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks).toString('utf8');
    },
    stdoutIsTerminal: stdout.isTTY === true,
    stderrIsTerminal: stderr.isTTY === true,
    colorAllowed: !env.NO_COLOR && env.TERM !== 'dumb',
    get columns() {
      return stdout.columns ?? 120;
    },
  };
}

/** The reader went away (`| head`): stop working for it, quietly. Anything else, a full disk for one, is told. */
function onOutputError(error: NodeJS.ErrnoException): void {
  if (isPipeBroken) return;
  isPipeBroken = true;
  if (error.code !== 'EPIPE') {
    outputErrorCode = exitCodes.UNAVAILABLE;
    stderr.write(`error: Cannot write to stdout: ${error.message}\nhint: make room, or write somewhere else\n`);
  }
  interruption.abort(cancelled('SIGTERM'));
}

function handleSignals(): void {
  let firstAt = Number.NEGATIVE_INFINITY;
  for (const name of Object.keys(signalExitCodes) as EndSignal[]) {
    process.on(name, () => {
      const now = clock.now();
      if (interruption.signal.aborted && name === 'SIGINT' && now - firstAt < secondSignalMs) process.exit(signalExitCodes[name]);
      firstAt = now;
      interruption.abort(cancelled(name));
      clock.after(endMs, () => process.exit(signalExitCodes[name]), { background: true });
    });
  }
  // Whatever way the process ends: no server outlives it.
  process.on('exit', () => groups?.killAllNow());
}

/** What nobody caught is a bug of ours: told without secrets, and nothing is left running. */
function handleBugs(): void {
  const onBug = (error: unknown) => {
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    stderr.write(`${redactor.redact(sanitizeText(`error: internal error, please report it\n${detail}`))}\n`);
    process.exit(exitCodeFor(error));
  };
  process.on('uncaughtException', onBug);
  process.on('unhandledRejection', onBug);
  // The end is always explicit, so this is an end without an answer.
  process.on('beforeExit', () => onBug(new Error('nothing is left to wait for, but the command is not done')));
}

/** The SDK reports odd servers on the console; that would mix their words, raw, into our output. */
function silenceLibraries(): void {
  const quiet = () => {};
  Object.assign(globalThis.console, { debug: quiet, log: quiet, info: quiet, warn: quiet, error: quiet });
}

function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (isPipeBroken || stream.writableLength === 0) resolve();
    else stream.write('', () => resolve());
  });
}
