/** Which scopes a login asks for, from every combination of those who name some. */
import { describe, expect, it } from 'vitest';
import { type ScopeSources, scopesToAsk } from '../../../src/auth/scopes.js';

const as = (resourceScopes: string[] | null, offersOffline = false) =>
  ({ resourceScopes, metadata: { scopes_supported: offersOffline ? ['offline_access'] : [] } }) as ScopeSources['as'];

const nothing: ScopeSources = { wished: null, earlier: [], challenged: [], configured: null, as: as([]), renewable: true };

describe('scopesToAsk', () => {
  it.each<[string, Partial<ScopeSources>, string[]]>([
    ['nobody names any', {}, []],
    ['the server alone names some, in its metadata', { as: as(['a', 'b']) }, ['a', 'b']],
    ['nobody but the provider names some', { as: as(null) }, []],
    ['the challenge does', { challenged: ['c'], as: as(['a']) }, ['c']],
    ['challenge and configuration do', { challenged: ['c'], configured: ['d', 'c'], as: as(['a']) }, ['c', 'd']],
    ['a login was there, and a call needed more', { earlier: ['a', 'b'], challenged: ['a'], as: as(['z']) }, ['a', 'b']],
    ['a person wishes some', { wished: ['w'], earlier: ['a'], challenged: ['c'], configured: ['d'], as: as(['z']) }, ['w']],
    ['offline_access is offered', { challenged: ['c'], as: as([], true) }, ['c', 'offline_access']],
    ['it is offered and nothing else is named', { as: as([], true) }, []],
    ['it is offered to a machine', { challenged: ['c'], as: as([], true), renewable: false }, ['c']],
  ])('when %s', (_, sources, expected) => {
    expect(scopesToAsk({ ...nothing, ...sources })).toEqual(expected);
  });
});
