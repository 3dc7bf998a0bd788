/** Says why a command could not be started: what was missing, where it was looked for, what to change. */
import { constants } from 'node:fs';
import { access, open, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { McpctlError } from '../core/errors.js';

export interface SpawnAttempt {
  readonly command: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

type Reason =
  | 'command-not-found'
  | 'cwd-not-found'
  | 'not-executable'
  | 'interpreter-not-found'
  | 'too-large'
  | 'no-resources'
  | 'spawn-failed';

/**
 * The error for a failed spawn. The kernel says ENOENT for a missing command, a missing working directory and a missing
 * script interpreter alike, so the file system is asked which one it was.
 *
 * @returns `UNAVAILABLE` with `delivered: 'no'`; `details` has `reason`, `command`, `cwd`, `path` (directories searched) and `code`.
 */
export async function spawnFailure(error: unknown, attempt: SpawnAttempt): Promise<McpctlError> {
  const code = codeOf(error);
  const { command, cwd, env } = attempt;
  const fail = (reason: Reason, message: string, hint: string, more: Record<string, unknown> = {}) =>
    new McpctlError('UNAVAILABLE', message, {
      cause: error,
      hint,
      delivered: 'no',
      details: { reason, command, cwd, code, ...more },
    });

  const cwdProblem = await directoryProblem(cwd);
  if (cwdProblem)
    return fail('cwd-not-found', `Working directory ${cwd} ${cwdProblem}`, 'create it, or correct "cwd" of this server');

  if (code === 'E2BIG') {
    return fail(
      'too-large',
      `The arguments and environment of ${command} are larger than the system allows`,
      'shorten "args" or "env" of this server',
    );
  }
  if (code === 'EMFILE' || code === 'ENFILE' || code === 'EAGAIN' || code === 'ENOMEM') {
    return fail(
      'no-resources',
      `The system refused to start ${command}: ${code === 'EMFILE' || code === 'ENFILE' ? 'too many open files' : 'no more processes or memory'} (${code})`,
      'raise the limit (ulimit -n, ulimit -u), or disable some servers',
    );
  }

  const searched = command.includes('/') ? [] : (env.PATH ?? '').split(delimiter).filter((directory) => directory !== '');
  const file = command.includes('/') ? command : await findIn(searched, command);
  const found = file === null ? null : await stat(file).catch(() => null);

  if (file === null || found === null) {
    const where = command.includes('/') ? '' : searched.length > 0 ? ' in PATH' : ' because PATH is empty';
    return fail(
      'command-not-found',
      `Command ${command} was not found${where}`,
      `install ${command}, or write its full path in "command" of this server`,
      {
        path: searched,
      },
    );
  }
  if (!found.isFile() || !(await isExecutable(file))) {
    const what = found.isFile() ? 'is not executable' : 'is not a file';
    return fail(
      'not-executable',
      `Command ${file} ${what}`,
      found.isFile() ? `chmod +x ${file}` : 'correct "command" of this server',
      { path: searched },
    );
  }
  const interpreter = code === 'ENOENT' ? await interpreterOf(file) : null;
  if (interpreter !== null) {
    return fail(
      'interpreter-not-found',
      `Command ${file} needs ${interpreter}, which was not found`,
      `install ${interpreter}, or correct the first line of ${file}`,
      { path: searched, interpreter },
    );
  }
  const text = error instanceof Error ? error.message : String(error);
  return fail('spawn-failed', `Command ${file} could not be started: ${text}`, 'check "command" and "args" of this server', {
    path: searched,
  });
}

/** What would keep a command from being started, as the file system shows it; undefined when nothing does. Starts nothing. */
export async function startProblem(attempt: SpawnAttempt): Promise<McpctlError | undefined> {
  const found = await spawnFailure(Object.assign(new Error('not started'), { code: 'ENOENT' }), attempt);
  const { reason, interpreter } = found.details ?? {};
  if (reason === 'spawn-failed') return undefined;
  const isThere = reason === 'interpreter-not-found' && (await stat(String(interpreter)).catch(() => null)) !== null;
  return isThere ? undefined : found;
}

/** The error for a server that is not started because too few open files would be left; `details` has the numbers. */
export function tooManyFiles(
  command: string,
  { limit, open, running }: { limit: number; open: number; running: number },
): McpctlError {
  const message = `${command} was not started: ${open} of ${limit} files are open already, with ${running} servers running`;
  const hint = `raise the limit (ulimit -n ${limit * 4}), or disable some servers`;
  return new McpctlError('UNAVAILABLE', message, {
    hint,
    delivered: 'no',
    details: { reason: 'no-resources', command, limit, open, running },
  });
}

async function directoryProblem(path: string): Promise<string | null> {
  try {
    if (!(await stat(path)).isDirectory()) return 'is not a directory';
    await access(path, constants.X_OK);
    return null;
  } catch (error) {
    return codeOf(error) === 'EACCES' ? 'cannot be entered (permission denied)' : 'does not exist';
  }
}

/** The first file of that name, executable or not: an exec that skips a non-executable file ends in EACCES, and then it is the one to name. */
async function findIn(directories: readonly string[], command: string): Promise<string | null> {
  let notExecutable: string | null = null;
  for (const directory of directories) {
    const file = join(directory, command);
    const found = await stat(file).catch(() => null);
    if (!found?.isFile()) continue;
    if (await isExecutable(file)) return file;
    notExecutable ??= file;
  }
  return notExecutable;
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** The program of a script's `#!` line. */
async function interpreterOf(file: string): Promise<string | null> {
  try {
    await using handle = await openForReading(file);
    const { buffer, bytesRead } = await handle.file.read(Buffer.alloc(256), 0, 256, 0);
    const match = /^#!\s*(\S+)/.exec(buffer.toString('utf8', 0, bytesRead));
    return match?.[1] ?? null;
  } catch {
    return null;
  }
}

async function openForReading(path: string) {
  const file = await open(path, 'r');
  return { file, [Symbol.asyncDispose]: () => file.close() };
}

function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
