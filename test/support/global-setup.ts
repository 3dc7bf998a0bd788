/** Before a run: brings dist/ up to date for the tests that spawn the program, without failing those that do not. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export default function setup(): void {
  const script = fileURLToPath(new URL('../../scripts/build.mjs', import.meta.url));
  const { status, stderr, error } = spawnSync(process.execPath, [script, '--if-stale'], { encoding: 'utf8' });
  if (status === 0) return;
  // `startCli` throws this text; the workers inherit the variable.
  process.env.MCPCTL_TEST_BUILD_ERROR = error?.message ?? stderr;
}
