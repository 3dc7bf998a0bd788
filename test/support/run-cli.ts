/** Runs the real program, `node bin/mcpctl.js`, in the home of a test: to its end (`runCli`) or for as long as a test talks to it (`startCli`). */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { TempHome } from './temp-home.js';
import { waitFor } from './wait-for.js';

/** The program under test; `MCPCTL_TEST_BIN` points the same tests at an installed package. */
export const cliPath = process.env.MCPCTL_TEST_BIN ?? fileURLToPath(new URL('../../bin/mcpctl.js', import.meta.url));

export interface CliOptions {
  readonly home: TempHome;
  /** Added to the environment of the home; `undefined` removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Default: the empty project folder of the home. */
  readonly cwd?: string;
  /** How many files it may hold open (`ulimit -n`, hard and soft); default: as many as this process. */
  readonly openFiles?: number;
}

export interface RunOptions extends CliOptions {
  /** Written to stdin, which is then closed (default: nothing, closed at once). */
  readonly input?: string;
  /** The program is killed and the test fails after this long (default 15 000). */
  readonly timeoutMs?: number;
}

export interface CliResult {
  readonly stdout: string;
  readonly stderr: string;
  /** The exit code; `null` when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** From spawn to exit. */
  readonly ms: number;
}

export interface RunningCli extends AsyncDisposable {
  readonly pid: number;
  /** What it printed so far. */
  readonly stdout: string;
  readonly stderr: string;
  write(text: string): void;
  /** Closes its stdin. */
  end(text?: string): void;
  /** Sends a signal to the program alone, not to its group. */
  kill(signal: NodeJS.Signals): void;
  /** Resolves with the text so far once `pattern` appears in it (default stream: stdout). */
  waitForOutput(pattern: string | RegExp, options?: { stream?: 'stdout' | 'stderr'; timeoutMs?: number }): Promise<string>;
  /** Resolves when the process has ended and its output is complete. */
  readonly exited: Promise<CliResult>;
}

/** Runs one command to its end. Any exit code is a result; only a run over `timeoutMs` throws. */
export async function runCli(
  args: readonly string[],
  { input = '', timeoutMs = 15_000, ...options }: RunOptions,
): Promise<CliResult> {
  const cli = startCli(args, options);
  cli.end(input);
  const tooLong = Symbol();
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<typeof tooLong>((resolve) => {
    timer = setTimeout(() => resolve(tooLong), timeoutMs);
  });
  const result = await Promise.race([cli.exited, limit]);
  clearTimeout(timer);
  if (result !== tooLong) return result;
  cli.kill('SIGKILL');
  throw new Error(`mcpctl ${args.join(' ')} did not end within ${timeoutMs} ms\nstdout: ${cli.stdout}\nstderr: ${cli.stderr}`);
}

/** Starts the program and returns while it runs. Disposing ends it: SIGTERM, after 5 s SIGKILL. */
export function startCli(args: readonly string[], { home, env = {}, cwd = home.projectDir, openFiles }: CliOptions): RunningCli {
  const buildError = process.env.MCPCTL_TEST_BUILD_ERROR;
  if (buildError) throw new Error(`dist/ is not up to date, because the build failed:\n${buildError}`);
  const startMs = performance.now();
  const [command, ...prefix] =
    openFiles === undefined
      ? [process.execPath]
      : (['/bin/sh', '-c', `ulimit -n ${openFiles} && exec "$0" "$@"`, process.execPath] as const);
  const child: ChildProcessWithoutNullStreams = spawn(command, [...prefix, cliPath, ...args], {
    cwd,
    env: Object.fromEntries(Object.entries({ ...home.env, ...env }).filter(([, value]) => value !== undefined)),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  // A program that ends without reading its input is no error of the test.
  child.stdin.on('error', () => {});

  let endMs = 0;
  let closed = false;
  child.once('exit', () => {
    endMs = performance.now();
  });
  const exited = new Promise<CliResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      closed = true;
      resolve({ stdout, stderr, code, signal, ms: endMs - startMs });
    });
  });
  exited.catch(() => {}); // whoever awaits it sees the error; nobody awaiting it is fine
  const isRunning = () => child.exitCode === null && child.signalCode === null;

  return {
    pid: child.pid ?? -1,
    get stdout() {
      return stdout;
    },
    get stderr() {
      return stderr;
    },
    write: (text) => void child.stdin.write(text),
    end: (text = '') => void child.stdin.end(text),
    kill: (signal) => void child.kill(signal),
    waitForOutput: async (pattern, { stream = 'stdout', timeoutMs = 10_000 } = {}) => {
      const text = () => (stream === 'stdout' ? stdout : stderr);
      const shown = () => (typeof pattern === 'string' ? text().includes(pattern) : pattern.test(text()));
      const what = () => `${pattern} on ${stream}\nstdout: ${stdout}\nstderr: ${stderr}`;
      await waitFor(() => shown() || closed, { timeoutMs, what });
      if (!shown()) throw new Error(`mcpctl ended without ${what()}`);
      return text();
    },
    exited,
    [Symbol.asyncDispose]: async () => {
      if (child.pid === undefined || !isRunning()) return;
      // Not `exited`: a server that holds our end of a pipe open must not hang the test that will report it.
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await ended;
      clearTimeout(timer);
    },
  };
}
