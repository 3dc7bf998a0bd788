/** Which commands meet in one manager, and where. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { managerAddress } from '../../../src/config/manager-address.js';

let root: string;
beforeAll(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'mcpctl-')));
  mkdirSync(join(root, 'project/deep'), { recursive: true });
  mkdirSync(join(root, 'project/.git'));
  mkdirSync(join(root, 'elsewhere'));
  writeFileSync(join(root, 'project/.mcp.json'), '{}');
  writeFileSync(join(root, 'a.json'), '{}');
  symlinkSync(join(root, 'a.json'), join(root, 'elsewhere/link.json'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const places = (name = 'c') => ({
  configDir: `/config/${name}`,
  stateDir: '/state',
  runtimeDir: '/run/user/1000/mcpctl',
  userFile: '/config/config.json',
  userToml: '/config/config.toml',
});
const address = (options: Partial<Parameters<typeof managerAddress>[0]> = {}) =>
  managerAddress({ places: places(), cwd: join(root, 'elsewhere'), files: [], preset: undefined, tmp: '/tmp', ...options });

describe('managerAddress', () => {
  it('is the same in every folder outside a project, and in every folder of one project', () => {
    expect(address({ cwd: '/' })).toEqual(address());
    expect(address({ preset: 'production' })).toEqual(address());
    expect(address({ cwd: join(root, 'project/deep') })).toEqual(address({ cwd: join(root, 'project') }));
  });

  it('differs by configuration folder, project, preset and -c files with their order', () => {
    const all = [
      address(),
      address({ places: places('other') }),
      address({ cwd: join(root, 'project') }),
      address({ preset: 'test' }),
      address({ files: ['../a.json'] }),
      address({ files: ['../a.json', '../b.json'] }),
      address({ files: ['../b.json', '../a.json'] }),
    ];
    expect(new Set(all.map(({ socket }) => socket)).size).toBe(all.length);
    expect(new Set(all.map(({ identity }) => identity)).size).toBe(all.length);
  });

  it('takes a -c file for what it is: through a link, by a relative path, and in whatever project', () => {
    const direct = address({ files: [join(root, 'a.json')] });
    expect(address({ files: ['link.json'] })).toEqual(direct);
    expect(address({ files: ['../a.json'], cwd: join(root, 'project') })).toEqual(direct);
  });

  it('puts a socket whose path would have 104 bytes or more into the temporary folder, under a name of its own', () => {
    const long = (character: string) => ({ ...places(), runtimeDir: `/${character.repeat(80)}` });
    const { socket, record } = address({ places: long('a') });
    expect(socket).toMatch(/^\/tmp\/mcpctl-manager-[0-9a-f]{16}-[0-9a-f]{16}\.sock$/);
    expect(record.startsWith(`/${'a'.repeat(80)}/manager-`)).toBe(true);
    expect(address({ places: long('b') }).socket).not.toBe(socket);
  });
});
