/** `npm run soak [-- --seed <n>] [--seconds <n>]`: the soak test for 30 minutes, or as long as wanted, alone; exit code 0 when every invariant held. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { orExplain, prepare } from './lib/prepare.mjs';
import { runChild } from './lib/run-child.mjs';

const usage = 'npm run soak -- [--seed <whole number>] [--seconds <whole number>]';
const { seed, seconds } = read(process.argv.slice(2));
const root = dirname(dirname(fileURLToPath(import.meta.url)));
await orExplain(() => prepare(root));
const env = { ...process.env, MCPCTL_SOAK_SECONDS: seconds, ...(seed === undefined ? {} : { MCPCTL_SOAK_SEED: seed }) };
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
process.exitCode = await runChild([vitest, 'run', 'test/integration/soak.test.ts'], {
  cwd: root,
  env,
});

function read(words) {
  try {
    const options = { seed: { type: 'string' }, seconds: { type: 'string', default: '1800' } };
    const { values } = parseArgs({ args: words, options });
    for (const [name, value] of Object.entries(values))
      if (!/^\d+$/.test(value)) throw new Error(`--${name} takes a whole number, not "${value}"`);
    return values;
  } catch (error) {
    process.stderr.write(`error: ${error.message}\nhint: ${usage}\n`);
    process.exit(2);
  }
}
