/** Commands from a script: one a line, in order, each error with its line number, the exit code of the first failure. */

import { exitCodeFor, McpctlError, rootMessage } from '../core/errors.js';
import { replSession, sessionCommand } from './repl-session.js';
import { printError, runCommand, type Session } from './run.js';
import { tokenize } from './tokenize.js';

export interface BatchOptions {
  readonly input: AsyncIterable<string | Buffer>;
  readonly session: Session;
  /** Go on after a failed line; the exit code is still that of the first failure. */
  readonly keepGoing: boolean;
  readonly signal: AbortSignal;
}

/** A longer line is no command: one that large goes into a file and is given as `--args @file`. */
export const maxLineBytes = 1024 ** 2;

/** Runs the lines of `input`. Reads no further than it has run, so that a script may be written while it runs. */
export async function runBatch({ input, session: base, keepGoing, signal }: BatchOptions): Promise<number> {
  const session = replSession(base, { readInput: () => Promise.reject(stdinIsScript()) }, { atPrompt: false });
  let firstFailure = 0;
  const lines = readLines(input, signal);
  try {
    for (let number = 1; ; number++) {
      const next = await lines.next().catch((error: unknown) => {
        throw new McpctlError('USAGE', `Cannot read stdin: ${rootMessage(error)}`, {
          cause: error,
          hint: 'mcpctl --help for other ways in',
        });
      });
      if (next.done || signal.aborted) break;
      const code = await runLine(next.value, session, signal, `line ${number}: `);
      if (code === 'exit') break;
      if (code === 0) continue;
      firstFailure ||= code;
      if (!keepGoing) break;
    }
  } catch (error) {
    printError(error, errorFormat(session), session);
    return firstFailure || exitCodeFor(error);
  } finally {
    await lines.return(undefined);
  }
  // The signal that ended the script decides, unless the command it met already did.
  return firstFailure || (signal.aborted ? exitCodeFor(signal.reason) : 0);
}

async function runLine(line: Line, session: Session, signal: AbortSignal, where: string): Promise<number | 'exit'> {
  try {
    if (line.tooLong) throw tooLongError();
    const words = tokenize(line.text);
    if (words.length === 0) return 0;
    const own = await sessionCommand(words);
    if (own) return own.name === 'exit' ? 'exit' : 0;
    return await runCommand(words, session, signal, where);
  } catch (error) {
    printError(error, errorFormat(session), session, where);
    return exitCodeFor(error);
  }
}

function errorFormat({ defaults }: Session): { json: boolean; verbose: boolean } {
  return { json: defaults.json ?? false, verbose: defaults.verbose ?? false };
}

interface Line {
  readonly text: string;
  readonly tooLong: boolean;
}

const newline = 0x0a;

/**
 * The lines of a stream of bytes; the last one needs no newline. Invalid UTF-8 becomes U+FFFD. At most `maxLineBytes` of a line are
 * kept. Ends when `signal` is aborted, also while it waits for input.
 */
async function* readLines(input: AsyncIterable<string | Buffer>, signal: AbortSignal): AsyncGenerator<Line, void, undefined> {
  const decoder = new TextDecoder();
  let kept: Buffer[] = [];
  let keptBytes = 0;
  let tooLong = false;
  const keep = (bytes: Buffer) => {
    tooLong ||= keptBytes + bytes.length > maxLineBytes;
    if (tooLong) kept = [];
    else if (bytes.length > 0) kept.push(bytes);
    keptBytes += bytes.length;
  };
  const take = (): Line => {
    const line = { text: decoder.decode(Buffer.concat(kept)), tooLong };
    [kept, keptBytes, tooLong] = [[], 0, false];
    return line;
  };
  for await (const chunk of untilAborted(input, signal)) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    let from = 0;
    for (let at = bytes.indexOf(newline); at !== -1; at = bytes.indexOf(newline, from)) {
      keep(bytes.subarray(from, at));
      from = at + 1;
      yield take();
    }
    keep(bytes.subarray(from));
  }
  if (keptBytes > 0 && !signal.aborted) yield take();
}

async function* untilAborted<T>(input: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T, void, undefined> {
  const source = input[Symbol.asyncIterator]();
  let onAbort: () => void = () => {};
  const aborted = new Promise<undefined>((resolve) => {
    onAbort = () => resolve(undefined);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    while (!signal.aborted) {
      const reading = source.next();
      // It may fail after nobody waits for it any more.
      reading.catch(() => {});
      const next = await Promise.race([reading, aborted]);
      if (next === undefined || next.done) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    // Not awaited: a stream that waits for input lets go only when that comes.
    source.return?.()?.then(undefined, () => {});
  }
}

function stdinIsScript(): McpctlError {
  return new McpctlError('USAGE', 'stdin is the script that is being run', { hint: 'give the input as a file: --args @file' });
}

function tooLongError(): McpctlError {
  return new McpctlError('USAGE', `The line is longer than ${maxLineBytes / 1024 ** 2} MiB`, {
    hint: 'put large input into a file: --args @file or key=@file',
    details: { maxBytes: maxLineBytes },
  });
}
