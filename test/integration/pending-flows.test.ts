/** Logins that are finished later: what lies on the disk, for how long, and for whom it is of use. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PendingFlows } from '../../src/auth/pending-flows.js';
import { FakeClock } from '../support/fake-clock.js';
import { tempHome } from '../support/temp-home.js';

const content = { verifier: 'cnry-verifier', state: 'cnry-state', client: { clientSecret: 'cnry-secret' } };

async function setUp() {
  const home = await tempHome();
  const clock = new FakeClock();
  const flows = new PendingFlows({ stateDir: home.stateDir, clock });
  const folder = join(home.stateDir, 'logins');
  return {
    home,
    clock,
    flows,
    folder,
    files: () => readdirSync(folder),
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

const noFlow = { code: 'USAGE', details: { reason: 'no-flow' } };

describe('a flow that is kept', () => {
  it('is read by its name in another process, for 10 minutes', async () => {
    await using it = await setUp();
    const { flow, expiresAt } = await it.flows.keep(content);
    expect(flow).toMatch(/^[0-9a-f]{64}$/);
    expect(expiresAt).toBe('2026-01-01T00:10:00.000Z');
    const other = new PendingFlows({ stateDir: it.home.stateDir, clock: it.clock });
    await it.clock.advance(599_999);
    expect((await other.read(flow)).content).toEqual(content);
    await it.clock.advance(1);
    await expect(other.read(flow)).rejects.toMatchObject(noFlow);
  });

  it('lies in one file for the owner alone, in which neither its name nor anything of it can be read', async () => {
    await using it = await setUp();
    const { flow } = await it.flows.keep(content);
    const [name, ...others] = it.files();
    expect(others).toEqual([]);
    const file = join(it.folder, name!);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(it.folder).mode & 0o777).toBe(0o700);
    const text = `${name} ${readFileSync(file, 'utf8')}`;
    const { sealed } = JSON.parse(readFileSync(file, 'utf8')) as { sealed: string };
    expect(text + Buffer.from(sealed, 'base64').toString('latin1')).not.toMatch(/cnry/);
    for (let from = 0; from + 16 <= flow.length; from += 8) expect(text).not.toContain(flow.slice(from, from + 16));
  });

  it('goes with the next start when it is over, claimed ones and damaged ones too; others stay', async () => {
    await using it = await setUp();
    await it.flows.keep(content);
    const { flow } = await it.flows.keep(content);
    await it.flows.claim(flow);
    writeFileSync(join(it.folder, 'damaged.json'), '{');
    await it.clock.advance(300_000);
    const young = await it.flows.keep(content);
    await it.clock.advance(300_001);
    const youngest = await it.flows.keep(content);
    expect(it.files()).toHaveLength(2);
    for (const kept of [young, youngest]) expect((await it.flows.read(kept.flow)).content).toEqual(content);
  });

  it.each([
    ['another name', '0'.repeat(64)],
    ['no name', ''],
    ['a path', '../../../../etc/passwd'],
    ['capital letters', 'A'.repeat(64)],
  ])('is not found by %s', async (_, flow) => {
    await using it = await setUp();
    await it.flows.keep(content);
    await expect(it.flows.read(flow)).rejects.toMatchObject(noFlow);
  });

  it('that somebody changed, or made to live longer, is none', async () => {
    await using it = await setUp();
    const { flow, expiresAt } = await it.flows.keep(content);
    const file = join(it.folder, it.files()[0]!);
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace(expiresAt, '2027-01-01T00:00:00.000Z'));
    await expect(it.flows.read(flow)).rejects.toMatchObject(noFlow);
    const { sealed } = JSON.parse(text) as { sealed: string };
    writeFileSync(file, text.replace(sealed, `AAAA${sealed.slice(4)}`));
    await expect(it.flows.read(flow)).rejects.toMatchObject(noFlow);
    writeFileSync(file, text);
    expect((await it.flows.read(flow)).content).toEqual(content);
  });

  it('is finished by one of 20 that try, and once', async () => {
    await using it = await setUp();
    const { flow } = await it.flows.keep(content);
    const tries = await Promise.allSettled(Array.from({ length: 20 }, () => it.flows.claim(flow)));
    const won = tries.filter(({ status }) => status === 'fulfilled');
    expect(won).toHaveLength(1);
    const [claimed] = won.map((result) => (result as PromiseFulfilledResult<Awaited<ReturnType<PendingFlows['claim']>>>).value);
    await expect(it.flows.read(flow)).rejects.toMatchObject(noFlow);
    await claimed!.putBack();
    expect((await it.flows.read(flow)).content).toEqual(content);
    await (await it.flows.claim(flow)).remove();
    expect(it.files()).toEqual([]);
  });

  it('that cannot be written is AUTH_FAILED with the folder to look at', async () => {
    await using home = await tempHome();
    const stateDir = await home.write('a-file', 'x');
    const flows = new PendingFlows({ stateDir, clock: new FakeClock() });
    await expect(flows.keep(content)).rejects.toMatchObject({ code: 'AUTH_FAILED', hint: expect.stringContaining(stateDir) });
  });
});
