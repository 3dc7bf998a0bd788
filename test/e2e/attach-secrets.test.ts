/** Secrets of a manager's servers, also those that come while it runs, are in nothing that those who attach see, and in no file. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables as users write them in a file
import { readdirSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readBody, startHttpServer } from '../support/http-server.js';
import { runCli, startCli } from '../support/run-cli.js';
import { tempHome } from '../support/temp-home.js';
import { startTerminal } from '../support/terminal.js';
import { waitFor } from '../support/wait-for.js';
import { faultServer, fixture } from './kit.js';
import { managerIn } from './managed.js';

const canary = (name: string) => `cnry-${name}-Zq7x9`;
const planted = {
  env: canary('env'),
  variable: canary('variable'),
  header: canary('header'),
  query: canary('query'),
  userinfo: canary('userinfo'),
  added: canary('added'),
  reloaded: canary('reloaded'),
  repaired: canary('repaired'),
};
const hits = (text: string) =>
  Object.entries(planted)
    .filter(([, secret]) => text.includes(secret) || text.includes(Buffer.from(secret).toString('base64').replace(/=+$/, '')))
    .map(([name]) => name);

const leaky = (secret: string, ...more: string[]) => ({
  command: process.execPath,
  args: [fixture('e2e-leaky.mjs'), ...more],
  env: { LEAK_PASSWORD: secret, LEAK_ANY: '${CANARY_VARIABLE}' },
});

it('planted secrets stay with the manager and its servers', { timeout: 60_000 }, async () => {
  // Repeats in its errors whatever it was sent.
  const heard: string[] = [];
  await using web = await startHttpServer(async (request, response) => {
    const all = JSON.stringify({ url: request.url, headers: request.headers, body: await readBody(request) });
    heard.push(all);
    response.writeHead(500, { 'content-type': 'application/json' }).end(JSON.stringify({ error: all }));
  });
  const home = await tempHome({ CANARY_VARIABLE: planted.variable });
  const url = `${web.url.replace('//', `//user:${planted.userinfo}@`)}/x?api_key=${planted.query}`;
  const mcpServers: Record<string, unknown> = {
    leaky: leaky(planted.env),
    exits: leaky(planted.env, '--exit'),
    broken: { url, headers: { Authorization: `Bearer ${planted.header}` } },
    fault: faultServer(),
  };
  const file = await home.writeConfig({ mcpServers });
  await using it = await managerIn(home);
  const outputs = new Map<string, string>();
  const run = async (line: string, words = line.split(' ')) => {
    const { stdout, stderr, code } = await runCli(words, { home });
    outputs.set(line, stdout + stderr);
    return { stdout, stderr, code };
  };

  await using terminal = startTerminal([], { home, columns: 200 });
  await terminal.waitFor('attached to the manager');
  await using view = startCli(['status', '-w', '--json'], { home });
  await using follow = startCli(['logs', 'leaky', '-f', '--json'], { home });
  await view.waitForOutput('\n');

  const scenarios = (name: string) => [
    `ping ${name} -v`,
    `reconnect ${name}`,
    `tools ${name} --refresh --json`,
    `call ${name}/refuse -v`,
    `call ${name}/die --json`,
    `logs ${name} --tail all`,
    `status ${name} --json`,
  ];
  for (const name of ['leaky', 'exits', 'broken']) for (const line of scenarios(name)) await run(line);
  await run('servers --json');
  await run('-v status');

  // Secrets that come while it runs: by a command …
  const header = `X-Api-Key: ${planted.added}`;
  expect((await run('add --header', ['add', 'late', `${web.url}/late`, '--header', header, '-v'])).code).toBe(0);
  for (const line of scenarios('late')) await run(line);
  expect(heard.some((request) => request.includes(planted.added))).toBe(true);
  // … by a file that is saved …
  const withLate = JSON.parse(await readFile(file, 'utf8'));
  await writeFile(file, JSON.stringify({ mcpServers: { ...withLate.mcpServers, saved: leaky(planted.reloaded, '--exit') } }));
  await waitFor(async () => (await run('status saved --json')).stdout.includes('SERVER_EXITED'));
  for (const line of scenarios('saved')) await run(line);
  // … and in one that cannot be used.
  await writeFile(file, `{"mcpServers":{"leaky":{"command":"node","env":{"API_TOKEN":"${planted.repaired}" "x"}}}}`);
  await waitFor(async () => (await run('status')).stderr.includes('last good configuration'));
  await run('call leaky/ok -v');

  // A session that attached: what it is told of, and what it writes down.
  for (const secret of [planted.env, planted.added, planted.reloaded]) terminal.type(`call fault/echo text=${secret}\r`);
  terminal.type(`add more ${web.url} --header 'X-Api-Key: ${planted.repaired}'\r`);
  terminal.type('call fault/echo text=remembered\r');
  await terminal.waitFor(/\nremembered\r?\n/);
  const typed = terminal.text;
  terminal.type('/exit\r');
  await terminal.exited;
  const history = await readFile(join(home.stateDir, 'history'), 'utf8');
  expect(history).toContain('text=remembered');
  // What was typed is echoed, and a result is the user's own: the notices are what must not tell.
  expect(
    hits(
      typed
        .split('\n')
        .filter((line) => /^[~!+x-] /.test(line))
        .join('\n'),
    ),
  ).toEqual([]);
  expect(typed).toContain('! ');

  expect(follow.stdout).toContain('[redacted]');
  for (const cli of [view, follow]) cli.kill('SIGINT');
  for (const { stdout, stderr } of await Promise.all([view.exited, follow.exited])) expect(hits(stdout + stderr)).toEqual([]);
  expect((await run('down')).code).toBe(0);
  for (const [line, output] of outputs) expect({ line, hits: hits(output) }).toEqual({ line, hits: [] });
  expect(await readFile(it.up.log, 'utf8')).toContain('exits: error');
  for (const folder of [home.stateDir, home.runtimeDir, home.home]) {
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      expect({ path, hits: hits(readFileSync(path, 'latin1')) }).toEqual({ path, hits: [] });
    }
  }
});
