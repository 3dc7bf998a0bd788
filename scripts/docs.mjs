/** `npm run docs`: writes what can be made from the sources: docs/cli.md, docs/faults.md, and the states in docs/architecture.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cliPage } from './lib/cli-page.mjs';
import { faultsPage } from './lib/faults-page.mjs';
import { loadSource } from './lib/load-source.mjs';
import { withDiagram } from './lib/state-diagram.mjs';

const here = fileURLToPath(import.meta.url);
if (resolve(process.argv[1] ?? '') === here) {
  const root = dirname(dirname(here));
  for (const [file, text] of Object.entries(await madePages(root))) {
    const path = join(root, file);
    if (readIfThere(path) === text) continue;
    writeFileSync(path, text);
    process.stderr.write(`wrote ${file}\n`);
  }
}

/** The pages as they should be, by path relative to `root`. */
export async function madePages(root) {
  const parts = await loadSource(
    root,
    `
      export { registry } from './src/cli/registry.ts';
      export { globalFlags } from './src/cli/global-flags.ts';
      export { usageOf } from './src/cli/help.ts';
      export { exitCodes, signalExitCodes } from './src/core/errors.ts';
      export { transitions } from './src/manager/server-state.ts';
      export { faultMatrix } from './test/fault-matrix.ts';
    `,
  );
  const architecture = readFileSync(join(root, 'docs', 'architecture.md'), 'utf8');
  return {
    'docs/cli.md': cliPage(parts),
    'docs/faults.md': faultsPage(parts.faultMatrix),
    'docs/architecture.md': withDiagram(architecture, parts.transitions),
  };
}

function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
