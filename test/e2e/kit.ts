/** What the end-to-end tests share: configurations, and how a result of the program is read. */
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { CliResult } from '../support/run-cli.js';
import { type TempHome, tempHome } from '../support/temp-home.js';

/** The configuration with the three real servers. */
export const exampleConfig = fileURLToPath(new URL('../../.mcp.example.json', import.meta.url));
export const packageRoot = fileURLToPath(new URL('../..', import.meta.url));

/** Absolute path of a program in test/fixtures/servers. */
export const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/servers/${name}`, import.meta.url));

/** A server that does as its tools say; `faults` are the words of fault-stdio.mjs. */
export const faultServer = (...faults: string[]) => ({
  command: process.execPath,
  args: [fixture('fault-stdio.mjs'), ...faults],
});

/** Defaults for servers that fail again and again on purpose: no breaker opens. */
export const neverOpen = { defaults: { circuitBreaker: { maxFailures: 1_000_000, failureRateThreshold: 100 } } };

/** A home with these servers; the servers' own files go there too. */
export async function homeWith(mcpServers: Record<string, unknown>, more: Record<string, unknown> = {}): Promise<TempHome> {
  const home = await tempHome();
  await home.writeConfig({ mcpServers, ...more });
  return home;
}

/** Any ESC, as a string that `toContain` can look for. */
export const esc = '\x1b';

/** The one JSON document on stdout. */
export function documentOf({ stdout }: Pick<CliResult, 'stdout'>): unknown {
  expect(stdout).not.toBe('');
  expect(stdout).not.toContain(esc);
  return JSON.parse(stdout);
}

export interface ErrorDocument {
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
  readonly server?: string;
  readonly details?: Record<string, unknown>;
}

/** The one error document on stderr, checked for its form: three keys at least, nothing unknown, one line. */
export function errorOf({ stderr }: Pick<CliResult, 'stderr'>): ErrorDocument {
  expect(stderr).not.toContain(esc);
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  const document = JSON.parse(stderr) as { error: ErrorDocument };
  expect(Object.keys(document)).toEqual(['error']);
  const { code, message, hint, ...rest } = document.error;
  expect(code).toMatch(/^[A-Z_]+$/);
  expect(message).toMatch(/\S/);
  expect(hint === null || /\S/.test(hint)).toBe(true);
  expect(['server', 'details']).toEqual(expect.arrayContaining(Object.keys(rest)));
  return document.error;
}

/** The human form of an error: `error: …` and `hint: …`, and nothing that looks like a crash of ours. */
export function expectHumanError(stderr: string, what: string | RegExp): void {
  expect(stderr).toMatch(what);
  expect(stderr).toMatch(/^error: \S/m);
  expect(stderr).toMatch(/^hint: \S/m);
  expect(stderr).not.toMatch(/^\s+at .*:\d+:\d+/m);
  expect(stderr).not.toContain('internal error');
}
