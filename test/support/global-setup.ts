/** Before a run: brings dist/ up to date for the tests that spawn the program, and gives them a place for its compiled code. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export default function setup(): () => void {
  build();
  // As on a machine where it is used: compiled once, not once for each of some thousand homes.
  const cache = mkdtempSync(join(tmpdir(), 'mcpctl-cache-'));
  process.env.MCPCTL_TEST_CACHE = cache;
  return () => rmSync(cache, { recursive: true, force: true });
}

/** Does not fail the tests that do without. */
function build(): void {
  const script = fileURLToPath(new URL('../../scripts/build.mjs', import.meta.url));
  const { status, stderr, error } = spawnSync(process.execPath, [script, '--if-stale'], { encoding: 'utf8' });
  if (status === 0) return;
  // `startCli` throws this text; the workers inherit the variable.
  process.env.MCPCTL_TEST_BUILD_ERROR = error?.message ?? stderr;
}
