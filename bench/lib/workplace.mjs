/** What every benchmark needs: folders of its own, an environment without the developer's variables, and mcpctl's inside as a module. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { bundleOptions } from '../../scripts/build.mjs';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const cli = join(root, 'bin', 'mcpctl.js');
export const fixture = (name) => join(root, 'bench', 'fixtures', name);
export const instantServer = { command: process.execPath, args: [fixture('instant-server.mjs')] };
export const everythingServer = {
  command: process.execPath,
  args: [join(root, 'node_modules', '@modelcontextprotocol', 'server-everything', 'dist', 'index.js')],
};

/** Folders and environment of one run. `remove()` at the end. */
export function openWorkplace() {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'mcpctl-bench-')));
  const folders = Object.fromEntries(['home', 'config', 'state', 'run'].map((name) => [name, join(path, name)]));
  for (const folder of Object.values(folders)) mkdirSync(folder, { mode: 0o700 });
  return {
    path,
    ...folders,
    // NODE_EXTRA_CA_CERTS stays out: Node 20 reads it at every start, which more than doubles the baseline.
    env: {
      PATH: process.env.PATH,
      HOME: folders.home,
      TERM: 'xterm-256color',
      MCPCTL_CONFIG_DIR: folders.config,
      MCPCTL_STATE_DIR: folders.state,
      MCPCTL_RUNTIME_DIR: folders.run,
    },
    /** Writes a configuration of these servers; returns its path. */
    config(name, mcpServers) {
      const file = join(path, `${name}.json`);
      writeFileSync(file, JSON.stringify({ mcpServers }));
      return file;
    },
    /** `count` times the same server, as `s1`, `s2`, … */
    fleet(name, count, server) {
      // A name of its own in the arguments gives each a definition, and with it a memory, of its own.
      const servers = Array.from({ length: count }, (_, i) => [
        `s${i + 1}`,
        { ...server, args: [...server.args, `--as=s${i + 1}`] },
      ]);
      return this.config(name, Object.fromEntries(servers));
    },
    remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }),
  };
}

/** mcpctl's manager and what it is built from, bundled as a release is, out of the present sources. */
export async function bundleManager(folder) {
  const outdir = join(folder, 'manager');
  await build({
    stdin: {
      contents: `
        export { loadConfig } from './src/config/load.ts';
        export { findPlaces } from './src/config/paths.ts';
        export { systemClock, systemRandom } from './src/core/clock.ts';
        export { HttpEndpoint } from './src/gateway/http.ts';
        export { ProcessGroups } from './src/io/process-group.ts';
        export { Manager } from './src/manager/manager.ts';
        export { Metrics } from './src/observe/metrics.ts';
        export { Observation } from './src/observe/observation.ts';
        export { ServerMemories } from './src/state/server-memory.ts';
      `,
      resolveDir: root,
      loader: 'ts',
    },
    ...bundleOptions(root),
    outdir,
    entryNames: 'entry',
    define: { __MCPCTL_VERSION__: '"bench"' },
  });
  writeFileSync(join(outdir, 'package.json'), '{"type":"module"}');
  return join(outdir, 'entry.js');
}

/** A long-lived manager on a configuration file, with every default, out of a bundle of `bundleManager`; `parts` is what else is in there. */
export async function openManager(bundle, config, env) {
  const parts = await import(pathToFileURL(bundle).href);
  const { systemClock: clock, systemRandom: random } = parts;
  const places = parts.findPlaces(env, env.HOME, tmpdir(), process.getuid?.());
  const loaded = await parts.loadConfig({
    files: [config],
    cwd: dirname(config),
    env,
    places,
    cores: 2,
    clock,
    pid: process.pid,
  });
  const groups = new parts.ProcessGroups({ clock, runtimeDir: places.runtimeDir });
  const manager = new parts.Manager(loaded, {
    clock,
    random,
    groups,
    memories: new parts.ServerMemories(places.stateDir),
    env,
    pid: process.pid,
    stop: { stdinMs: 1000, termMs: 1000 },
    longLived: true,
    clientVersion: 'bench',
  });
  const close = async () => {
    await manager[Symbol.asyncDispose]();
    await groups[Symbol.asyncDispose]();
  };
  return { manager, close, parts, places };
}
