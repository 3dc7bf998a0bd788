/** docs/configuration.md says what the code does: every key, every default, and an example that loads. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { JsoncDocument } from '../../../src/config/document.js';
import { configKeys } from '../../../src/config/json-schema.js';
import { defaults, limits } from '../../../src/config/schema.js';
import { checkShape } from '../../../src/config/shape.js';
import { unknownKeys } from '../../../src/config/unknown-keys.js';

const text = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');
const rows = new Map(
  /\n## Keys of a server\n([\s\S]*?)\n## TOML\n/
    .exec(text)![1]!
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .flatMap(([, keys, type, value]) => keys!.split(', ').map((key) => [key.replaceAll('`', ''), { type, value }] as const)),
);

describe('docs/configuration.md', () => {
  it('has a row for every one of over 75 keys, and no other', () => {
    const keys = configKeys().filter((key) => key !== '$schema' && key !== 'description');
    expect(keys.length).toBeGreaterThan(75);
    expect([...rows.keys()].filter((key) => key !== '–').sort()).toEqual(keys.sort());
  });

  it.each([
    ['timeouts.connect', defaults.timeouts.connectMs],
    ['timeouts.initialize', defaults.timeouts.initializeMs],
    ['timeouts.list', defaults.timeouts.listMs],
    ['timeouts.call', defaults.timeouts.callMs],
    ['health.interval', defaults.health.intervalMs],
    ['health.timeout', defaults.health.timeoutMs],
  ])('tells the default of %s: %d ms', (key, ms) => {
    expect(rows.get(key)?.value).toBe(`\`${ms / 1000}s\``);
  });

  it('tells the bounds and the default of maxMessageBytes', () => {
    expect(rows.get('maxMessageBytes')?.value).toContain(`\`${defaults.maxMessageBytes}\``);
    expect(rows.get('maxMessageBytes')?.type).toContain(String(limits.maxMessageBytes));
  });

  it('shows an example that has no error and no warning', () => {
    const example = /```jsonc\n([\s\S]*?)```/.exec(text)![1]!;
    const document = JsoncDocument.parse('example', example);
    expect(document.problems).toEqual([]);
    expect(checkShape(document).issues).toEqual([]);
    expect(unknownKeys(document)).toEqual([]);
  });
});
