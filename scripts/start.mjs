/** `npm start`: installs and builds when needed, then runs mcpctl on the example servers; `npm start -- status` runs one command. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { orExplain, prepare } from './lib/prepare.mjs';
import { runChild } from './lib/run-child.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const args = process.argv.slice(2);

await orExplain(() => prepare(root));
const config = namesConfig(args) ? [] : ['-c', join(root, '.mcp.example.json')];
process.exitCode = await runChild([join(root, 'bin', 'mcpctl.js'), ...config, ...args]);

/** Whether the user chose a configuration. What follows `--` belongs to a server's own command line. */
function namesConfig(words) {
  const end = words.indexOf('--');
  return (end < 0 ? words : words.slice(0, end)).some((word) => /^(-c.*|--config(=.*)?)$/s.test(word));
}
