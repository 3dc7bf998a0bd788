/** The end of a test run in words: what was skipped, what to install for it, and the counts as the last line. */

/**
 * @param {import('./test-reporter.mjs').Summary} summary
 * @param {Record<string, { package: string, for: string }>} components the rows of test/support/components.json
 * @param {boolean} ci whether every test must have run
 * @returns {{ lines: string[], ok: boolean }} `ok` is false when a skip is a failure
 */
export function closingLines({ passed, failed, skipped }, components, ci) {
  const lines = [];
  const groups = new Map();
  for (const test of skipped) {
    for (const component of test.missing.length > 0 ? test.missing : [''])
      groups.set(component, [...(groups.get(component) ?? []), test]);
  }
  if (skipped.length > 0) lines.push('Skipped:');
  for (const [component, tests] of [...groups].sort(([a], [b]) => (a < b ? 1 : -1))) {
    const row = components[component];
    if (row === undefined) {
      lines.push(
        `  ${count(tests.length)} for a reason of their own:`,
        ...tests.map((test) => `    ${test.file} > ${test.name}`),
      );
    } else {
      lines.push(`  ${count(tests.length)} without ${component} (${row.for}): apt-get install ${row.package}`);
    }
  }
  const ok = !(ci && skipped.length > 0);
  if (!ok) lines.push(`error: CI=true allows no skipped test, and ${count(skipped.length)} did not run`);
  lines.push(`${passed} passed, ${failed} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ''}`);
  return { lines, ok };
}

function count(tests) {
  return tests === 1 ? '1 test' : `${tests} tests`;
}
