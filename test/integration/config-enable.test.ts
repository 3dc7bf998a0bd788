/** `enable` and `disable` for good: in the user's file, or beside files that are not ours to write. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables as users write them in a file
import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, realpath, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { JsoncDocument } from '../../src/config/document.js';
import { setServerEnabled } from '../../src/config/set-enabled.js';
import { setEnabled } from '../../src/config/user-file.js';
import { systemClock } from '../../src/core/clock.js';
import { childScript } from '../support/child-script.js';
import { loadFor, serverOf } from '../support/load-config.js';
import { needs } from '../support/needs.js';
import { type TempHome, tempHome } from '../support/temp-home.js';

const access = { clock: systemClock, pid: process.pid };
const settingsOf = async (home: TempHome) => JSON.parse(await readFile(join(home.configDir, 'settings.json'), 'utf8'));

describe('a server of the user’s file', () => {
  it('is switched in the file: 0600, comments and unknown keys kept, byte order mark kept, no lock left', async () => {
    await using home = await tempHome();
    const before =
      '\uFEFF// mine\n{\n  "mcpServers": {\n    // files\n    "a": {\n      "command": "x", // program\n      "future": [1, 2],\n    },\n  },\n}\n';
    const file = await home.writeConfig(before);
    await chmod(file, 0o644);
    const config = await loadFor(home);
    expect(await setServerEnabled(config, serverOf(config, 'a'), false, access)).toEqual({ file, warning: null });
    expect(await readFile(file, 'utf8')).toBe(before.replace('"a": {\n', '"a": {\n      "enabled": false,\n'));
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(home.configDir)).toEqual(['config.json']);

    const after = serverOf(await loadFor(home), 'a');
    expect(after).toMatchObject({ enabled: false, enabledInFile: false });
    expect(await setServerEnabled(config, after, false, access)).toEqual({ file: null, warning: null });
    expect(await setServerEnabled(config, after, true, access)).toEqual({ file, warning: null });
    expect(serverOf(await loadFor(home), 'a').enabled).toBe(true);
  });

  it('is switched behind a link, which stays a link', async () => {
    await using home = await tempHome();
    const real = await home.write('dotfiles/mcp.json', { mcpServers: { a: { command: 'x' } } });
    const file = join(home.configDir, 'config.json');
    await symlink(real, file);
    await setEnabled(file, 'a', false, access);
    expect(await realpath(file)).toBe(real);
    expect(JSON.parse(await readFile(real, 'utf8')).mcpServers.a.enabled).toBe(false);
  });

  it.each([
    ['{ "mcpServers": { "a": { "command": "x" }', /config\.json:1:42: the file ends too early/],
    ['{ "mcpServers": { "a": { "command": "x" }, "a": {} } }', /duplicate key "a"/],
    ['{ "mcpServers": { "a": "x" } }', /mcpServers\.a: expected object, got string/],
    [undefined, /does not exist any more/],
  ])('is left alone when the file has become %s', async (text, message) => {
    await using home = await tempHome();
    const file = await home.writeConfig(text ?? '');
    if (text === undefined) await rm(file);
    await expect(setEnabled(file, 'a', false, access)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(message),
    });
    expect(await readFile(file, 'utf8').catch(() => undefined)).toBe(text);
    expect((await readdir(home.configDir)).filter((name) => name !== 'config.json')).toEqual([]);
  });

  it('is an UNKNOWN_SERVER when it is gone from the file, with the nearest name', async () => {
    await using home = await tempHome();
    const file = await home.writeConfig({ mcpServers: { files: { command: 'x' } } });
    await expect(setEnabled(file, 'fles', false, access)).rejects.toMatchObject({
      code: 'UNKNOWN_SERVER',
      hint: 'did you mean "files"?',
    });
  });

  it('is switched for each of 20 processes at once: 20 of 20 changes are in the file, the comments too', async () => {
    await using home = await tempHome();
    const names = Array.from({ length: 20 }, (_, n) => `server-${n}`);
    const file = await home.writeConfig(
      `{\n  "mcpServers": {\n${names.map((name) => `    // about ${name}\n    "${name}": { "command": "x" },\n`).join('')}  },\n}\n`,
    );
    const run = await childScript(
      home,
      `import { setEnabled } from './config/user-file.js';
       await setEnabled(process.argv[2]!, process.argv[3]!, false, { timeoutMs: 60_000 });`,
    );
    const results = await Promise.all(names.map((name) => run(file, name).finished));
    expect(results.filter((result) => result.code !== 0)).toEqual([]);
    const text = await readFile(file, 'utf8');
    const document = JsoncDocument.parse(file, text);
    expect(document.problems).toEqual([]);
    for (const name of names) {
      expect(document.at(['mcpServers', name, 'enabled']), name).toBe(false);
      expect(text).toContain(`// about ${name}\n`);
    }
    expect(await readdir(home.configDir)).toEqual(['config.json']);
  });

  it('leaves a file that parses when the writer is killed, in 25 rounds, and clears away what was left', async () => {
    await using home = await tempHome();
    const file = await home.writeConfig({ mcpServers: { a: { command: 'x', args: ['y'.repeat(100_000)] } } });
    const run = await childScript(
      home,
      `import { setEnabled } from './config/user-file.js';
       for (let n = 0; ; n++) {
         await setEnabled(process.argv[2]!, 'a', n % 2 === 0, {});
         if (n === 1) console.log('writing');
       }`,
    );
    for (let round = 0; round < 25; round++) {
      const { child, finished, speaks } = run(file);
      await speaks;
      await systemClock.sleep(round * 2);
      child.kill('SIGKILL');
      await finished;
      const document = JsoncDocument.parse(file, await readFile(file, 'utf8'));
      expect(document.problems).toEqual([]);
      expect(document.at(['mcpServers', 'a', 'args', 0])).toHaveLength(100_000);
    }
    // A claim that was cut off while it was written tells nothing of its owner: it goes after 60 s.
    const past = new Date(Date.now() - 61_000);
    for (const name of await readdir(home.configDir))
      if (name.includes('.claim-')) await utimes(join(home.configDir, name), past, past);
    // Two switches, so that at least one of them writes.
    await setEnabled(file, 'a', true, access);
    await setEnabled(file, 'a', false, access);
    expect(await readdir(home.configDir)).toEqual(['config.json']);
  });

  it('keeps the file and says why on a full disk', needs('unshare'), async ({ skip }) => {
    await using home = await tempHome();
    await childScript(
      home,
      `import { readFileSync, writeFileSync } from 'node:fs';
       import { setEnabled } from './config/user-file.js';
       const folder = process.argv[2]!;
       const text = JSON.stringify({ mcpServers: { a: { command: 'x', args: ['y'.repeat(300_000)] } } });
       writeFileSync(folder + '/config.json', text);
       try { writeFileSync(folder + '/filler', Buffer.alloc(2_000_000)); } catch {}
       const error = await setEnabled(folder + '/config.json', 'a', false, { timeoutMs: 1_000 }).catch((error) => error);
       console.log(JSON.stringify({ code: error.code, reason: error.details?.code, isWhole: readFileSync(folder + '/config.json', 'utf8') === text }));`,
    );
    const disk = join(home.path, 'disk');
    await mkdir(disk);
    const inside = `mount -t tmpfs -o size=1m none '${disk}' && exec '${process.execPath}' '${join(home.path, 'script.mjs')}' '${disk}'`;
    const result = await promisify(execFile)('unshare', ['--mount', '--map-root-user', 'sh', '-c', inside], {
      env: home.env,
    }).catch((error: Error & { stderr?: string }) => error);
    if (result instanceof Error) return skip(`no mount namespace here: ${result.stderr ?? result.message}`);
    expect(JSON.parse(result.stdout)).toEqual({ code: 'CONFIG_INVALID', reason: 'ENOSPC', isWhole: true });
  });
});

describe('a server of a file given with -c', () => {
  it('is switched by an override that the opposite command removes; the file is never written', async () => {
    await using home = await tempHome();
    const file = await home.write('mcp.json', { mcpServers: { 'a.b': { command: 'x' }, off: { command: 'y', enabled: false } } });
    const before = await readFile(file, 'utf8');
    const load = () => loadFor(home, { files: [file] });
    const switchTo = async (name: string, enabled: boolean) => {
      const config = await load();
      return setServerEnabled(config, serverOf(config, name), enabled, access);
    };
    const settings = join(home.configDir, 'settings.json');

    expect(await switchTo('a.b', false)).toEqual({ file: settings, warning: null });
    expect(serverOf(await load(), 'a.b')).toMatchObject({ enabled: false, enabledInFile: true });
    expect(await switchTo('off', true)).toEqual({ file: settings, warning: null });
    expect(serverOf(await load(), 'off')).toMatchObject({ enabled: true, enabledInFile: false });
    expect(await settingsOf(home)).toEqual({ overrides: { [file]: { 'a.b': { enabled: false }, off: { enabled: true } } } });
    expect((await stat(settings)).mode & 0o777).toBe(0o600);

    expect(await switchTo('a.b', false)).toEqual({ file: null, warning: null });
    await switchTo('a.b', true);
    await switchTo('off', false);
    expect(await settingsOf(home)).toEqual({ overrides: {} });
    expect(await readFile(file, 'utf8')).toBe(before);
  });

  it('keeps its override under every path that leads to the file, and does not lend it to another file', async () => {
    await using home = await tempHome();
    const file = await home.write('mcp.json', { mcpServers: { a: { command: 'x' } } });
    const other = await home.write('other.json', { mcpServers: { a: { command: 'x' } } });
    await symlink(file, join(home.path, 'link.json'));
    const config = await loadFor(home, { files: [join(home.path, 'link.json')] });
    await setServerEnabled(config, serverOf(config, 'a'), false, access);
    expect(serverOf(await loadFor(home, { files: [file] }), 'a').enabled).toBe(false);
    expect(serverOf(await loadFor(home, { files: [other] }), 'a').enabled).toBe(true);
  });

  it('is switched for each of 12 processes at once: 12 of 12 overrides are there, other settings kept', async () => {
    await using home = await tempHome();
    await writeFile(join(home.configDir, 'settings.json'), '{ "theme": "dark" }');
    const file = await home.write('mcp.json', '{}');
    const run = await childScript(
      home,
      `import { setOverride } from './config/settings.js';
       const [, , dir, file, server] = process.argv as string[];
       await setOverride(dir!, { file: file!, server: server!, enabled: false }, { timeoutMs: 60_000 });`,
    );
    const names = Array.from({ length: 12 }, (_, n) => `s${n}`);
    const results = await Promise.all(names.map((name) => run(home.configDir, file, name).finished));
    expect(results.filter((result) => result.code !== 0)).toEqual([]);
    expect(await settingsOf(home)).toEqual({
      theme: 'dark',
      overrides: { [file]: Object.fromEntries(names.map((name) => [name, { enabled: false }])) },
    });
  });

  it.each(['{ "overrides": ', '', '[]', '\0\0\0'])(
    'damaged settings (%j) are kept aside with one warning, and work again',
    async (damage) => {
      await using home = await tempHome();
      await writeFile(join(home.configDir, 'settings.json'), damage);
      const file = await home.write('mcp.json', { mcpServers: { a: { command: 'x' } } });
      const first = await loadFor(home, { files: [file] });
      expect(first.problems).toHaveLength(1);
      expect(first.problems[0]).toMatchObject({
        severity: 'warning',
        message: expect.stringMatching(/damaged and are reset; .* kept as .*settings\.json\.damaged-/),
      });
      const [kept] = (await readdir(home.configDir)).filter((name) => name.includes('damaged'));
      expect(await readFile(join(home.configDir, kept!), 'utf8')).toBe(damage);
      expect((await loadFor(home, { files: [file] })).problems).toEqual([]);
      await setServerEnabled(first, serverOf(first, 'a'), false, access);
      expect(serverOf(await loadFor(home, { files: [file] }), 'a').enabled).toBe(false);
    },
  );

  it('ignores settings of another shape without a crash', async () => {
    await using home = await tempHome();
    const file = await home.write('mcp.json', { mcpServers: { a: { command: 'x' } } });
    await home.write('config/settings.json', { overrides: { [file]: { a: { enabled: 'no' }, b: 7 }, x: [] } });
    const config = await loadFor(home, { files: [file] });
    expect(serverOf(config, 'a').enabled).toBe(true);
    await setServerEnabled(config, serverOf(config, 'a'), false, access);
    expect(serverOf(await loadFor(home, { files: [file] }), 'a').enabled).toBe(false);
  });

  it('fails with CONFIG_INVALID and the reason when the settings cannot be written', async () => {
    await using home = await tempHome();
    const file = await home.write('mcp.json', { mcpServers: { a: { command: 'x' } } });
    const config = await loadFor(home, { files: [file] });
    const blocked = { places: { ...config.places, configDir: join(file, 'below') } };
    await expect(setServerEnabled(blocked, serverOf(config, 'a'), false, access)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('ENOTDIR'),
    });
  });
});
