/** Which era is tried first, from the configuration and what is remembered. */
import type { DiscoverResult } from '@modelcontextprotocol/client';
import { describe, expect, it } from 'vitest';
import { McpctlError } from '../../../src/core/errors.js';
import { type EraVerdict, isStaleVerdict, planEra } from '../../../src/mcp/era.js';

const now = new Date('2026-11-20T12:00:00Z');
const hoursAgo = (hours: number) => now.getTime() - hours * 3_600_000;
const discover = { supportedVersions: ['2026-07-28'], capabilities: {} } as unknown as DiscoverResult;
const modern = (at: number): EraVerdict => ({ kind: 'modern', transport: 'http', discover, at });
const legacy = (at: number): EraVerdict => ({ kind: 'legacy', transport: 'stdio', at });

describe('auto', () => {
  it.each([
    ['nothing remembered', undefined, 'ask'],
    ['legacy 23 h ago', legacy(hoursAgo(23)), 'legacy'],
    ['modern 23 h ago', modern(hoursAgo(23)), 'modern'],
    ['legacy exactly 24 h ago', legacy(hoursAgo(24)), 'ask'],
    ['modern 25 h ago', modern(hoursAgo(25)), 'ask'],
    ['legacy from 25 h in the future, by a clock that was wrong', legacy(hoursAgo(-25)), 'ask'],
  ])('%s', (_name, remembered, kind) => {
    expect(planEra('auto', remembered, now).kind).toBe(kind);
  });

  it('hands on the stored answer unchanged', () => {
    expect(planEra('auto', modern(hoursAgo(1)), now)).toEqual({ kind: 'modern', discover });
  });

  it.each([
    ['nothing', undefined],
    ['no versions', {}],
    ['a text for versions', { supportedVersions: '2026-07-28', capabilities: {} }],
    ['versions we do not speak', { supportedVersions: ['2031-01-01'], capabilities: {} }],
    ['no capabilities', { supportedVersions: ['2026-07-28'], capabilities: null }],
    ['capabilities of another kind', { supportedVersions: ['2026-07-28'], capabilities: 'all' }],
  ])('asks again when the stored answer of a modern server holds %s', (_name, stored) => {
    const remembered = { ...modern(hoursAgo(1)), discover: stored as unknown as DiscoverResult };
    expect(planEra('auto', remembered, now)).toEqual({ kind: 'ask' });
  });
});

describe('a choice of the configuration', () => {
  it('legacy is not changed by what is remembered', () => {
    expect(planEra('legacy', modern(hoursAgo(1)), now)).toEqual({ kind: 'legacy' });
  });

  it('modern uses the stored answer while fresh, and never falls back', () => {
    expect(planEra('modern', modern(hoursAgo(1)), now).kind).toBe('modern');
    expect(planEra('modern', modern(hoursAgo(25)), now).kind).toBe('pin-modern');
    expect(planEra('modern', legacy(hoursAgo(1)), now).kind).toBe('pin-modern');
    expect(planEra('modern', undefined, now).kind).toBe('pin-modern');
  });
});

describe('isStaleVerdict', () => {
  it.each([
    [{ rpcCode: -32601 }, true],
    [{ rpcCode: -32022 }, true],
    [{ status: 400 }, true],
    [{ status: 404 }, true],
    [{ status: 401 }, false],
    [{ status: 500 }, false],
    [{ reason: 'refused' }, false],
    [undefined, false],
  ])('%j: %s', (details, expected) => {
    expect(isStaleVerdict(new McpctlError('PROTOCOL', 'x', { details }))).toBe(expected);
  });

  it('is false for what is no error of ours', () => {
    expect(isStaleVerdict(new Error('x'))).toBe(false);
  });
});
