/** Protocol eras over stdio: which servers are asked, how many processes that costs, and what the next run knows. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { failure, rig, timed } from '../fixtures/http-rig.js';
import { type TempHome, tempHome } from '../support/temp-home.js';

const program = fileURLToPath(new URL('../fixtures/servers/stdio-era.mjs', import.meta.url));

/** One one-shot call of `echo`; the messages that the server heard, process by process. */
async function run(home: TempHome, definition: Record<string, unknown> = {}, call = true) {
  const log = join(home.path, 'log');
  await writeFile(log, '');
  const server = { command: process.execPath, args: [program, home.path], ...definition };
  let era: string | undefined;
  let error: unknown;
  {
    await using it = await rig(server, { home });
    try {
      if (call) expect(await it.call('echo', { message: 'hi' })).toBe('hi');
      else await it.connect();
    } catch (reason) {
      error = reason;
    }
    era = it.status().protocol?.era;
  }
  const processes = new Map<string, string[]>();
  for (const line of (await readFile(log, 'utf8')).trim().split('\n')) {
    const [pid = '', what = ''] = line.split(' ');
    if (what === 'started') processes.set(pid, []);
    else if (what !== 'notifications/initialized') processes.get(pid)?.push(what);
  }
  if (error !== undefined && call) throw error;
  return { era, error, heard: [...processes.values()] };
}

async function homeWith(era: string) {
  const home = await tempHome();
  await home.write('era', era);
  return home;
}

describe('an unknown server', () => {
  it.each(['legacy', 'legacy-32602'])(
    'that refuses the question (%s) is used as it is: 1 process; the next run does not ask',
    async (era) => {
      await using home = await homeWith(era);
      expect(await run(home)).toMatchObject({ era: 'legacy', heard: [['server/discover', 'initialize', 'tools/call']] });
      expect(await run(home)).toMatchObject({ era: 'legacy', heard: [['initialize', 'tools/call']] });
    },
  );

  it('of the new era takes 1 process, and 1 message in the next run', async () => {
    await using home = await homeWith('modern');
    const first = await run(home);
    expect(first.era).toBe('modern');
    expect(first.heard).toHaveLength(1);
    expect(first.heard[0]?.[0]).toBe('server/discover');
    expect(first.heard[0]).toContain('tools/call');
    expect(await run(home)).toMatchObject({ era: 'modern', heard: [['tools/call']] });
  });

  it('of both eras is spoken to in the new one', async () => {
    await using home = await homeWith('both');
    expect((await run(home)).era).toBe('modern');
  });

  it('that exits at the question gets a fresh process; the next run starts exactly 1', async () => {
    await using home = await homeWith('exits');
    expect(await run(home)).toMatchObject({ era: 'legacy', heard: [['server/discover'], ['initialize', 'tools/call']] });
    expect(await run(home)).toMatchObject({ era: 'legacy', heard: [['initialize', 'tools/call']] });
  });

  it('that ignores the question is taken for an old one after 3 s, in the same process', async () => {
    await using home = await homeWith('ignores');
    const { value, ms } = await timed(run(home));
    expect(value).toMatchObject({ era: 'legacy', heard: [['server/discover', 'initialize', 'tools/call']] });
    expect(ms).toBeGreaterThan(2900);
    expect(ms).toBeLessThan(4500);
    expect((await timed(run(home))).ms).toBeLessThan(1500);
  });

  it('that is deaf after the question gets a fresh process at half of its time (2 of 4 s)', async () => {
    await using home = await homeWith('deafens');
    const timeouts = { initialize: '4s' };
    const { value, ms } = await timed(run(home, { timeouts }));
    expect(value.era).toBe('legacy');
    expect(value.heard).toHaveLength(2);
    expect(value.heard[1]).toEqual(['initialize', 'tools/call']);
    expect(ms).toBeLessThan(4000);
    expect((await run(home, { timeouts })).heard).toEqual([['initialize', 'tools/call']]);
  });
});

describe('a known server that has changed', () => {
  it('from new to old, so lenient that it runs a call in the wrong era: 1 execution, told as unknown; the next run is in order', async () => {
    await using home = await homeWith('modern');
    await run(home);
    await home.write('era', 'legacy');
    const error = await failure(run(home));
    expect(error).toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      server: 'it',
      delivered: 'maybe',
      details: { reason: 'era-changed' },
    });
    const heard = await readFile(join(home.path, 'log'), 'utf8');
    expect(heard.match(/tools\/call/g)).toHaveLength(1);
    expect(await run(home)).toMatchObject({ era: 'legacy', heard: [['server/discover', 'initialize', 'tools/call']] });
  });

  it.each(['legacy', 'legacy-32602', 'exits'])(
    'from new to %s, met by a manager: verified, dropped and connected anew without an error',
    async (era) => {
      await using home = await homeWith('modern');
      await run(home);
      await home.write('era', era);
      await using it = await rig({ command: process.execPath, args: [program, home.path] }, { home, longLived: true });
      await it.manager.connectAll(['it'], new AbortController().signal);
      expect(it.status()).toMatchObject({ status: 'connected', protocol: { era: 'legacy' }, tools: 1 });
      expect(it.events.filter((event) => event.type === 'server-state' && event.to === 'error')).toEqual([]);
    },
  );
});

describe('protocol: legacy|modern', () => {
  it('legacy asks nothing of a server of both eras: 1 process', async () => {
    await using home = await homeWith('both');
    expect(await run(home, { protocol: 'legacy' })).toMatchObject({ era: 'legacy', heard: [['initialize', 'tools/call']] });
  });

  it('modern is PROTOCOL with an old server, which hears no initialize', async () => {
    await using home = await homeWith('legacy');
    const { error, heard } = await run(home, { protocol: 'modern' }, false);
    expect(error).toMatchObject({ code: 'PROTOCOL', server: 'it' });
    expect(heard).toEqual([['server/discover']]);
  });

  it('legacy is an error with a server that speaks the new protocol only', async () => {
    await using home = await homeWith('modern');
    const error = await failure(run(home, { protocol: 'legacy' }));
    expect(error.server).toBe('it');
    expect(['PROTOCOL', 'REQUEST_REFUSED']).toContain(error.code);
  });
});
