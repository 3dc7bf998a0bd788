/** The composition root: the one place that touches the process. Decides between REPL, batch and one-shot, and ends cleanly. */

import { EventEmitter } from 'node:events';
import { availableParallelism, homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Session } from './cli/run.js';
import type { Terminal } from './cli/terminal.js';
import { findPlaces } from './config/paths.js';
import { systemClock, systemRandom } from './core/clock.js';
import { cancelled, type EndSignal, exitCodeFor, exitCodes, McpctlError, signalExitCodes } from './core/errors.js';
import { Redactor } from './core/redact.js';
import { sanitizeText } from './core/sanitize.js';
import type { ProcessGroups as Groups } from './io/process-group.js';
import type { Manager as TheManager } from './manager/manager.js';

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
let manager: TheManager | undefined;
let groups: Groups | undefined;
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
  // Words are mostly a command; then this is what it will wait for.
  if (words[0] !== undefined && !words.includes('--help')) loadParts().catch(() => {});
  const [{ namesCommand, parse }, { runCommand }] = await Promise.all([import('./cli/parse.js'), import('./cli/run.js')]);
  const { signal } = interruption;
  const isJson = env.MCPCTL_JSON === '1';
  const isDirect = namesCommand(words) || words.some((word) => ['--help', '-h', '--version', '-V'].includes(word));
  if (isDirect) return runCommand(words, await newSession({ json: isJson || undefined }, false), signal);

  const { registry } = await import('./cli/registry.js');
  const fallback = await newSession({ json: isJson || undefined }, false);
  const parsed = await parse(words, registry, 'shell').catch((error: unknown) => error);
  // Wrong flags are told the same way everywhere: by running into the same error.
  if (parsed instanceof Error) return runCommand(words, fallback, signal);
  const { globals } = parsed as Exclude<Awaited<ReturnType<typeof parse>>, Error>;
  const defaults = { json: globals.json || isJson, quiet: globals.quiet, verbose: globals.verbose, noColor: globals.noColor };
  const isTerminal = stdin.isTTY && stdout.isTTY;
  const session = await newSession(defaults, isTerminal);
  const open = () => session.open(globals);
  const withConfig: Session = { ...session, open };
  if (!isTerminal) {
    const { runBatch } = await import('./cli/batch.js');
    return runBatch({ input: stdin, session: withConfig, keepGoing: globals.keepGoing, signal });
  }
  const { runRepl } = await import('./cli/repl.js');
  const historyFile = join(places().stateDir, 'history');
  return runRepl({
    session: withConfig,
    isDumb: env.TERM === 'dumb',
    stdin,
    stdout,
    manager: open,
    historyFile,
    redactor,
    clock,
    signal,
    version: __MCPCTL_VERSION__,
  });
}

async function newSession(
  defaults: { [K in keyof Session['defaults']]?: Session['defaults'][K] | undefined },
  isRepl: boolean,
): Promise<Session> {
  const { createProgress } = await import('./cli/progress.js');
  const terminal = processTerminal();
  let opened: ReturnType<Session['open']> | undefined;
  return {
    front: isRepl ? 'repl' : 'shell',
    terminal,
    redactor,
    cwd: process.cwd(),
    defaults: Object.fromEntries(Object.entries(defaults).filter(([, value]) => value !== undefined)),
    version: __MCPCTL_VERSION__,
    open: (globals) => (opened ??= openManager(globals, terminal, isRepl)),
    expireAfter: (ms, onExpire) => clock.after(ms, onExpire),
    progress: createProgress({ clock, redactor, terminal }),
  };
}

let parts: ReturnType<typeof importParts> | undefined;

/** Everything a manager is made of; begun as soon as it is clear that one is needed, so that the files are read side by side. */
function loadParts() {
  parts ??= importParts();
  return parts;
}

async function importParts() {
  const modules = await Promise.all([
    import('./config/load.js'),
    import('./config/position.js'),
    import('./manager/manager.js'),
    import('./io/process-group.js'),
    import('./state/server-memory.js'),
  ]);
  const [{ loadConfig }, { formatProblem }, { Manager }, { ProcessGroups }, { ServerMemories }] = modules;
  return { loadConfig, formatProblem, Manager, ProcessGroups, ServerMemories };
}

async function openManager(
  globals: Parameters<Session['open']>[0],
  terminal: Terminal,
  isRepl: boolean,
): ReturnType<Session['open']> {
  const { loadConfig, formatProblem, Manager, ProcessGroups, ServerMemories } = await loadParts();
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
  if (!isRepl) {
    const { noteEvents } = await import('./cli/event-notes.js');
    noteEvents(manager.events, { verbose: globals.verbose, note });
  }
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
    process.exit(exitCodeFor(error) === signalExitCodes.SIGINT ? signalExitCodes.SIGINT : 1);
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
