/** The package as users get it: packed, installed without a network into an empty folder, and run from there. */
import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { TempHome } from '../support/temp-home.js';
import { tempHome } from '../support/temp-home.js';
import { documentOf, faultServer, packageRoot } from './kit.js';

interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs npm or npx with an empty cache, no registry to reach and none of the developer's settings. */
function run(home: TempHome, command: string, args: readonly string[], cwd: string): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const env = {
      ...home.env,
      npm_config_registry: 'http://127.0.0.1:9',
      npm_config_offline: 'true',
      npm_config_update_notifier: 'false',
    };
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

it('npm pack, npm install of the tarball in an empty folder without a network, npx mcpctl: it works', {
  timeout: 120_000,
}, async () => {
  await using home = await tempHome();
  const target = join(home.path, 'installed');
  await mkdir(target);

  // dist/ was built for this run; building it again would disturb the tests beside this one.
  const packed = await run(home, 'npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', home.path], packageRoot);
  expect(packed.code).toBe(0);
  const [{ filename, files }] = JSON.parse(packed.stdout) as [{ filename: string; files: { path: string }[] }];
  const paths = files.map(({ path }) => path);
  expect(paths).toEqual(
    expect.arrayContaining([
      'package.json',
      'LICENSE',
      'bin/mcpctl.js',
      'dist/main.cjs',
      'dist/config.schema.json',
      '.mcp.example.json',
    ]),
  );
  expect(paths.filter((path) => /^(src|test|scripts|bench|node_modules|\.ci)\//.test(path))).toEqual([]);

  const installed = await run(home, 'npm', ['install', '--no-audit', '--no-fund', join(home.path, filename)], target);
  expect(installed).toMatchObject({ code: 0 });
  // The bundle holds everything: nothing else was installed, and nothing of the checkout is in reach.
  expect((await readdir(join(target, 'node_modules'))).filter((name) => !name.startsWith('.'))).toEqual(['mcpctl']);
  const { dependencies = {} } = JSON.parse(await readFile(join(target, 'node_modules/mcpctl/package.json'), 'utf8'));
  expect(dependencies).toEqual({});

  const config = await home.write('project/servers.json', { mcpServers: { one: faultServer(), two: faultServer() } });
  const mcpctl = (...words: string[]) => run(home, 'npx', ['--no-install', 'mcpctl', '-c', config, ...words], target);
  const status = await mcpctl('status');
  expect(status.stdout).toMatch(/^2 connected$/m);
  expect(status.code).toBe(0);
  expect(await mcpctl('call', 'one/echo', 'text=from a package')).toMatchObject({ code: 0, stdout: 'from a package\n' });
  expect(documentOf(await mcpctl('tools', '--json'))).toHaveProperty('tools');
  const { version } = JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8')) as { version: string };
  expect((await mcpctl('--version')).stdout).toBe(`${version}\n`);
});
