/** The commands as the sources declare them, for scripts that print about them: registry, help and exit codes, without running anything. */
import { build } from 'esbuild';

export async function loadCli(root) {
  const { outputFiles } = await build({
    stdin: {
      contents: `
        export { registry } from './src/cli/registry.ts';
        export { explain, detail, usageOf } from './src/cli/help.ts';
        export { globalFlags } from './src/cli/parse.ts';
        export { exitCodes, signalExitCodes } from './src/core/errors.ts';
      `,
      resolveDir: root,
      loader: 'ts',
    },
    absWorkingDir: root,
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    // The commands themselves are loaded when they run; here they never do.
    external: ['./commands/*', 'commander'],
    logLevel: 'warning',
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
}
