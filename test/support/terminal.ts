/** Runs the real program under a pseudo-terminal, for what only a terminal shows: the REPL, Ctrl-C, completion, colour. */
import { stripVTControlCharacters } from 'node:util';
import { type IPty, spawn } from '@lydell/node-pty';
import { type CliOptions, cliPath } from './run-cli.js';
import { waitFor } from './wait-for.js';

export interface TerminalOptions extends CliOptions {
  readonly columns?: number;
  readonly rows?: number;
  /** Started in place of mcpctl, with `args`: a shell in which a test starts it. */
  readonly program?: string;
}

export interface Terminal extends AsyncDisposable {
  readonly pid: number;
  /** Everything written to the terminal so far, escape sequences included. */
  readonly raw: string;
  /** The same without them. */
  readonly text: string;
  /** Types: `'status\r'`, and the `keys` below. */
  type(keys: string): void;
  resize(columns: number, rows: number): void;
  /** Resolves once `pattern` is shown, counting only what was written after `after` characters of `text` (default: all). */
  waitFor(pattern: string | RegExp, options?: { after?: number; timeoutMs?: number }): Promise<void>;
  readonly exited: Promise<{ code: number; signal: number | undefined }>;
}

export const keys = { enter: '\r', tab: '\t', up: '\x1b[A', down: '\x1b[B', ctrlC: '\x03', ctrlD: '\x04' } as const;

/** Starts `mcpctl` on a terminal of 100 × 30. Disposing hangs up, as closing a window does, and kills after 5 s. */
export function startTerminal(args: readonly string[], options: TerminalOptions): Terminal {
  const { home, env = {}, cwd = home.projectDir, columns = 100, rows = 30, program } = options;
  const buildError = process.env.MCPCTL_TEST_BUILD_ERROR;
  if (buildError) throw new Error(`dist/ is not up to date, because the build failed:\n${buildError}`);
  const [file, words] = program === undefined ? [process.execPath, [cliPath, ...args]] : [program, [...args]];
  const pty: IPty = spawn(file, words, {
    // It becomes TERM.
    name: env.TERM ?? 'xterm-256color',
    cols: columns,
    rows,
    cwd,
    env: Object.fromEntries(Object.entries({ ...home.env, ...env }).filter(([, value]) => value !== undefined)) as Record<
      string,
      string
    >,
  });
  let raw = '';
  let isRunning = true;
  pty.onData((data) => {
    raw += data;
  });
  const exited = new Promise<{ code: number; signal: number | undefined }>((resolve) => {
    pty.onExit(({ exitCode, signal }) => {
      isRunning = false;
      resolve({ code: exitCode, signal: signal || undefined });
    });
  });
  const text = () => stripVTControlCharacters(raw);

  return {
    pid: pty.pid,
    get raw() {
      return raw;
    },
    get text() {
      return text();
    },
    type: (input) => pty.write(input),
    resize: (newColumns, newRows) => pty.resize(newColumns, newRows),
    waitFor: async (pattern, { after = 0, timeoutMs = 10_000 } = {}) => {
      const shown = () => {
        const recent = text().slice(after);
        return typeof pattern === 'string' ? recent.includes(pattern) : pattern.test(recent);
      };
      await waitFor(() => shown() || !isRunning, { timeoutMs, what: () => `${pattern} on the terminal:\n${text()}` });
      if (!shown()) throw new Error(`mcpctl ended without ${pattern} on the terminal:\n${text()}`);
    },
    exited,
    [Symbol.asyncDispose]: async () => {
      if (!isRunning) return;
      pty.kill('SIGHUP');
      const timer = setTimeout(() => pty.kill('SIGKILL'), 5_000);
      await exited;
      clearTimeout(timer);
    },
  };
}
