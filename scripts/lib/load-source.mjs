/** Loads TypeScript sources into a script: bundled in memory, so that nothing is written and nothing has to be built first. */
import { build } from 'esbuild';

/**
 * @param root the checkout
 * @param contents an ES module in TypeScript, its imports relative to `root`: `export { x } from './src/x.ts'`
 * @returns what that module exports
 */
export async function loadSource(root, contents) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root, loader: 'ts' },
    absWorkingDir: root,
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    // What the registry only loads when a command runs is never run here.
    external: ['./commands/*'],
    logLevel: 'warning',
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
}
