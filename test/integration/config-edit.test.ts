/** `add` and `remove` on real files: parallel writers, killed writers, full and read-only disks, both languages. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, realpath, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import { JsoncDocument } from '../../src/config/document.js';
import { addServer, removeServer, setEnabled } from '../../src/config/user-file.js';
import { systemClock } from '../../src/core/clock.js';
import { childScript } from '../support/child-script.js';
import { needs } from '../support/needs.js';
import { runCli } from '../support/run-cli.js';
import { type TempHome, tempHome } from '../support/temp-home.js';

const access = { clock: systemClock, pid: process.pid };
const placesFor = (userFile: string) => ({ userFile, userToml: userFile.replace(/\.json$/, '.toml') });
const placesOf = (home: TempHome) => placesFor(join(home.configDir, 'config.json'));
const modeOf = async (path: string) => (await stat(path)).mode & 0o777;
const serversOf = async (file: string): Promise<Record<string, unknown>> => {
  const document = JsoncDocument.parse(file, await readFile(file, 'utf8'));
  expect(document.problems).toEqual([]);
  return (document.value as { mcpServers?: Record<string, unknown> }).mcpServers ?? {};
};

describe('the user’s file', () => {
  it('is made with the first server: folder 0700, file 0600, two spaces, a final newline, nothing besides', async () => {
    await using home = await tempHome();
    const userFile = join(home.path, 'new', 'mcpctl', 'config.json');
    expect(await addServer(placesFor(userFile), 'a', { command: 'x', args: ['y'] }, access)).toBe(userFile);
    expect(await readFile(userFile, 'utf8')).toBe(
      '{\n  "mcpServers": {\n    "a": {\n      "command": "x",\n      "args": ["y"]\n    }\n  }\n}\n',
    );
    expect(await modeOf(userFile)).toBe(0o600);
    expect(await modeOf(join(home.path, 'new', 'mcpctl'))).toBe(0o700);
    expect(await readdir(join(home.path, 'new', 'mcpctl'))).toEqual(['config.json']);
  });

  it('is filled when it is empty', async () => {
    await using home = await tempHome();
    const file = await home.writeConfig('\n');
    await addServer(placesOf(home), 'a', { command: 'x' }, access);
    expect(Object.keys(await serversOf(file))).toEqual(['a']);
  });

  it('is config.toml when that exists: 0600, a table appended and cut again, the rest as it was', async () => {
    await using home = await tempHome();
    const before = '\uFEFF# mine\r\n[mcpServers.a]\r\ncommand = "x" # why\r\nfuture = [1, 2]\r\n';
    const file = await home.write('config/config.toml', before);
    await chmod(file, 0o644);
    expect(await addServer(placesOf(home), 'b', { url: 'https://b.example', headers: { A: '${B}' } }, access)).toBe(file);
    expect(await readFile(file, 'utf8')).toBe(
      `${before}\r\n[mcpServers.b]\r\nurl = "https://b.example"\r\n\r\n[mcpServers.b.headers]\r\nA = "\${B}"\r\n`,
    );
    expect(await modeOf(file)).toBe(0o600);
    expect(await setEnabled(file, 'b', false, access)).toBe(true);
    expect(await readFile(file, 'utf8')).toContain('[mcpServers.b]\r\nenabled = false\r\n');
    expect(await removeServer(placesOf(home), 'b', access)).toBe(file);
    expect(await readFile(file, 'utf8')).toBe(before);
    expect(await readdir(home.configDir)).toEqual(['config.toml']);
  });

  it('is nobody’s when config.json and config.toml are both there: CONFIG_INVALID names both, none is written', async () => {
    await using home = await tempHome();
    const json = await home.writeConfig('{}');
    await home.write('config/config.toml', '# x\n');
    await expect(addServer(placesOf(home), 'a', { command: 'x' }, access)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: `${json}: both ${json} and ${join(home.configDir, 'config.toml')} exist; keep one of them`,
    });
    expect(await readFile(json, 'utf8')).toBe('{}');
  });

  it.each([
    ['mcp.servers', '{ "mcp": { "enabled": true, "servers": { "a": { "command": "x" } } } }'],
    ['servers', '{ // theirs\n  "servers": {\n    "a": { "type": "stdio", "command": "x" }\n  },\n  "inputs": []\n}\n'],
    ['mcp_servers', '{ "mcp_servers": { "a": { "command": "x" } } }'],
  ])('keeps the section %s of another program’s shape', async (section, before) => {
    await using home = await tempHome();
    const file = await home.writeConfig(before);
    const at = (text: string) => JsoncDocument.parse(file, text).at(section.split('.'));
    await addServer(placesOf(home), 'b', { command: 'y' }, access);
    expect(Object.keys(at(await readFile(file, 'utf8')) as object)).toEqual(['a', 'b']);
    await setEnabled(file, 'b', false, access);
    expect(at(await readFile(file, 'utf8'))).toMatchObject({ b: { enabled: false, command: 'y' } });
    await removeServer(placesOf(home), 'b', access);
    expect(await readFile(file, 'utf8')).toBe(before);
  });

  it('switches "disabled" of another program’s entry, and says that "mcp.enabled": false is stronger', async () => {
    await using home = await tempHome();
    const file = await home.writeConfig(
      '{ "mcp": { "enabled": false, "servers": { "a": { "command": "x", "disabled": false } } } }',
    );
    await setEnabled(file, 'a', false, access);
    expect(await readFile(file, 'utf8')).toContain('"disabled": true');
    await expect(setEnabled(file, 'a', true, access)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: `${file}:1: "mcp.enabled" is false and switches off every server in it`,
    });
  });

  it('stays behind its link', async () => {
    await using home = await tempHome();
    const real = await home.write('dotfiles/mcp.json', '{}\n');
    const file = join(home.configDir, 'config.json');
    await symlink(real, file);
    await addServer(placesOf(home), 'a', { command: 'x' }, access);
    expect(await realpath(file)).toBe(real);
    expect(Object.keys(await serversOf(real))).toEqual(['a']);
  });

  it.each([
    ['a broken file', '{ "mcpServers": ', /config\.json:1:17: the file ends too early/],
    ['a file that is no object', '[]', /cannot be changed safely/],
    ['a file that is not UTF-8', Buffer.from('{ "x": "\xff" }', 'latin1'), /not UTF-8/],
  ])('is left alone when it is %s', async (_name, content, message) => {
    await using home = await tempHome();
    const file = join(home.configDir, 'config.json');
    await writeFile(file, content);
    await expect(addServer(placesOf(home), 'a', { command: 'x' }, access)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(message),
    });
    expect(await readFile(file)).toEqual(Buffer.from(content as string));
    expect(await readdir(home.configDir)).toEqual(['config.json']);
  });

  it('does not grow beyond the 10 MiB that can be read again', async () => {
    await using home = await tempHome();
    const file = await home.writeConfig({ mcpServers: {}, note: 'x'.repeat(10 * 1024 ** 2 - 200) });
    const before = (await stat(file)).size;
    await expect(addServer(placesOf(home), 'a', { command: 'x'.repeat(200) }, access)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: `${file} would become larger than 10 MiB`,
    });
    expect((await stat(file)).size).toBe(before);
  });

  it.each([
    ['remove', '[mcpServers]\na = { command = "x" }\n', 'take out mcpServers.a by hand, near line 2', []],
    ['disable', '[mcpServers]\na.command = "x"\n', 'write by hand, near line 2:', ['[mcpServers.a]', 'enabled = false']],
    ['add', 'mcpServers = { a = { command = "x" } }\n', 'write by hand, near line 1:', ['[mcpServers.b]', 'command = "y"']],
  ])('prints the lines to change where %s cannot edit the text, and stays as it is', async (command, before, hint, lines) => {
    await using home = await tempHome();
    const file = await home.write('config/config.toml', before);
    const places = placesOf(home);
    const change = {
      remove: () => removeServer(places, 'a', access),
      disable: () => setEnabled(file, 'a', false, access),
      add: () => addServer(places, 'b', { command: 'y' }, access),
    }[command]!;
    await expect(change()).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      hint: [hint, ...lines.map((line) => `  ${line}`)].join('\n'),
    });
    expect(await readFile(file, 'utf8')).toBe(before);
  });
});

describe('writers at the same time', () => {
  it('add 50 servers in 50 processes of mcpctl: 50 entries in a file that parses, 0600, no lock left', async () => {
    await using home = await tempHome();
    const names = Array.from({ length: 50 }, (_, n) => `server-${n}`);
    const results = await Promise.all(names.map((name) => runCli(['add', name, 'x', name], { home, timeoutMs: 60_000 })));
    expect(results.filter(({ code }) => code !== 0)).toEqual([]);
    const file = join(home.configDir, 'config.json');
    const servers = await serversOf(file);
    expect(Object.keys(servers).sort()).toEqual([...names].sort());
    for (const name of names) expect(servers[name]).toEqual({ command: 'x', args: [name] });
    expect(await modeOf(file)).toBe(0o600);
    expect(await readdir(home.configDir)).toEqual(['config.json']);
  }, 90_000);

  it('add 20 servers in 20 processes to TOML: 20 tables, comments kept', async () => {
    await using home = await tempHome();
    const file = await home.write('config/config.toml', '# mine\n[mcpServers.first]\ncommand = "x" # why\n');
    const names = Array.from({ length: 20 }, (_, n) => `server-${n}`);
    const run = await childScript(
      home,
      `import { addServer } from './config/user-file.js';
       await addServer({ userFile: process.argv[2]!, userToml: process.argv[2]!.replace(/\\.json$/, '.toml') }, process.argv[3]!, { command: 'x', env: { A: 'b' } }, { timeoutMs: 60_000 });`,
    );
    const results = await Promise.all(names.map((name) => run(placesOf(home).userFile, name).finished));
    expect(results.filter(({ code }) => code !== 0)).toEqual([]);
    const text = await readFile(file, 'utf8');
    expect(Object.keys(parse(text).mcpServers as object).sort()).toEqual(['first', ...names].sort());
    expect(text.startsWith('# mine\n[mcpServers.first]\ncommand = "x" # why\n')).toBe(true);
    expect(await modeOf(file)).toBe(0o600);
  }, 90_000);
});

describe('a writer that is killed', () => {
  it('at 200 random moments leaves a file that parses with every server it reported, and no rubbish', async () => {
    await using home = await tempHome();
    const file = await home.writeConfig('{\n  // mine\n  "mcpServers": {\n    "first": { "command": "x" }\n  }\n}\n');
    const run = await childScript(
      home,
      `import { addServer, removeServer } from './config/user-file.js';
       import { writeSync } from 'node:fs';
       const [, , userFile, round] = process.argv as string[];
       const places = { userFile: userFile!, userToml: userFile + '.toml' };
       const entry = { command: 'x', args: ['y'.repeat(20_000)] };
       for (let n = 0; ; n++) {
         const name = 'r' + round + '-' + n;
         await addServer(places, name, entry, {});
         writeSync(1, 'added ' + name + '\\n');
         if (n % 4 === 3) continue;
         await removeServer(places, name, {});
         writeSync(1, 'removed ' + name + '\\n');
       }`,
    );
    const kills = 200;
    const killOne = async (round: number) => {
      const { child, finished, speaks } = run(file, String(round));
      await speaks;
      await systemClock.sleep(Math.random() * 25);
      child.kill('SIGKILL');
      const lines = (await finished).stdout.split('\n').slice(0, -1);
      const servers = await serversOf(file);
      expect(servers.first).toEqual({ command: 'x' });
      const reported = new Map(lines.map((line) => line.split(' ').reverse() as [string, string]));
      // What came after the last report may have happened or not.
      const open = lines.at(-1)?.startsWith('added') ? lines.at(-1)!.split(' ')[1] : undefined;
      for (const [name, what] of reported) {
        if (name !== open) expect(Object.hasOwn(servers, name), `${name} was ${what}`).toBe(what === 'added');
      }
      // The file does not grow over the rounds.
      for (const name of Object.keys(servers))
        if (name.startsWith(`r${round}-`)) await removeServer(placesFor(file), name, access);
    };
    for (let round = 0; round < kills; round++) await killOne(round);

    // A claim that was cut off while it was written tells nothing of its owner: it goes after 60 s.
    const past = new Date(Date.now() - 61_000);
    for (const name of await readdir(home.configDir))
      if (name.includes('.claim-')) await utimes(join(home.configDir, name), past, past);
    await addServer(placesOf(home), 'last', { command: 'x' }, access);
    expect(await readdir(home.configDir)).toEqual(['config.json']);
    expect(Object.keys(await serversOf(file))).toEqual(['first', 'last']);
    expect(await readFile(file, 'utf8')).toContain('// mine\n');
  }, 180_000);
});

describe('a disk that takes nothing', needs('unshare'), () => {
  /** Runs `mcpctl add` with the configuration on a small file system of its own, prepared by `prepare` in sh. */
  const onDisk = async (home: TempHome, prepare: string, skip: (note?: string) => never) => {
    const disk = join(home.path, 'disk');
    await mkdir(disk);
    const inside = `mount -t tmpfs -o size=64k,mode=700 none '${disk}' && cd '${disk}' && ${prepare}
      cp config.json '${home.path}/before'; cd /
      MCPCTL_CONFIG_DIR='${disk}' '${process.execPath}' bin/mcpctl.js add new npx server; echo "exit $?"
      cmp '${disk}/config.json' '${home.path}/before' && echo same; ls -A '${disk}'`.replace('cd /\n', `cd '${process.cwd()}'\n`);
    const result = await promisify(execFile)('unshare', ['--mount', '--map-root-user', 'sh', '-c', inside], {
      env: home.env,
    }).catch((error: Error & { stderr?: string }) => error);
    return result instanceof Error ? skip(`no mount namespace here: ${result.stderr ?? result.message}`) : result;
  };
  const config = `printf '{ "mcpServers": { "a": { "command": "x", "args": ["%20000s"] } } }' y > config.json`;

  it('is a clear error with exit 9 when it is full, and the file is as it was', async ({ skip }) => {
    await using home = await tempHome();
    const { stdout, stderr } = await onDisk(home, `${config}; cat /dev/zero > filler 2>/dev/null;`, skip);
    expect(stdout).toBe('exit 9\nsame\nconfig.json\nfiller\n');
    expect(stderr).toMatch(/^error: .*config\.json could not be changed: ENOSPC.*\nhint: nothing was changed; make room/);
  });

  it('is a clear error with exit 9 when it can only be read', async ({ skip }) => {
    await using home = await tempHome();
    const { stdout, stderr } = await onDisk(home, `${config}; mount -o remount,ro '${home.path}/disk';`, skip);
    expect(stdout).toBe('exit 9\nsame\nconfig.json\n');
    expect(stderr).toMatch(
      /^error: .*config\.json could not be changed: EROFS.*\nhint: nothing was changed; make room or correct the perm/,
    );
  });
});
