/** package-lock.json installs on every supported Node, from any registry, on every platform. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { satisfies } from './support/node-range.js';

interface Locked {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly engines?: { readonly node?: string } | readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')) as {
  packages: Record<string, Locked>;
};
const packages = Object.entries(lock.packages).filter(([path]) => path !== '');

/** The oldest supported, today's, and the ends of the two newer long-term lines (22 from its first release that has `require(esm)` everywhere). */
const nodeVersions = ['20.19.0', '20.20.2', '22.13.0', '22.23.3', '24.0.0', '24.21.0'];

/** What a package says about Node; some very old ones say it as an array, `["node >=0.6.0"]`. */
function nodeRange({ engines }: Locked): string {
  if (engines === undefined) return '*';
  if (!('node' in engines)) return Array.isArray(engines) ? engines.join(' ').replace(/^node\s*/, '') : '*';
  return engines.node ?? '*';
}

describe('package-lock.json', () => {
  it('has over 100 packages, so that the other tests look at something', () => {
    expect(packages.length).toBeGreaterThan(100);
  });

  it.each(nodeVersions)('holds only packages that run on Node %s', (version) => {
    const refusing = packages.filter(([, entry]) => !satisfies(version, nodeRange(entry)));
    expect(refusing.map(([path, entry]) => `${path}@${entry.version} wants Node ${nodeRange(entry)}`)).toEqual([]);
  });

  it('names no registry host: npm config set omit-lockfile-registry-resolved true', () => {
    expect(
      packages.filter(([, { resolved }]) => resolved !== undefined).map(([path, { resolved }]) => `${path}: ${resolved}`),
    ).toEqual([]);
  });

  it('has the checksum of every package', () => {
    expect(packages.filter(([, { integrity, link }]) => !link && !integrity).map(([path]) => path)).toEqual([]);
  });

  it('holds the builds of native packages for all platforms, or `npm ci` refuses it on some', () => {
    const missing = Object.entries(lock.packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies)
        .filter((name) => !isLocked(path, name))
        .map((name) => `${path} lacks ${name}`),
    );
    expect(missing).toEqual([]);
  });
});

/** Whether `name` is found from the package at `path`, as Node would look for it. */
function isLocked(path: string, name: string): boolean {
  for (let from = path; ; from = from.slice(0, Math.max(0, from.lastIndexOf('/node_modules/')))) {
    if (lock.packages[`${from === '' ? '' : `${from}/`}node_modules/${name}`] !== undefined) return true;
    if (from === '') return false;
  }
}

describe('satisfies', () => {
  it.each([
    ['20.19.0', '>=20.19', true],
    ['20.18.9', '>=20.19', false],
    ['22.12.9', '^20.19.0 || ^22.13.0 || >=23.5.0', false],
    ['22.13.0', '^20.19.0 || ^22.13.0 || >=23.5.0', true],
    ['24.0.0', '^20.19.0 || ^22.13.0', false],
    ['20.1.0', '18 || 20 || >=22', true],
    ['21.1.0', '18 || 20 || >=22', false],
    ['20.1.0', '10.* || >= 12.*', true],
    ['11.0.0', '10.* || >= 12.*', false],
    ['14.16.0', '>=16 || 14 >=14.17', false],
    ['14.17.0', '>=16 || 14 >=14.17', true],
    ['20.0.0', '*', true],
    ['20.0.0', '>20', false],
    ['21.0.0', '>20', true],
    ['20.9.9', '<=20', true],
    ['20.1.5', '~20.1.2', true],
    ['20.2.0', '~20.1.2', false],
    ['22.0.0', '>=18 <22', false],
    ['0.3.0', '^0.2.1', false],
    ['0.9.0', '^0', true],
    ['20.1.0', '20.x', true],
    ['1.2.3', '=1.2.3', true],
  ])('%s in %s: %s', (version, range, expected) => {
    expect(satisfies(version, range)).toBe(expected);
  });

  it('throws at a form it does not know', () => {
    expect(() => satisfies('20.0.0', 'lts')).toThrow('unknown form');
    expect(() => satisfies('20.0.0', '18 - 22')).toThrow('unknown form');
  });
});
