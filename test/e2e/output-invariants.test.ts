/** What holds for every command: one JSON document, no escape sequence off a terminal, the same stdout with --verbose, silence with --quiet. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registry } from '../../src/cli/registry.js';
import { runCli } from '../support/run-cli.js';
import type { TempHome } from '../support/temp-home.js';
import { startTerminal } from '../support/terminal.js';
import { errorOf, esc, faultServer, homeWith, neverOpen } from './kit.js';

/** One line that works and one that fails, for each command; `null` where it cannot fail. */
const lines: Readonly<Record<string, { readonly works: readonly string[]; readonly fails: readonly string[] }>> = {
  status: {
    works: ['status', 'status --no-connect', 'list fault'],
    fails: ['status nowhere', 'status --check', 'status --nope'],
  },
  servers: { works: ['servers'], fails: ['servers surplus', '-c missing.json servers', '--preset nope servers'] },
  tools: { works: ['tools fault', 'tools fault --match e* --schema --cost'], fails: ['tools', 'tools missing'] },
  tool: { works: ['tool fault/echo'], fails: ['tool', 'tool fault/ehco'] },
  call: {
    works: ['call fault/echo text=hi', 'call fault/junk'],
    fails: [
      'call fault/tool-error',
      'call fault/crash',

      'call fault/protocol-error',
      'call fault/hang --timeout 200ms',
    ],
  },
  ping: { works: ['ping fault'], fails: ['ping', 'ping missing'] },
  enable: { works: ['enable fault'], fails: ['enable', 'enable nowhere', 'enable fault --session'] },
  disable: { works: ['disable off'], fails: ['disable', 'disable nowhere'] },
  reconnect: { works: ['reconnect fault'], fails: ['reconnect', 'reconnect --failed', 'reconnect missing fault'] },
  breaker: {
    works: ['breaker off', 'breaker web'],
    fails: ['breaker', 'breaker nowhere', 'breaker off halve', 'breaker off open'],
  },
  cache: {
    works: ['cache', 'cache clear missing'],
    fails: ['cache fault', 'cache clear nowhere', 'cache clear fault x'],
  },
  metrics: {
    works: ['metrics', 'metrics fault', 'metrics --since 24h', 'metrics --format prometheus', 'metrics --format json'],
    fails: ['metrics nowhere', 'metrics --since 5', 'metrics --since 1h --format prometheus', 'metrics --format xml'],
  },
  health: { works: ['health'], fails: ['health fault'] },
  // It has no end of its own: top.test.ts has it.
  top: { works: [], fails: ['top nowhere', 'top --interval 5', 'top --interval 100ms'] },
  // It leaves a process: attach.test.ts has it.
  up: { works: [], fails: ['up now', 'up --idle 5'] },
  down: { works: ['down'], fails: ['down now'] },
  doctor: { works: ['doctor fault', 'doctor off'], fails: ['doctor', 'doctor missing', 'doctor nowhere', 'doctor fault x'] },
  logs: {
    works: ['logs missing -n 1', 'logs off', 'logs -n 0', 'logs --call aaaaaaaaaaaa'],
    fails: ['logs nowhere', 'logs missing --follow', 'logs off -n x', 'logs --call x', 'logs off --call aaaaaaaaaaaa'],
  },
  config: {
    works: ['config path', 'config show', 'config explain fault', '--preset test config explain fault'],
    fails: ['config validate', 'config nope', 'config explain', 'config explain nowhere', 'config show fault'],
  },
  trust: {
    works: ['trust list'],
    fails: ['trust', 'trust approve', 'trust approve fault', 'trust revoke fault', 'trust list --yes'],
  },
  auth: {
    works: ['auth'],
    fails: [
      'auth nowhere',
      'auth fault',
      'auth web',
      'auth web --start',
      'auth web --device --no-browser',
      'auth web --complete x',
    ],
  },
  // The store is memory: each command forgets it.
  'auth-save': { works: ['auth-save --help'], fails: ['auth-save', 'auth-save nowhere', 'auth-save fault', 'auth-save web'] },
  logout: { works: ['logout web', 'logout web --all-accounts'], fails: ['logout', 'logout nowhere', 'logout fault'] },
  // What works here changes nothing, and so works again; adding and removing are in add-remove.test.ts.
  add: {
    works: ['add --help'],
    fails: ['add', 'add fault https://x', 'add new', 'add new ftp://x', 'add new https://x --env A=b'],
  },
  remove: { works: ['remove --help'], fails: ['remove', 'remove nowhere'] },
  help: { works: ['help', 'help call', '--help', 'call --help', '--version'], fails: ['help nope', '--timeout 5 help'] },
};
const working = Object.values(lines).flatMap(({ works }) => works);
const failing = Object.values(lines).flatMap(({ fails }) => fails);

