/** The environment a server's process gets: a short allow-list plus what the configuration adds. */
import type { Env } from './paths.js';
import type { StdioDefinition } from './schema.js';

/** What a program needs to find its home, its tools and its language; nothing that can hold a secret or load code. */
const allowed = new Set(['HOME', 'LANG', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'TMPDIR', 'TZ', 'USER']);

/** Without these Windows programs do not start; the names are case-insensitive there. */
const allowedOnWindows = new Set(
  ['APPDATA', 'COMSPEC', 'HOMEDRIVE', 'HOMEPATH', 'LOCALAPPDATA', 'PATHEXT', 'PROCESSOR_ARCHITECTURE', 'PROGRAMFILES'].concat([
    'SYSTEMDRIVE',
    'SYSTEMROOT',
    'TEMP',
    'TMP',
    'USERNAME',
    'USERPROFILE',
    'WINDIR',
  ]),
);

/**
 * The whole environment of a server's process. With `inheritEnv` everything of `env` is passed on except `MCPCTL_*`:
 * those steer mcpctl itself and can hold the key of its credential store.
 *
 * @param env the environment of the caller; never changed
 */
export function childEnvironment(env: Env, definition: Pick<StdioDefinition, 'env' | 'inheritEnv'>): Record<string, string> {
  const isWindows = env.OS === 'Windows_NT';
  const child: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || name.toUpperCase().startsWith('MCPCTL_')) continue;
    if (definition.inheritEnv || isAllowed(name, value, isWindows)) child[name] = value;
  }
  for (const [name, value] of Object.entries(definition.env)) {
    // Windows knows one variable under any case: two spellings would leave it to chance which one the child sees.
    if (isWindows) for (const other of Object.keys(child)) if (other.toUpperCase() === name.toUpperCase()) delete child[other];
    child[name] = value;
  }
  return child;
}

function isAllowed(name: string, value: string, isWindows: boolean): boolean {
  // A value that starts like this is an exported shell function: code, not text (CVE-2014-6271).
  if (value.startsWith('()')) return false;
  if (isWindows) return allowed.has(name.toUpperCase()) || allowedOnWindows.has(name.toUpperCase());
  return allowed.has(name) || name.startsWith('LC_');
}
