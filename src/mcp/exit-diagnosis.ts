/** Turns the end of a server into an error a person can act on: how it ended, what it said last, what to try. */
import type { Delivered } from '../core/errors.js';
import { McpctlError } from '../core/errors.js';

export interface ExitEvidence {
  readonly server: string;
  readonly command: string;
  /** `null`: it still ran when its output or input was found closed. */
  readonly exit: { readonly code: number | null; readonly signal: string | null } | null;
  /** The last lines of its stderr, raw. */
  readonly stderr: readonly string[];
  /** The first line on stdout that was no message, and how many there were. */
  readonly firstJunk: string | null;
  readonly junkLines: number;
  readonly messages: number;
  readonly delivered: Delivered;
  readonly cause?: unknown;
}

/** Typical last words, and what they mean. Searched in the last stderr lines; plain patterns without nested repetition. */
const lastWords: readonly (readonly [pattern: RegExp, advice: (match: RegExpExecArray, evidence: ExitEvidence) => string])[] = [
  [/npm (?:error|ERR!) code E404/, () => 'npm does not know this package: check its name in "args"'],
  [
    /npm (?:error|ERR!) code (ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|ECONNRESET|ENETUNREACH)/,
    (match) => `npm could not reach its registry (${match[1]}): check the network, or install the package and run it without npx`,
  ],
  [
    /Cannot find (?:module|package) '([^']{1,200})'/,
    (match) => `Node.js misses ${match[1]}: install it, or correct the path in "args"`,
  ],
  [
    /No module named '?([\w.]{1,100})/,
    (match) => `Python misses the module ${match[1]}: install it in the environment of this server`,
  ],
  [/Cannot connect to the Docker daemon/, () => 'start Docker first'],
  [/EADDRINUSE/, () => 'the port it wants is taken: stop the other program, or change the port in "args"'],
  [/(?:heap out of memory|Cannot allocate memory|MemoryError)/, () => 'it ran out of memory'],
  [
    /(?:command )?not found|No such file or directory/,
    (_, { command }) => `something ${command} needs is not installed or not in PATH`,
  ],
];

/** @returns `SERVER_EXITED`; `details` has `exitCode`, `signal`, `stderr` and, when it printed text to stdout, `stdout`. */
export function serverExited(evidence: ExitEvidence): McpctlError {
  const { server, exit, stderr, firstJunk, delivered, cause } = evidence;
  return new McpctlError('SERVER_EXITED', `Server "${server}" ${howItEnded(evidence)}`, {
    cause,
    server,
    delivered,
    hint: hintFor(evidence),
    details: {
      exitCode: exit?.code ?? null,
      signal: exit?.signal ?? null,
      stderr,
      ...(firstJunk === null ? {} : { stdout: firstJunk }),
    },
  });
}

function howItEnded({ exit, messages }: ExitEvidence): string {
  const when = messages === 0 ? ' before it answered anything' : '';
  if (exit === null) return `closed its connection${when}`;
  if (exit.signal !== null) return `was ended by ${exit.signal}${when}`;
  return `exited with code ${exit.code}${when}`;
}

function hintFor(evidence: ExitEvidence): string {
  const { server, exit, stderr, firstJunk, messages } = evidence;
  const advice: string[] = [];
  const text = stderr.join('\n');
  for (const [pattern, advise] of lastWords) {
    const match = pattern.exec(text);
    if (match) {
      advice.push(advise(match, evidence));
      break;
    }
  }
  if (advice.length === 0) {
    if (exit?.code === 127) advice.push('a command it starts was not found: check "command", "args" and PATH');
    else if (exit?.code === 126) advice.push('a file it starts is not executable');
    else if (exit?.signal === 'SIGKILL') advice.push('something killed it, often the system when memory runs out');
    else if (firstJunk !== null && messages === 0)
      advice.push('it printed text instead of MCP messages: check that this command starts an MCP server on stdio');
  }
  if (stderr.length === 0) advice.push('it wrote nothing to stderr');
  return `${advice.join('; ')}${advice.length > 0 ? '; then: ' : ''}mcpctl reconnect ${server}`;
}
