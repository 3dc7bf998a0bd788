/** A vitest reporter that writes what scripts/test.mjs needs for its closing lines to the file MCPCTL_TEST_SUMMARY. */
import { writeFileSync } from 'node:fs';

/**
 * @typedef {{ passed: number, failed: number, skipped: { name: string, file: string, missing: string[] }[] }} Summary
 */
export default class SummaryReporter {
  #byName = false;

  onInit(vitest) {
    this.#byName = vitest.config.testNamePattern !== undefined;
  }

  onTestRunEnd(modules, unhandledErrors, reason) {
    const file = process.env.MCPCTL_TEST_SUMMARY;
    if (file) writeFileSync(file, JSON.stringify(summarize(modules, unhandledErrors, reason, this.#byName)));
  }
}

/** @returns {Summary} */
export function summarize(modules, unhandledErrors, reason, byName = false) {
  const summary = { passed: 0, failed: unhandledErrors.length, skipped: [] };
  for (const module of modules) {
    // A file that does not load and a failing afterAll hook are failures without a test of their own.
    if (module.errors().length > 0) summary.failed++;
    for (const suite of module.children.allSuites()) if (suite.errors().length > 0) summary.failed++;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') summary.passed++;
      else if (state === 'failed') summary.failed++;
      else {
        const missing = missingOf(test);
        // `-t` leaves tests out because the user asked for it.
        if (!byName || missing.length > 0) summary.skipped.push({ name: test.fullName, file: module.relativeModuleId, missing });
      }
    }
  }
  if (reason === 'failed' && summary.failed === 0) summary.failed = 1;
  return summary;
}

/** The components that `needs()` found missing for a test or for a suite around it. */
function missingOf(test) {
  const missing = new Set();
  for (let task = test; task; task = task.parent) for (const component of task.meta().missing ?? []) missing.add(component);
  return [...missing];
}
