/** Every kind of broken configuration file: one clear error with file, line, column and path, and nothing else. */
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ConfigProblem } from '../../src/config/schema.js';
import type { McpctlError } from '../../src/core/errors.js';
import { loadFor } from '../support/load-config.js';
import { type TempHome, tempHome } from '../support/temp-home.js';

async function failure(home: TempHome, files?: string[]): Promise<McpctlError> {
  return loadFor(home, files ? { files } : {}).then(
    () => expect.fail('the configuration was accepted'),
    (error: McpctlError) => error,
  );
}

/** The lines of all problems, relative to the folder of the file. */
async function problemsOf(text: string): Promise<string[]> {
  await using home = await tempHome();
  const file = await home.writeConfig(text);
  const error = await failure(home);
  expect(error.code).toBe('CONFIG_INVALID');
  const problems = error.details?.problems as ConfigProblem[];
  expect(problems.every((problem) => problem.file === file)).toBe(true);
  return problems
    .filter((problem) => problem.severity === 'error')
    .map(({ line, column, path, message }) => `${line}:${column}: ${path}: ${message}`);
}

const server = (entry: string) => `{\n  "mcpServers": {\n    "files": ${entry}\n  }\n}`;

describe('a malformed configuration', () => {
  it.each([
    ['[]', '1:1: : expected object, got array'],
    ['"text"', '1:1: : expected object, got string'],
    ['{ "mcpServers": [] }', '1:17: mcpServers: expected object, got array'],
    ['{ "mcpServers": null }', '1:17: mcpServers: expected object, got null'],
    [server('"npx"'), '3:14: mcpServers.files: expected object, got string'],
    [server('{ "command": "npx", "args": ["-y", 7] }'), '3:49: mcpServers.files.args[1]: expected string, got number'],
    [server('{ "command": ["npx"] }'), '3:27: mcpServers.files.command: expected string, got array'],
    [server('{ "command": "" }'), '3:27: mcpServers.files.command: must not be empty'],
    [server('{ "command": "npx", "args": "-y" }'), '3:42: mcpServers.files.args: expected array, got string'],
    [server('{ "command": "npx", "env": { "PORT": 80 } }'), '3:51: mcpServers.files.env.PORT: expected string, got number'],
    [server('{ "command": "npx", "enabled": "no" }'), '3:45: mcpServers.files.enabled: expected boolean, got string'],
    [server('{ "url": "https://x.example", "headers": [] }'), '3:55: mcpServers.files.headers: expected object, got array'],
    [server('{}'), '3:5: mcpServers.files: needs "command" (a program) or "url" (an address)'],
    [
      server('{ "command": "npx", "url": "https://x.example" }'),
      '3:34: mcpServers.files.url: "command" and "url" exclude each other: a server is a program or an address',
    ],
    [
      server('{ "command": "npx", "type": "http" }'),
      '3:34: mcpServers.files.type: "http" needs "url", but this server has "command"',
    ],
    [
      server('{ "url": "https://x.example", "transport": "stdio" }'),
      '3:44: mcpServers.files.transport: "stdio" needs "command", but this server has "url"',
    ],
    [
      server('{ "url": "https://x.example", "type": "http", "transport": "sse" }'),
      '3:60: mcpServers.files.transport: "type" and "transport" mean the same and differ here; keep one',
    ],
    [
      server('{ "url": "https://x.example", "type": "websocket" }'),
      '3:52: mcpServers.files.type: expected "stdio", "http", "sse", "auto", "streamable-http", "streamableHttp", got "websocket"',
    ],
    [
      server('{ "command": "npx", "protocol": "v2" }'),
      '3:46: mcpServers.files.protocol: expected "auto", "legacy", "modern", got "v2"',
    ],
    [
      server('{ "command": "npx", "timeouts": { "call": 30 } }'),
      '3:56: mcpServers.files.timeouts.call: a duration needs a unit: write "30ms" or "30s" instead of 30',
    ],
    [
      server('{ "command": "npx", "timeouts": { "call": "soon" } }'),
      '3:56: mcpServers.files.timeouts.call: expected a duration such as "500ms", "30s", "10m" or "24h", got "soon"',
    ],
    [
      server('{ "command": "npx", "timeouts": { "list": "0s" } }'),
      '3:56: mcpServers.files.timeouts.list: must be at least 1 ms, got "0s"',
    ],
    [
      server('{ "command": "npx", "stop": { "grace": "31s" } }'),
      '3:53: mcpServers.files.stop.grace: must be at most 30 s, got "31s"',
    ],
    [server('{ "command": "npx", "stop": { "command": [] } }'), '3:55: mcpServers.files.stop.command: must not be empty'],
    [
      server('{ "command": "npx", "tools": { "include": "*" } }'),
      '3:56: mcpServers.files.tools.include: expected array, got string',
    ],
    [
      server('{ "command": "npx", "maxMessageBytes": 268435457 }'),
      '3:53: mcpServers.files.maxMessageBytes: must be at most 268435456, got 268435457',
    ],
    [
      server('{ "command": "npx", "maxMessageBytes": 1.5 }'),
      '3:53: mcpServers.files.maxMessageBytes: expected whole number, got number',
    ],
    ['{ "startConcurrency": 0 }', '1:23: startConcurrency: must be at least 1, got 0'],
    [
      '{ "defaults": { "health": { "interval": true } } }',
      '1:41: defaults.health.interval: expected a duration such as "30s", got boolean',
    ],
    [
      '{ "mcpServers": { "-x": { "command": "a" } } }',
      '1:19: mcpServers["-x"]: a server name has 1 to 64 letters, digits, ".", "_" or "-" and starts with a letter or digit; got "-x"',
    ],
    [
      '{ "mcpServers": { "a/b": { "command": "a" } } }',
      '1:19: mcpServers["a/b"]: a server name has 1 to 64 letters, digits, ".", "_" or "-" and starts with a letter or digit; got "a/b"',
    ],
    ['{ "mcpServers": { "__proto__": { "command": "sh" } } }', '1:19: mcpServers.__proto__: the key "__proto__" is not allowed'],
    [
      server('{ "command": "npx" }, "files": { "command": "y" }'),
      '3:36: mcpServers.files: duplicate key "files", first at line 3, column 5',
    ],
    ['{ "mcpServers": { "files": { "command": "npx"', '1:46: : the file ends too early: expected "," or "}"'],
  ])('%s: %s', async (text, expected) => {
    expect(await problemsOf(text)).toEqual([expected]);
  });

  it('tells all 3 errors of a file at once, the first in the message', async () => {
    await using home = await tempHome();
    const file = await home.writeConfig('{ "startConcurrency": "x", "mcpServers": { "a": { "command": 1 }, "b": {} } }');
    const error = await failure(home);
    expect(error.details?.problems).toHaveLength(3);
    expect(error.message).toMatch(`${file}:1:`);
    expect(error.message).toMatch(/ \(and 2 more\)$/);
    expect(error.hint).toBe('correct the file, then check it with: mcpctl config validate');
  });

  it('tells the errors of two files given with -c together', async () => {
    await using home = await tempHome();
    const one = await home.write('one.json', '{ "mcpServers": 1 }');
    const two = await home.write('two.json', '{ oops');
    const error = await failure(home, [one, two]);
    expect((error.details!.problems as ConfigProblem[]).map((problem) => problem.file)).toEqual([one, two]);
  });
});

