/** Approvals: for one exact definition in one place, whoever asks for them and however many at once. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables as users write them in a file
import { readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { approveProposal, readProposal, readProposals, revokeApproval } from '../../src/config/proposal.js';
import { systemClock } from '../../src/core/clock.js';
import { childScript } from '../support/child-script.js';
import { loadFor, serverOf } from '../support/load-config.js';
import { type TempHome, tempHome } from '../support/temp-home.js';

const access = { clock: systemClock, pid: process.pid };
const projectOf = (home: TempHome) => ({ root: home.projectDir, file: join(home.projectDir, '.mcp.json') });
const write = (home: TempHome, mcpServers: object) => home.write('project/.mcp.json', { mcpServers });
const propose = (home: TempHome, server = 'a') => readProposal(projectOf(home), server, home.configDir, access);
const settingsOf = async (home: TempHome) => JSON.parse(await readFile(join(home.configDir, 'settings.json'), 'utf8'));

async function approve(home: TempHome, server = 'a'): Promise<void> {
  await approveProposal(await propose(home, server), home.configDir, access);
}

const program = {
  type: 'stdio',
  command: '/bin/cat',
  args: ['-u', 'one', 'two'],
  cwd: '.',
  env: { A: '1', B: '${T:-x}' },
  stop: { command: ['/bin/true'] },
  tools: { include: ['a'] },
  enabled: true,
  later: { deep: [1, { key: 'value' }] },
};
const address = { type: 'http', url: 'https://x.example/mcp', headers: { 'X-A': '1', 'X-B': '2' }, ca: 'ca.pem', oauth: {} };

describe('an approval', () => {
  it.each<[string, object, object]>([
    ['type', program, { ...program, type: 'auto' }],
    ['transport instead of type', program, { ...program, type: undefined, transport: 'stdio' }],
    ['command', program, { ...program, command: '/bin/dog' }],
    ['command, by a space', program, { ...program, command: '/bin/cat ' }],
    ['first argument', program, { ...program, args: ['-x', 'one', 'two'] }],
    ['second argument', program, { ...program, args: ['-u', 'One', 'two'] }],
    ['third argument', program, { ...program, args: ['-u', 'one', 'two\u200b'] }],
    ['arguments, one added', program, { ...program, args: ['-u', 'one', 'two', ''] }],
    ['arguments, one removed', program, { ...program, args: ['-u', 'one'] }],
    ['arguments, two in another order', program, { ...program, args: ['-u', 'two', 'one'] }],
    ['arguments, two joined', program, { ...program, args: ['-u', 'one two'] }],
    ['arguments, none', program, { ...program, args: undefined }],
    ['cwd', program, { ...program, cwd: '..' }],
    ['cwd, gone', program, { ...program, cwd: undefined }],
    ['env, a name', program, { ...program, env: { A2: '1', B: '${T:-x}' } }],
    ['env, a value', program, { ...program, env: { A: '2', B: '${T:-x}' } }],
    ['env, a variable', program, { ...program, env: { A: '1', B: '${S:-x}' } }],
    ['env, the default of a variable', program, { ...program, env: { A: '1', B: '${T:-y}' } }],
    ['env, one added', program, { ...program, env: { ...program.env, C: '' } }],
    ['stop.command', program, { ...program, stop: { command: ['/bin/false'] } }],
    ['tools', program, { ...program, tools: { include: ['b'] } }],
    ['enabled', program, { ...program, enabled: false }],
    ['a value in a key nobody knows', program, { ...program, later: { deep: [1, { key: 'Value' }] } }],
    ['a new key nobody knows', program, { ...program, unheardOf: null }],
    ['an ignored key', program, { ...program, inheritEnv: true }],
    ['a timeout', program, { ...program, timeouts: { call: '1s' } }],
    ['from a program to an address', program, address],
    ['type of an address', address, { ...address, type: 'sse' }],
    ['url', address, { ...address, url: 'https://y.example/mcp' }],
    ['url, by its case', address, { ...address, url: 'https://X.example/mcp' }],
    ['url, by a variable', address, { ...address, url: 'https://x.example/${T}' }],
    ['header, a name', address, { ...address, headers: { 'X-C': '1', 'X-B': '2' } }],
    ['header, the case of a name', address, { ...address, headers: { 'x-a': '1', 'X-B': '2' } }],
    ['header, a value', address, { ...address, headers: { 'X-A': '1 ', 'X-B': '2' } }],
    ['header, gone', address, { ...address, headers: { 'X-A': '1' } }],
    ['ca', address, { ...address, ca: 'other.pem' }],
    ['oauth', address, { ...address, oauth: { scopes: ['x'] } }],
  ])('does not hold for a change of %s, and holds again when it is taken back', async (_what, before, after) => {
    await using home = await tempHome();
    const stateOf = async (entry: object) => {
      await write(home, { a: entry });
      const { approval, problem } = serverOf(await loadFor(home), 'a');
      return problem?.code === 'UNTRUSTED' ? approval : 'approved';
    };
    await write(home, { a: before });
    await approve(home);
    expect(await stateOf(before)).toBe('approved');
    expect(await stateOf(after)).toBe('changed');
    expect((await propose(home)).state).toBe('changed');
    expect(await stateOf(before)).toBe('approved');
  });

  it('holds for the same definition in another order of keys, with comments and other spaces', async () => {
    await using home = await tempHome();
    await write(home, { a: { command: '/bin/cat', env: { A: '1', B: '2' } } });
    await approve(home);
    await home.write(
      'project/.mcp.json',
      '{ // changed\n"mcpServers": {"a": {"env": {"B": "2",\n "A": "1"}, "command": "\\u002fbin/cat",}, "b": { "command": "x" } } }',
    );
    expect(serverOf(await loadFor(home), 'a').approval).toBe('approved');
    expect(serverOf(await loadFor(home), 'b').approval).toBe('missing');
  });

  it('holds for no other name, not even when two names change places', async () => {
    await using home = await tempHome();
    await write(home, { a: { command: '/bin/a' }, b: { command: '/bin/b' } });
    await approve(home, 'a');
    await approve(home, 'b');
    await write(home, { a: { command: '/bin/b' }, b: { command: '/bin/a' }, c: { command: '/bin/a' } });
    const { servers } = await loadFor(home);
    expect([...servers.values()].map(({ name, approval }) => [name, approval])).toEqual([
      ['a', 'changed'],
      ['b', 'changed'],
      ['c', 'missing'],
    ]);
  });

  it('holds for no other place: a copy and a moved project ask again', async () => {
    await using home = await tempHome();
    const file = await write(home, { a: { command: '/bin/cat' } });
    await approve(home);
    await home.write('copy/.mcp.json', await readFile(file, 'utf8'));
    expect(serverOf(await loadFor(home, { cwd: join(home.path, 'copy') }), 'a').approval).toBe('missing');
    // The old place, with something else in it.
    await rename(home.projectDir, join(home.path, 'moved'));
    expect(serverOf(await loadFor(home, { cwd: join(home.path, 'moved') }), 'a').approval).toBe('missing');
    // Whoever carries the stored fingerprint over finds that it is of the old place.
    const settings = await settingsOf(home);
    settings.approvals[join(home.path, 'moved', '.mcp.json')] = settings.approvals[file];
    await writeFile(join(home.configDir, 'settings.json'), JSON.stringify(settings));
    expect(serverOf(await loadFor(home, { cwd: join(home.path, 'moved') }), 'a').approval).toBe('changed');
  });

  it('is stored with its time and the entry as it was, 0600, and goes without a trace', async () => {
    await using home = await tempHome();
    const file = await write(home, { a: program });
    const proposal = await propose(home);
    await approveProposal(proposal, home.configDir, access);
    const { fingerprint } = proposal;
    const approvedAt = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    expect(await settingsOf(home)).toEqual({ approvals: { [file]: { a: { fingerprint, approvedAt, entry: program } } } });
    expect((await stat(join(home.configDir, 'settings.json'))).mode & 0o777).toBe(0o600);
    expect(await revokeApproval(projectOf(home), 'a', home.configDir, access)).toBe(true);
    expect(await revokeApproval(projectOf(home), 'a', home.configDir, access)).toBe(false);
    expect(await settingsOf(home)).toEqual({ approvals: {} });
    expect(await readdir(home.configDir)).toEqual(['settings.json']);
  });

  it('is refused when the definition changes between the look and the yes; nothing is stored', async () => {
    await using home = await tempHome();
    await write(home, { a: { command: '/bin/cat' } });
    const shown = await propose(home);
    await write(home, { a: { command: '/bin/evil' } });
    await expect(approveProposal(shown, home.configDir, access)).rejects.toMatchObject({
      code: 'UNTRUSTED',
      message: expect.stringContaining('has changed while you looked at it'),
    });
    await write(home, {});
    await expect(approveProposal(shown, home.configDir, access)).rejects.toMatchObject({ code: 'UNTRUSTED' });
    expect(await readdir(home.configDir)).toEqual([]);
  });

  it('fails with CONFIG_INVALID and the reason when the settings cannot be written, or would become too large to be read', async () => {
    await using home = await tempHome();
    await write(home, { a: { command: '/bin/cat' } });
    const blocked = join(await home.write('blocker', ''), 'below');
    await expect(approveProposal(await propose(home), blocked, access)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      server: 'a',
      message: expect.stringContaining('ENOTDIR'),
    });
    const settings = JSON.stringify({ theme: 'x'.repeat(4 * 1024 ** 2 - 100) });
    await home.write('config/settings.json', settings);
    await expect(approve(home)).rejects.toMatchObject({ code: 'CONFIG_INVALID', hint: expect.stringContaining('trust revoke') });
    expect(await readFile(join(home.configDir, 'settings.json'), 'utf8')).toBe(settings);
  });

  it('is refused for a definition over 64 KiB, which nobody reads', async () => {
    await using home = await tempHome();
    await write(home, { a: { command: '/bin/cat', args: ['x'.repeat(64 * 1024)] } });
    await expect(approve(home)).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('64 KiB') });
  });

  it.each(['{ "approvals": { "FILE": { "a": "yes" } } }', '{ "approvals": { "FILE": true } }', '{ "approvals": [] }'])(
    'is none in settings of another shape: %s',
    async (settings) => {
      await using home = await tempHome();
      const file = await write(home, { a: { command: '/bin/cat' } });
      await home.write('config/settings.json', settings.replace('FILE', file));
      expect(serverOf(await loadFor(home), 'a').approval).toBe('missing');
      await approve(home);
      expect(serverOf(await loadFor(home), 'a').approval).toBe('approved');
    },
  );

  it('is given by each of 12 processes at once: 12 of 12 count, overrides and other settings stay', async () => {
    await using home = await tempHome();
    const names = Array.from({ length: 12 }, (_, n) => `s${n}`);
    await write(home, Object.fromEntries(names.map((name) => [name, { command: `/bin/${name}` }])));
    await home.write('config/settings.json', { theme: 'dark', overrides: { x: { y: { enabled: false } } } });
    const run = await childScript(
      home,
      `import { approveProposal, readProposal } from './config/proposal.js';
       const [, , root, dir, server] = process.argv as string[];
       const project = { root: root!, file: root + '/.mcp.json' };
       await approveProposal(await readProposal(project, server!, dir!, {}), dir!, { timeoutMs: 60_000 });`,
    );
    const results = await Promise.all(names.map((name) => run(home.projectDir, home.configDir, name).finished));
    expect(results.filter((result) => result.code !== 0)).toEqual([]);
    const config = await loadFor(home);
    expect([...config.servers.values()].filter(({ approval }) => approval === 'approved')).toHaveLength(12);
    expect(await settingsOf(home)).toMatchObject({ theme: 'dark', overrides: { x: { y: { enabled: false } } } });
  });
});

describe('the list of proposals', () => {
  it('has every server of the file and those that were approved and are gone from it', async () => {
    await using home = await tempHome();
    await write(home, { a: { command: 'x' }, b: { command: 'x' }, c: { command: 'x' } });
    await approve(home, 'a');
    await approve(home, 'b');
    await write(home, { b: { command: 'y' }, c: { command: 'x' } });
    const proposals = await readProposals(projectOf(home), home.configDir, access);
    expect(proposals.map(({ server, state }) => [server, state])).toEqual([
      ['b', 'changed'],
      ['c', 'missing'],
      ['a', 'removed'],
    ]);
    await expect(propose(home, 'd')).rejects.toMatchObject({ code: 'UNKNOWN_SERVER', details: { servers: ['b', 'c', 'a'] } });
  });

  it('says with file, line and column what is wrong with a broken file', async () => {
    await using home = await tempHome();
    const file = await home.write('project/.mcp.json', '{ "mcpServers": { "a": ');
    await expect(propose(home)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(`${file}:1:`),
    });
  });
});
