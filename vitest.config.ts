/** How the tests run; docs/testing.md says why each kind of test lies where it does. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const { version } = JSON.parse(readFileSync(new URL('./package.json', import.meta.url), 'utf8')) as { version: string };

/** The longest first, so that it does not run alone at the end. */
class SoakFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isSoak = ({ moduleId }: TestSpecification) => moduleId.endsWith('/soak.test.ts');
    const sorted = await super.sort(files);
    return [...sorted.filter(isSoak), ...sorted.filter((file) => !isSoak(file))];
  }
}

export default defineConfig({
  // As in scripts/build.mjs, for tests that import a source which prints the version.
  define: { __MCPCTL_VERSION__: JSON.stringify(version) },
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/support/setup.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    // Tests wait for processes and clocks more than they compute: one fewer than the cores (the default) idles on two of them.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    sequence: { sequencer: SoakFirst },
    testTimeout: 20_000,
    hookTimeout: 20_000,
  },
});