describe('a file that cannot be read as text', () => {
  it('given with -c and missing is an error that says what to check', async () => {
    await using home = await tempHome();
    const error = await failure(home, ['missing.json']);
    expect(error.message).toBe(`${join(home.projectDir, 'missing.json')}: no such file`);
    expect(error.hint).toMatch('check the path given with -c');
  });

  it('that is a folder, a link to itself, or a path through a file', async () => {
    await using home = await tempHome();
    await mkdir(join(home.path, 'folder'));
    await symlink('loop.json', join(home.path, 'loop.json'));
    const file = await home.write('file.json', '{}');
    expect((await failure(home, [join(home.path, 'folder')])).message).toBe(
      `${join(home.path, 'folder')}: is a directory, not a file`,
    );
    expect((await failure(home, [join(home.path, 'loop.json')])).message).toMatch('a symbolic link that leads to itself');
    expect((await failure(home, [join(file, 'x.json')])).message).toMatch('no such file');
    expect((await failure(home, ['a\0b'])).code).toBe('CONFIG_INVALID');
  });

  it('without permission', async () => {
    await using home = await tempHome();
    let file = await home.writeConfig('{}');
    await chmod(file, 0);
    // Root may read any file; but not what the kernel made for writing only.
    if (process.getuid?.() === 0) file = '/proc/sys/vm/compact_memory';
    expect((await failure(home, [file])).message).toBe(`${file}: cannot be read: permission denied`);
  });

  it('of 50 MB is refused without being read', async () => {
    await using home = await tempHome();
    const file = await home.writeConfig(`{ "x": "${'y'.repeat(50_000_000)}" }`);
    expect((await failure(home)).message).toBe(`${file}: larger than 10 MiB, which is no configuration`);
  });

  it('endless, as a device is, is refused after 10 MiB', async () => {
    await using home = await tempHome();
    expect((await failure(home, ['/dev/zero'])).message).toBe('/dev/zero: larger than 10 MiB, which is no configuration');
  });

  it('in UTF-16 or Latin-1', async () => {
    await using home = await tempHome();
    const file = join(home.configDir, 'config.json');
    await writeFile(file, Buffer.from('\uFEFF{ "mcpServers": {} }', 'utf16le'));
    expect((await failure(home)).message).toMatch('NUL byte: the file is binary or not UTF-8 (UTF-16?)');
    await writeFile(file, Buffer.from('{ "a": "caf\xe9" }', 'latin1'));
    expect((await failure(home)).message).toBe(`${file}: not UTF-8 text`);
  });
});
