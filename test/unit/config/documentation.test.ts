/** docs/configuration.md says what the code does: every key, every default, every name of other programs. Its examples: test/doc-examples.test.ts. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { defaults, limits } from '../../../src/config/defaults.js';
import { sections } from '../../../src/config/dialect-sections.js';
import { entryNames } from '../../../src/config/dialect-signs.js';
import { configKeys } from '../../../src/config/json-schema.js';

const text = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');
const all = [
  .../\n## Keys of a server\n([\s\S]*?)\n## TOML\n/
    .exec(text)![1]!
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .flatMap(([, keys, type, value]) => keys!.split(', ').map((key) => [key.replaceAll('`', ''), { type, value }] as const)),
];
const rows = new Map(all);

describe('docs/configuration.md', () => {
  it('has one row for every one of over 75 keys, and no other', () => {
    const keys = configKeys().filter((key) => key !== '$schema' && key !== 'description');
    expect(keys.length).toBeGreaterThan(75);
    expect(all.map(([key]) => key).sort()).toEqual(keys.sort());
  });

  it.each([
    ['timeouts.connect', defaults.timeouts.connectMs],
    ['timeouts.initialize', defaults.timeouts.initializeMs],
    ['timeouts.list', defaults.timeouts.listMs],
    ['timeouts.call', defaults.timeouts.callMs],
    ['health.interval', defaults.health.intervalMs],
    ['health.timeout', defaults.health.timeoutMs],
    ['circuitBreaker.timeout', defaults.circuitBreaker.timeoutMs],
  ])('tells the default of %s: %d ms', (key, ms) => {
    expect(rows.get(key)?.value).toBe(`\`${ms / 1000}s\``);
  });

  it.each(Object.entries(defaults.circuitBreaker).filter(([key]) => key !== 'tools' && key !== 'timeoutMs'))(
    'tells the default of circuitBreaker.%s: %d',
    (key, value) => {
      expect(rows.get(`circuitBreaker.${key}`)?.value).toBe(`\`${value}\``);
    },
  );

  it('tells the bounds and the default of maxMessageBytes', () => {
    expect(rows.get('maxMessageBytes')?.value).toContain(`\`${defaults.maxMessageBytes}\``);
    expect(rows.get('maxMessageBytes')?.type).toContain(String(limits.maxMessageBytes));
  });

  it('names every key of other programs that is read under another name, and every section for all servers', () => {
    const other = text.slice(text.indexOf('## Files of other programs'), text.indexOf('## Errors'));
    const words = new Set([...other.matchAll(/`([^`]+)`/g)].flatMap(([, code]) => code!.match(/\w+/g) ?? []));
    const keys = [...Object.keys(entryNames), ...Object.keys(sections), ...Object.values(sections).flatMap(Object.keys)];
    expect(keys.length).toBeGreaterThan(50);
    expect(keys.filter((key) => !words.has(key))).toEqual([]);
  });
});
