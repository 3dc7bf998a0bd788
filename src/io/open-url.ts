/** Opens an address in the person's browser: one literal argument of a program, never a line for a shell. */
import { spawn } from 'node:child_process';
import { McpctlError } from '../core/errors.js';

/** Longer ones are no address of a login, and some systems cut them. */
const maxUrlLength = 8 * 1024;

export interface OpenUrlOptions {
  /** `BROWSER`, and what the browser itself needs. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
}

/**
 * The address in its one canonical spelling, if it is one that may be opened: https, or http to this machine; no user name, no control
 * characters, at most 8 KiB.
 *
 * @throws McpctlError `AUTH_FAILED`; the address is not repeated
 */
export function openableUrl(text: string): string {
  const isOdd = /[\x00-\x20\x7f]/.test(text) || text.length > maxUrlLength || !URL.canParse(text);
  const url = isOdd ? undefined : new URL(text);
  const isSecure = url?.protocol === 'https:' || (url?.protocol === 'http:' && isThisMachine(url.hostname));
  // A host may be spelt with nearly anything, `$(calc)` for one; no name of a real one is.
  const isName = /^[a-z0-9._-]+$|^\[[0-9a-f:.]+\]$/.test(url?.hostname ?? '');
  if (url && isSecure && isName && url.username === '' && url.password === '' && url.href.length <= maxUrlLength) return url.href;
  throw new McpctlError(
    'AUTH_FAILED',
    'The address of the login is not one that may be opened: it has to be a plain https:// address',
    {
      hint: 'ask whoever runs the authorization server',
      details: { step: 'authorization', reason: 'unsafe-url' },
    },
  );
}

/**
 * Starts the browser and does not wait for it.
 *
 * @returns whether one was started; it may still fail to show anything
 * @throws McpctlError as `openableUrl`
 */
export async function openUrl(text: string, { env, platform }: OpenUrlOptions): Promise<boolean> {
  const url = openableUrl(text);
  const childEnv = Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('MCPCTL_')));
  for (const [program, ...args] of openers(url, env, platform)) {
    if (program !== undefined && (await starts(program, args, childEnv))) return true;
  }
  return false;
}

/** The commands to try, in order. */
function openers(url: string, env: OpenUrlOptions['env'], platform: NodeJS.Platform): string[][] {
  // As xdg-open reads it: a list with colons, words apart by blanks, the address in place of %s or at the end.
  const wished = (env.BROWSER ?? '')
    .split(':')
    .map((command) => command.split(/\s+/).filter(Boolean))
    .filter((words) => words.length > 0);
  if (wished.length > 0) {
    return wished.map((words) =>
      words.some((word) => word.includes('%s')) ? words.map((word) => word.replaceAll('%s', () => url)) : [...words, url],
    );
  }
  if (platform === 'darwin') return [['open', url]];
  if (platform === 'win32') return [['rundll32', 'url.dll,FileProtocolHandler', url]];
  // Without a display it would look for a browser in the terminal, which is not its own.
  return env.DISPLAY || env.WAYLAND_DISPLAY || env.WSL_DISTRO_NAME ? [['xdg-open', url]] : [];
}

function starts(program: string, args: readonly string[], env: Record<string, string | undefined>): Promise<boolean> {
  return new Promise((resolve) => {
    try {
      const child = spawn(program, args, { env, shell: false, detached: true, stdio: 'ignore', windowsHide: true });
      child.once('error', () => resolve(false));
      child.once('spawn', () => resolve(true));
      child.unref();
    } catch {
      // An argument that the system cannot take.
      resolve(false);
    }
  });
}

function isThisMachine(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
