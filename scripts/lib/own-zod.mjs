/**
 * Gives src/ a copy of zod of its own. With one copy, esbuild puts all of zod that the SDK needs (180 KB) into a chunk that every
 * start loads; src/ needs a sixth of it.
 */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export function ownZod(root) {
  const namespace = 'own-zod';
  return {
    name: namespace,
    setup(build) {
      const mine = (path) => ({ path, namespace, sideEffects: false });
      build.onResolve({ filter: /^zod\/mini$/ }, () => mine(join(root, 'node_modules/zod/v4/mini/index.js')));
      build.onResolve({ filter: /^\./, namespace }, ({ path, importer }) => mine(join(dirname(importer), path)));
      build.onLoad({ filter: /.*/, namespace }, async ({ path }) => ({
        contents: await readFile(path, 'utf8'),
        resolveDir: dirname(path),
        loader: 'js',
      }));
    },
  };
}
