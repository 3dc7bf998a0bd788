/** `npm test`: installs and builds when needed, runs vitest with the given arguments, and ends with a plain line `N passed, N failed`. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { closingLines } from './lib/closing-lines.mjs';
import { orExplain, prepare } from './lib/prepare.mjs';
import { runChild } from './lib/run-child.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
await orExplain(() => prepare(root));

const scratch = mkdtempSync(join(tmpdir(), 'mcpctl-test-'));
const summaryFile = join(scratch, 'summary.json');
// Node 20 reads the extra certificates at each start, which costs 32 ms; the tests only talk to this machine.
const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
const reporters = process.argv.some((arg) => arg.startsWith('--reporter')) ? [] : ['--reporter=default'];
const code = await runChild(
  [
    join(root, 'node_modules', 'vitest', 'vitest.mjs'),
    'run',
    ...reporters,
    `--reporter=${join(root, 'scripts', 'lib', 'test-reporter.mjs')}`,
    ...process.argv.slice(2),
  ],
  { cwd: root, env: { ...env, MCPCTL_TEST_SUMMARY: summaryFile } },
);
const summary = readSummary(summaryFile);
rmSync(scratch, { recursive: true, force: true });

if (summary === undefined) {
  process.stderr.write(`error: vitest ended with exit code ${code} before it had a result\n`);
  process.exit(code || 1);
}
const components = JSON.parse(readFileSync(join(root, 'test', 'support', 'components.json'), 'utf8'));
const ci = ['true', '1'].includes(process.env.CI ?? '');
const { lines, ok } = closingLines(summary, components, ci);
process.stdout.write(`${lines.join('\n')}\n`);
process.exitCode = code || (ok ? 0 : 1);

function readSummary(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}
