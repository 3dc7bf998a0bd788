/** The last lines of a test run: counts, what was skipped and why, and when a skip fails the run. */
import { describe, expect, it } from 'vitest';

// The scripts are plain JavaScript, because they run before anything is installed: no types to import.
const load = (file: string) => import(new URL(`../../../scripts/lib/${file}`, import.meta.url).href);
const { closingLines } = await load('closing-lines.mjs');
const { summarize } = await load('test-reporter.mjs');

const components = { openssl: { command: 'openssl', package: 'openssl', for: 'certificates' } };

describe('closingLines', () => {
  it('says `3 passed, 0 failed` and nothing else when nothing was skipped', () => {
    expect(closingLines({ passed: 3, failed: 0, skipped: [] }, components, true)).toEqual({
      lines: ['3 passed, 0 failed'],
      ok: true,
    });
  });

  it('groups two skips by their component with the command to install it, and names a third by test', () => {
    const skipped = [
      { name: 'a', file: 'x.test.ts', missing: ['openssl'] },
      { name: 'b', file: 'x.test.ts', missing: ['openssl'] },
      { name: 'c > d', file: 'y.test.ts', missing: [] },
    ];
    expect(closingLines({ passed: 3, failed: 1, skipped }, components, false)).toEqual({
      lines: [
        'Skipped:',
        '  2 tests without openssl (certificates): apt-get install openssl',
        '  1 test for a reason of their own:',
        '    y.test.ts > c > d',
        '3 passed, 1 failed, 3 skipped',
      ],
      ok: true,
    });
  });

  it('fails a run with CI=true when 1 test was skipped, and says so before the last line', () => {
    const { lines, ok } = closingLines(
      { passed: 3, failed: 0, skipped: [{ name: 'a', file: 'x', missing: ['openssl'] }] },
      components,
      true,
    );
    expect(ok).toBe(false);
    expect(lines.slice(-2)).toEqual([
      'error: CI=true allows no skipped test, and 1 test did not run',
      '3 passed, 0 failed, 1 skipped',
    ]);
  });
});

describe('summarize', () => {
  const task = (state: string, missing?: string[], parent?: object) => ({
    result: () => ({ state }),
    meta: () => (missing ? { missing } : {}),
    fullName: 'name',
    parent,
  });
  const suite = (missing?: string[], errors: string[] = []) => ({
    meta: () => (missing ? { missing } : {}),
    errors: () => errors,
  });
  const module = (tests: object[], { errors = [], suites = [] }: { errors?: string[]; suites?: object[] } = {}) => ({
    relativeModuleId: 'x.test.ts',
    errors: () => errors,
    children: { allTests: () => tests, allSuites: () => suites },
  });

  it('counts 1 passed, 1 failed and 1 skipped, and finds what the suite around the skipped one lacks', () => {
    const tests = [task('passed'), task('failed'), task('skipped', undefined, suite(['openssl']))];
    expect(summarize([module(tests)], [], 'failed')).toEqual({
      passed: 1,
      failed: 1,
      skipped: [{ name: 'name', file: 'x.test.ts', missing: ['openssl'] }],
    });
  });

  it('counts a file that does not load, a failing suite hook and an unhandled error as 3 failures', () => {
    const modules = [module([], { errors: ['syntax'] }), module([task('passed')], { suites: [suite([], ['afterAll'])] })];
    expect(summarize(modules, ['unhandled'], 'failed')).toMatchObject({ passed: 1, failed: 3 });
  });

  it('never reports a failed run with 0 failures', () => {
    expect(summarize([module([task('passed')])], [], 'failed')).toMatchObject({ failed: 1 });
  });

  it('leaves out what `-t` left out, but not what a missing component skipped', () => {
    const tests = [task('skipped'), task('skipped', ['openssl'])];
    expect(summarize([module(tests)], [], 'passed', true).skipped).toHaveLength(1);
    expect(summarize([module(tests)], [], 'passed', false).skipped).toHaveLength(2);
  });
});
