/** The codes and the chain of `doctor`: what is documented exists, what is needed is waited for, what takes too long is ended. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { McpctlError } from '../../../../src/core/errors.js';
import { type Check, found, runChain } from '../../../../src/manager/doctor/chain.js';
import { doctorCodes, errorCodeOf, verdictOf } from '../../../../src/manager/doctor/codes.js';
import { httpSteps, programSteps } from '../../../../src/manager/doctor/doctor.js';
import { checkClock, checkNode, machineChecks, oldestNode, storeFinding } from '../../../../src/manager/doctor/machine-checks.js';
import { FakeClock } from '../../../support/fake-clock.js';

const root = new URL('../../../../', import.meta.url);
const page = readFileSync(new URL('docs/doctor.md', root), 'utf8');

describe('docs/doctor.md', () => {
  it('has a row for each code, with its verdict and its error code, and no other row', () => {
    const rows = [...page.matchAll(/^\| `([A-Z_]+)` \| (\w+)(?:, `([A-Z_]+)`)? \|/gm)];
    const told = Object.fromEntries(rows.map(([, code, verdict, error]) => [code, [verdict, error]]));
    const expected = Object.keys(doctorCodes).map((name) => {
      const code = name as keyof typeof doctorCodes;
      return [code, [verdictOf(code), errorCodeOf(code)]];
    });
    expect(told).toEqual(Object.fromEntries(expected));
  });

  it('names every step', () => {
    for (const { step } of [...programSteps, ...httpSteps, ...machineChecks]) expect(page).toContain(`\`${step}\``);
  });
});

describe('the lists of checks', () => {
  it.each([
    ['of a program', programSteps],
    ['of a server over HTTP', httpSteps],
  ])('%s name each step once, and need only steps before it', (_, checks) => {
    const before: string[] = [];
    for (const { step, needs = [] } of checks) {
      expect(before).toEqual(expect.arrayContaining([...needs]));
      expect(before).not.toContain(step);
      before.push(step);
    }
  });
});

describe('runChain', () => {
  const { signal } = new AbortController();
  const run = (checks: readonly Check<null>[], clock = new FakeClock(), stop = signal) =>
    runChain(checks, null, { clock, signal: stop });

  it('skips what needs a failed step, and what needs the skipped one, and names the first of them; what was not needed blocks nothing', async () => {
    const steps = await run([
      { step: 'a', limitMs: 10, run: () => found('TCP_REFUSED', 'no') },
      { step: 'b', needs: ['a'], limitMs: 10, run: () => found('OK', 'never') },
      { step: 'c', needs: ['b'], limitMs: 10, run: () => found('OK', 'never') },
      { step: 'd', limitMs: 10, run: () => found('NOT_NEEDED', 'no') },
      { step: 'e', needs: ['d'], limitMs: 10, run: () => found('OK', 'yes') },
    ]);
    expect(steps.map(({ code }) => code)).toEqual(['TCP_REFUSED', 'SKIPPED', 'SKIPPED', 'NOT_NEEDED', 'OK']);
    expect(steps[2]).toMatchObject({ finding: 'not looked at: a failed', verdict: 'skipped', fix: null });
  });

  it('ends a check at its limit of 3 s, although it does not listen, with the code it has for that', async () => {
    const clock = new FakeClock();
    const hangs = () => new Promise<never>(() => {});
    const running = run(
      [
        { step: 'a', limitMs: 3_000, onLimit: 'DNS_TIMEOUT', run: hangs },
        { step: 'b', limitMs: 1_000, run: hangs },
      ],
      clock,
    );
    await clock.advance(3_000);
    await clock.advance(1_000);
    expect(await running).toMatchObject([
      { code: 'DNS_TIMEOUT', verdict: 'failed', finding: 'no end within 3 s', ms: 3_000 },
      { code: 'STEP_TIMEOUT', verdict: 'failed' },
    ]);
  });

  it('makes a finding of what a check throws, and goes on', async () => {
    const steps = await run([
      { step: 'a', limitMs: 10, run: () => Promise.reject(new McpctlError('PROTOCOL', 'odd', { hint: 'do this' })) },
      { step: 'b', limitMs: 10, run: () => Promise.reject(new Error('odder')) },
    ]);
    expect(steps).toMatchObject([
      { code: 'STEP_FAILED', finding: 'odd', fix: 'do this' },
      { code: 'STEP_FAILED', finding: 'odder' },
    ]);
  });

  it('ends with the reason of the signal, in the middle of a check', async () => {
    const stop = new AbortController();
    const running = run([{ step: 'a', limitMs: 10, run: () => new Promise<never>(() => {}) }], new FakeClock(), stop.signal);
    stop.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
  });
});

describe('the machine', () => {
  it(`needs the Node of package.json`, () => {
    const { engines } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as { engines: { node: string } };
    expect(`>=${oldestNode.replace(/\.0$/, '')}`).toBe(engines.node);
    expect(['20.18.3', '20.19.0', '18.20.0', '24.1.0'].map((version) => checkNode(version).code)).toEqual([
      'NODE_TOO_OLD',
      'OK',
      'NODE_TOO_OLD',
      'OK',
    ]);
  });

  it('has a clock that is wrong when any server asked is more than 5 minutes away', () => {
    const at = (...minutes: number[]) => checkClock({ skews: minutes.map((m) => ({ host: 'a', aheadMs: m * 60_000 })) }).code;
    expect([at(), at(0, 5), at(-5), at(0, 5.1), at(-6)]).toEqual(['NOT_NEEDED', 'OK', 'OK', 'CLOCK_SKEW', 'CLOCK_SKEW']);
  });

  it('tells a keychain that is locked, silent and broken apart', () => {
    const code = (reason: string | null) =>
      storeFinding({
        ...{ mode: 'auto', store: 'keychain', file: null, key: null, reason: null },
        problem: { code: 'CREDENTIAL_STORE', message: 'no', hint: null, reason },
      }).code;
    expect([code('locked'), code('silent'), code('failed'), code(null)]).toEqual([
      'KEYCHAIN_LOCKED',
      'KEYCHAIN_SILENT',
      'STORE_FAILED',
      'STORE_FAILED',
    ]);
  });
});