/** Times, process ids and latencies differ from run to run. */
const settled = (text: string) =>
  text
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
    .replace(/"(pid|toolsAgeMs|ageMs|ttlLeftMs|latencyMs|last|p50|p95)": (\d[\d.]*|null|\{[^}]*\})/g, '"$1": <number>')
    .replace(/"ms": [\d.]+/g, '"ms": <number>')
    .replace(/\b\d+ of \d+ are open/g, '<files>')
    .replace(/ *[\d.]+ m?s\b/g, ' <duration>')
    // The columns of ages are as wide as the longest; a list may become stale under the test.
    .replace(/^(SERVER +KEPT|\w+ +list of).*$/gm, (row) =>
      row.replace(/ +(<duration>|\d+ m|stale)(?= )/g, ' <age>').replace(/ +/g, ' '),
    )
    // What was measured in one run and remembered in the next.
    .replace(/ +(-|<duration>) +stdio/g, ' <latency> stdio');

describe('the output of every command', () => {
  let home: TempHome;
  beforeAll(async () => {
    home = await homeWith(
      {
        fault: faultServer(),
        missing: { command: 'no-such-program' },
        unset: { command: 'node', env: { A: '${NOT_SET_ANYWHERE}' } },
        off: { ...faultServer(), enabled: false },
        web: { url: 'http://127.0.0.1:9/mcp', enabled: false },
      },
      neverOpen,
    );
    // The first run writes down what the others remember.
    await runCli(['status'], { home });
  });
  afterAll(() => home[Symbol.asyncDispose]());
  const run = (line: string, ...more: string[]) => runCli([...line.split(' '), ...more], { home });

  it('is looked at for each command of the registry', () => {
    const names = registry.filter(({ scope }) => scope !== 'repl').map(({ name }) => name);
    expect(Object.keys(lines).sort()).toEqual(names.sort());
  });

  it.each(working)(
    '%s: plain without ESC; --json one document and nothing on stderr; --verbose and --quiet leave stdout alone',
    async (line) => {
      const plain = await run(line);
      expect(plain.code).toBe(0);
      expect(plain.stdout + plain.stderr).not.toContain(esc);
      const machine = await run(line, '--json');
      expect(machine).toMatchObject({ code: 0, stderr: '' });
      expect(machine.stdout).not.toContain(esc);
      expect(typeof JSON.parse(machine.stdout)).toBe('object');
      expect(machine.stdout.endsWith('\n')).toBe(true);

      for (const json of [false, true]) {
        const verbose = await run(line, '-v', ...(json ? ['--json'] : []));
        expect(settled(verbose.stdout)).toBe(settled((json ? machine : plain).stdout));
        expect(verbose.stderr).not.toContain(esc);
      }
      const quiet = await run(line, '--quiet');
      expect(quiet.stderr).toBe('');
      expect(settled(quiet.stdout)).toBe(settled(plain.stdout));
    },
  );

  it.each(failing)(
    '%s: error and hint on stderr; with --json one error document with the same message; --quiet says only these',
    async (line) => {
      const plain = await run(line);
      expect(plain.code).toBeGreaterThan(0);
      expect(plain.stdout + plain.stderr).not.toContain(esc);
      const machine = await run(line, '--json');
      const { message, hint } = errorOf(machine);
      expect(machine.code).toBe(plain.code);
      if (machine.stdout !== '') expect(typeof JSON.parse(machine.stdout)).toBe('object');
      expect(hint).not.toBeNull();

      const quiet = await run(line, '--quiet');
      const shown = quiet.stderr.split('\n').filter((row) => row !== '' && !row.startsWith('  stderr: '));
      expect(shown[0]).toBe(`error: ${message}`);
      expect(shown.slice(1)).toEqual([`hint: ${hint}`]);
      expect(settled((await run(line, '-v')).stdout)).toBe(settled(plain.stdout));
    },
  );

  it('--json before the command, MCPCTL_JSON=1 and --json behind it are the same', async () => {
    const wanted = (await run('servers', '--json')).stdout;
    expect((await runCli(['--json', 'servers'], { home })).stdout).toBe(wanted);
    expect((await runCli(['servers'], { home, env: { MCPCTL_JSON: '1' } })).stdout).toBe(wanted);
    expect(errorOf(await runCli(['ping', 'nowhere'], { home, env: { MCPCTL_JSON: '1' } })).code).toBe('UNKNOWN_SERVER');
  });

  it('--watch --json is NDJSON: each line a document of its own', async () => {
    const { stdout } = await run('status fault --watch --json --timeout 1s');
    const rows = stdout.trimEnd().split('\n');
    expect(rows.length).toBeGreaterThan(1);
    for (const row of rows) expect(JSON.parse(row)).toHaveProperty('counts');
  });

  it('is coloured on a terminal only, and not there with NO_COLOR, TERM=dumb or --no-color', async () => {
    const onTerminal = async (words: string[], env: Record<string, string> = {}) => {
      await using terminal = startTerminal(words, { home, env });
      await terminal.exited;
      return terminal.raw;
    };
    expect(await onTerminal(['status', 'fault'])).toContain(`${esc}[32m`);
    expect(await onTerminal(['status', 'fault', '--no-color'])).not.toContain(esc);
    expect(await onTerminal(['status', 'fault'], { NO_COLOR: '1' })).not.toContain(esc);
    expect(await onTerminal(['status', 'fault'], { TERM: 'dumb' })).not.toContain(esc);
    expect(await onTerminal(['status', 'fault', '--json'])).not.toContain(esc);
  });
});
