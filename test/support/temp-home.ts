/** A home of its own for one test: HOME, XDG and MCPCTL_* folders, and an environment without the developer's variables. */
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expectNoLeftovers } from './no-leftovers.js';

export interface TempHome extends AsyncDisposable {
  /** The folder everything lies in; short, because a Unix socket's path must stay under 108 bytes. */
  readonly path: string;
  readonly home: string;
  readonly configDir: string;
  readonly stateDir: string;
  readonly runtimeDir: string;
  /** An empty folder outside any repository, the default working directory of `runCli`. */
  readonly projectDir: string;
  /** The whole environment for a child process. It carries `path`, which is how `findProcesses(home.path)` knows its processes. */
  readonly env: Readonly<Record<string, string>>;
  /** Writes a file (string as it is, anything else as JSON), relative to `path`, and returns its absolute path. */
  write(file: string, content: unknown): Promise<string>;
  /** Writes the user configuration and returns its path. */
  writeConfig(config: { mcpServers: Record<string, unknown>; [key: string]: unknown } | string): Promise<string>;
}

/**
 * `await using home = await tempHome()`: at the end of the block the processes of this home must be gone within a second
 * (the test fails otherwise, and they are killed), then the folder is removed.
 */
export async function tempHome(extraEnv: Readonly<Record<string, string>> = {}): Promise<TempHome> {
  // The real path, because macOS links its temporary folder and mcpctl compares real paths.
  const path = await realpath(await mkdtemp(join(tmpdir(), 'mcpctl-')));
  const home = join(path, 'home');
  const configDir = join(path, 'config');
  const stateDir = join(path, 'state');
  const runtimeDir = join(path, 'run');
  const projectDir = join(path, 'project');
  await Promise.all([home, configDir, stateDir, runtimeDir, projectDir].map((folder) => mkdir(folder, { mode: 0o700 })));

  const write = async (file: string, content: unknown) => {
    const target = join(path, file);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, typeof content === 'string' ? content : `${JSON.stringify(content, null, 2)}\n`);
    return target;
  };
  let disposed: Promise<void> | undefined;

  return {
    path,
    home,
    configDir,
    stateDir,
    runtimeDir,
    projectDir,
    env: {
      PATH: process.env.PATH ?? '/usr/bin:/bin',
      HOME: home,
      LANG: 'C.UTF-8',
      TZ: 'UTC',
      TERM: 'xterm-256color',
      XDG_CONFIG_HOME: join(home, '.config'),
      ...(process.env.MCPCTL_TEST_CACHE && { XDG_CACHE_HOME: process.env.MCPCTL_TEST_CACHE }),
      XDG_STATE_HOME: join(home, '.local', 'state'),
      XDG_DATA_HOME: join(home, '.local', 'share'),
      XDG_CACHE_HOME: join(home, '.cache'),
      XDG_RUNTIME_DIR: runtimeDir,
      MCPCTL_CONFIG_DIR: configDir,
      MCPCTL_STATE_DIR: stateDir,
      MCPCTL_RUNTIME_DIR: runtimeDir,
      // No test may reach the developer's keychain or open a browser window.
      MCPCTL_CREDENTIAL_STORE: 'memory',
      BROWSER: 'false',
      ...extraEnv,
    },
    write,
    writeConfig: (config) => write('config/config.json', config),
    [Symbol.asyncDispose]: () => {
      disposed ??= (async () => {
        try {
          await expectNoLeftovers(path);
        } finally {
          await rm(path, { recursive: true, force: true, maxRetries: 3 });
        }
      })();
      return disposed;
    },
  };
}
