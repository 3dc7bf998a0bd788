/** The terminal of this process: its streams as commands see them, and what happens when nobody reads them any more. */
import { isatty } from 'node:tty';
import { askOn } from './cli/ask.js';
import type { AskOptions, Terminal } from './cli/terminal.js';
import { systemClock } from './core/clock.js';
import { exitCodes, McpctlError } from './core/errors.js';

export interface ProcessTerminal extends Terminal {
  /** The exit code when the reader of stdout went away or it could not be written; undefined while all is well. */
  readonly brokenCode: number | undefined;
  /** Resolves when everything written has been taken. */
  drained(): Promise<void>;
}

/** Lines for stderr that wait for the end of a view: the last ones are kept. */
const maxHeld = 200;

/** As a shell counts a process that SIGPIPE ended. */
const pipeCode = 141;

/** @param onBroken told once when stdout cannot be written any more: working on would be for nobody */
export function processTerminal(onBroken: () => void): ProcessTerminal {
  // stdin and stderr are made when something touches them, which takes a while: asked by number, they stay untouched.
  const { stdout, env } = process;
  let brokenCode: number | undefined;
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (brokenCode !== undefined) return;
    brokenCode = pipeCode;
    // A reader that went away (`| head`) is nothing to talk about. Anything else, a full disk for one, is.
    if (error.code !== 'EPIPE') {
      brokenCode = exitCodes.UNAVAILABLE;
      process.stderr.write(`error: Cannot write to stdout: ${error.message}\nhint: make room, or write somewhere else\n`);
    }
    onBroken();
  });
  const drained = (stream: NodeJS.WriteStream) =>
    new Promise<void>((resolve) => {
      if (brokenCode !== undefined || stream.writableLength === 0) resolve();
      else stream.write('', () => resolve());
    });
  let usesStderr = false;
  const stderr = () => {
    if (!usesStderr) process.stderr.on('error', () => {});
    usesStderr = true;
    return process.stderr;
  };
  let isRead = false;
  /** What stderr has to say on a terminal of which a view has the screen. */
  let held: string[] | undefined;
  const writeError = (text: string) => {
    if (brokenCode !== undefined) return;
    if (!held) stderr().write(text);
    else if (held.push(text) > maxHeld) held.shift();
  };
  return {
    get brokenCode() {
      return brokenCode;
    },
    drained: async () => {
      await Promise.all([drained(stdout), usesStderr && drained(stderr())]);
    },
    write: (text) =>
      new Promise((resolve) => {
        if (brokenCode !== undefined) resolve();
        else stdout.write(text, () => resolve());
      }),
    writeError,
    readInput: async () => {
      if (isatty(0))
        throw new McpctlError('USAGE', 'Nothing is piped into stdin', {
          hint: "for example: echo '{}' | mcpctl call server/tool --args -",
        });
      if (isRead) throw new McpctlError('USAGE', 'stdin can be read only once');
      isRead = true;
      const chunks: Buffer[] = [];
      for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks).toString('utf8');
    },
    stdoutIsTerminal: stdout.isTTY === true,
    stderrIsTerminal: isatty(2),
    colorAllowed: !env.NO_COLOR && env.TERM !== 'dumb',
    get columns() {
      return stdout.columns ?? 120;
    },
    // The question goes to stderr: stdout is the result.
    openUrl: async (url) => {
      const { openUrl } = await import('./io/open-url.js');
      return openUrl(url, { env, platform: process.platform });
    },
    ...(isatty(0) &&
      stdout.isTTY &&
      env.TERM !== 'dumb' && {
        openScreen: async (onInput, loan) => {
          const { TtyScreen } = await import('./io/screen.js');
          if (isatty(2)) held = [];
          const onClosed = () => {
            const lines = held ?? [];
            held = undefined;
            for (const line of lines) writeError(line);
          };
          return new TtyScreen({ stdin: process.stdin, stdout, process, clock: systemClock, onInput, onClosed, loan });
        },
      }),
    ...(isatty(0) &&
      isatty(2) && { ask: (question: string, options?: AskOptions) => askOn(process.stdin, process.stderr)(question, options) }),
  };
}
