/** The server itself: its program starts, a session opens, and it tells its tools. */
import { childEnvironment } from '../../config/child-environment.js';
import { type ErrorCode, McpctlError } from '../../core/errors.js';
import { startProblem } from '../../io/spawn-failure.js';
import { type Finding, found, foundError } from './chain.js';
import type { DoctorCode } from './codes.js';
import type { Subject } from './subject.js';

/** Longer last words might be cut in the middle of a secret; the log has them whole. */
const longestWords = 300;

const spawnCodes: Readonly<Record<string, DoctorCode>> = {
  'command-not-found': 'SPAWN_NOT_FOUND',
  'cwd-not-found': 'SPAWN_NO_CWD',
  'not-executable': 'SPAWN_NOT_EXECUTABLE',
  'interpreter-not-found': 'SPAWN_NO_INTERPRETER',
  'too-large': 'SPAWN_TOO_LARGE',
  'no-resources': 'SPAWN_NO_RESOURCES',
  'spawn-failed': 'SPAWN_FAILED',
};

/** Looks for the program, then starts it and sees whether it stays: what it answers is the next step's. */
export async function checkSpawn(subject: Subject): Promise<Finding> {
  const { server, parts, managed } = subject;
  const { definition, name } = server;
  if (definition.type === 'stdio' && !subject.isRunning) {
    const { clock, env } = parts;
    const startedAt = clock.now();
    const { command, cwd } = definition;
    const problem = await startProblem({ command, cwd, env: childEnvironment(env, definition) });
    if (problem) return spawnFinding(problem);
    const ms = clock.now() - startedAt;
    const error = await subject.open().then(
      () => undefined,
      (error: unknown) => error,
    );
    if (error instanceof McpctlError && error.code === 'SERVER_EXITED') return exited(error, name);
    if (error instanceof McpctlError && spawnCodes[String(error.details?.reason)]) return spawnFinding(error);
    return { ...found('OK', `${command} starts in ${cwd}`), ms };
  }
  return found('OK', `runs already: process ${managed.snapshot().pid}`);
}

function spawnFinding(error: McpctlError): Finding {
  return foundError(spawnCodes[String(error.details?.reason)] ?? 'SPAWN_FAILED', error);
}

function exited({ message, hint, details }: McpctlError, name: string): Finding {
  const lines = Array.isArray(details?.stderr) ? details.stderr.map(String).filter((line) => line.trim() !== '') : [];
  const last = lines.at(-1)?.trim() ?? '';
  const words = last !== '' && last.length <= longestWords ? `; its last words: ${last}` : '';
  // To try again is no advice where that was just done.
  const isAdvice = hint !== undefined && !hint.startsWith('mcpctl reconnect');
  return found('SPAWN_EXITED', message + words, isAdvice ? hint : `mcpctl logs ${name}`);
}

const initializeCodes: Partial<Record<ErrorCode, DoctorCode>> = {
  TIMEOUT: 'INITIALIZE_TIMEOUT',
  PROTOCOL: 'INITIALIZE_PROTOCOL',
  TOO_LARGE: 'INITIALIZE_PROTOCOL',
  REQUEST_REFUSED: 'INITIALIZE_REFUSED',
  AUTH_REQUIRED: 'TOKEN_REFUSED',
  AUTH_UNAVAILABLE: 'TOKEN_RENEWAL_FAILED',
  CREDENTIAL_STORE: 'TOKEN_STORE_FAILED',
};

export async function checkInitialize(subject: Subject): Promise<Finding> {
  if (subject.isRunning) {
    const { protocol, serverInfo } = subject.managed.snapshot();
    return found('OK', `connected: ${aboutSession(protocol, serverInfo)}`);
  }
  try {
    const { protocol, serverInfo } = await subject.open();
    return { ...found('OK', aboutSession(protocol, serverInfo)), ms: subject.openingMs };
  } catch (error) {
    if (!(error instanceof McpctlError)) throw error;
    const code = initializeCodes[error.code] ?? 'INITIALIZE_FAILED';
    return { ...foundError(code, withHint(error, subject.server.name)), ms: subject.openingMs };
  }
}

function aboutSession(
  protocol: { readonly version: string; readonly era: string } | null,
  info: { readonly name: string; readonly version: string } | null,
): string {
  const who = info ? `${info.name} ${info.version}` : 'it gives no name';
  return protocol ? `${who}, MCP ${protocol.version} (${protocol.era})` : who;
}

export async function checkList(subject: Subject, signal: AbortSignal): Promise<Finding> {
  const { name } = subject.server;
  try {
    const { tools } = subject.isRunning
      ? await subject.managed.listTools(signal, true)
      : await (await subject.open()).listTools(signal);
    return found('OK', tools.length === 1 ? '1 tool' : `${tools.length} tools`);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof McpctlError)) throw error;
    return foundError(error.code === 'TIMEOUT' ? 'LIST_TIMEOUT' : 'LIST_FAILED', withHint(error, name));
  }
}

function withHint(error: McpctlError, name: string): McpctlError {
  return error.hint === undefined ? new McpctlError(error.code, error.message, { hint: `mcpctl logs ${name}` }) : error;
}
