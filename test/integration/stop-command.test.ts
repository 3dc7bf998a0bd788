/** `stop.command` of a configuration: run before the server's process is ended, and never in its way. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli } from '../support/run-cli.js';
import { tempHome } from '../support/temp-home.js';

const server = join(import.meta.dirname, '../fixtures/servers/fault-stdio.mjs');
const script = (code: string) => ['node', '-e', code];

describe('stop.command', () => {
  it('runs once, in the folder and with the variables of its server, and the call is answered as ever', async () => {
    await using home = await tempHome();
    const stopped = join(home.path, 'stopped.txt');
    const stop = { command: script(`require('fs').appendFileSync(process.env.STOPPED, process.cwd() + '\\n')`) };
    await home.writeConfig({
      mcpServers: { box: { command: 'node', args: [server], cwd: home.path, env: { STOPPED: stopped }, stop } },
    });
    const { stdout, code } = await runCli(['call', 'box/echo', 'text=hi'], { home });
    expect({ stdout, code }).toEqual({ stdout: 'hi\n', code: 0 });
    expect(readFileSync(stopped, 'utf8')).toBe(`${home.path}\n`);
  });

  it.each([
    ['that fails', script('process.exit(3)'), /stop command "node": ended with 3/],
    ['that does not exist', ['no-such-program-9'], /stop command "no-such-program-9": .*ENOENT/],
    ['that does not end within stop.grace', script('setInterval(() => {}, 1000)'), /stop command "node": not done within 300 ms/],
  ])('%s is told, and the server is ended all the same', async (_, command, told) => {
    await using home = await tempHome();
    await home.writeConfig({ mcpServers: { box: { command: 'node', args: [server], stop: { command, grace: '300ms' } } } });
    const { stdout, stderr, code } = await runCli(['call', 'box/echo', 'text=hi'], { home });
    expect({ stdout, code }).toEqual({ stdout: 'hi\n', code: 0 });
    expect(stderr).toMatch(told);
    expect(existsSync(home.stateDir)).toBe(true);
  });
});
