/** Every command of the registry on three real servers, for a person and for a script. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registry } from '../../src/cli/registry.js';
import { runCli } from '../support/run-cli.js';
import { type TempHome, tempHome } from '../support/temp-home.js';
import { documentOf, exampleConfig, faultServer, homeWith } from './kit.js';

interface Case {
  readonly command: string;
  readonly words: readonly string[];
  /** Checks stdout of the human form. */
  readonly human: (stdout: string) => void;
  /** Checks the document of the `--json` form. */
  readonly json: (data: never) => void;
}

const servers = ['everything', 'filesystem', 'memory'];
const toolCounts = { everything: 13, filesystem: 14, memory: 9 };
const all = Object.values(toolCounts).reduce((sum, count) => sum + count);

interface StatusLike {
  servers: { name: string; status: string; tools: number | null; enabled: boolean; protocol: unknown; lastError: unknown }[];
  counts: Record<string, number>;
}
interface ToolsLike {
  tools: { server: string; name: string; inputSchema: { type: string }; cost?: { bytes: number; tokens: number } }[];
}

const cases: readonly Case[] = [
  {
    command: 'status',
    words: ['status'],
    human: (stdout) => {
      expect(stdout.split('\n')[0]).toMatch(/^SERVER +STATUS +TOOLS +LATENCY +VIA/);
      for (const [name, count] of Object.entries(toolCounts))
        expect(stdout).toMatch(new RegExp(`^● ${name} +connected +${count} `, 'm'));
      expect(stdout).toMatch(/^3 connected$/m);
    },
    json: (data: StatusLike) => {
      expect(data.counts).toEqual({ connected: 3 });
      expect(data.servers.map(({ name }) => name)).toEqual(servers);
      for (const server of data.servers) {
        expect(server).toMatchObject({
          transport: 'stdio',
          source: 'flag',
          enabled: true,
          status: 'connected',
          health: 'healthy',
          lastError: null,
          retryAt: null,
          tools: toolCounts[server.name as keyof typeof toolCounts],
          since: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
          pid: expect.any(Number),
          protocol: { version: expect.stringMatching(/^\d{4}-\d\d-\d\d$/), era: expect.stringMatching(/^(legacy|modern)$/) },
          serverInfo: { name: expect.any(String), version: expect.any(String) },
        });
      }
    },
  },
  {
    command: 'status',
    words: ['list', 'memory', '--check'],
    human: (stdout) => expect(stdout).toMatch(/● memory +connected +9 /),
    json: (data: StatusLike) => expect(data.servers.map(({ name, status }) => [name, status])).toEqual([['memory', 'connected']]),
  },
  {
    command: 'status',
    words: ['status', '--no-connect'],
    human: (stdout) => expect(stdout).toMatch(/^3 disconnected$/m),
    json: (data: StatusLike) => expect(data.counts).toEqual({ disconnected: 3 }),
  },
  {
    command: 'servers',
    words: ['servers'],
    human: (stdout) => {
      expect(stdout.trimEnd().split('\n')).toHaveLength(4);
      expect(stdout).toMatch(/^memory +yes +stdio +flag +node .*server-memory/m);
    },
    json: (data: { servers: Record<string, unknown>[] }) => {
      expect(data.servers.map(({ name }) => name)).toEqual(servers);
      for (const server of data.servers)
        expect(server).toMatchObject({ transport: 'stdio', source: 'flag', file: exampleConfig, enabled: true, problem: null });
    },
  },
  {
    command: 'tools',
    words: ['tools'],
    human: (stdout) => {
      expect(stdout.trimEnd().split('\n')).toHaveLength(all);
      expect(stdout).toMatch(/^everything\/get-sum\(a: number, b: number\)/m);
    },
    json: ({ tools }: ToolsLike) => {
      expect(tools).toHaveLength(all);
      for (const tool of tools) expect(tool.inputSchema.type).toBe('object');
      const countOf = (name: string) => tools.filter(({ server }) => server === name).length;
      expect(Object.fromEntries(servers.map((name) => [name, countOf(name)]))).toEqual(toolCounts);
    },
  },
  {
    command: 'tools',
    words: ['tools', 'everything', '--match', 'get-s*', '--cost', '--refresh', '--schema'],
    human: (stdout) => {
      expect(stdout).toMatch(/^ +\d+ tokens +\d+ B {2}everything\/get-sum/m);
      expect(stdout).toMatch(/^2 tools, about \d+ tokens$/m);
      expect(stdout).toContain('"type": "object"');
    },
    json: ({ tools }: ToolsLike) => {
      expect(tools.map(({ name }) => name).sort()).toEqual(['get-structured-content', 'get-sum']);
      for (const { cost } of tools) expect(cost?.tokens).toBe(Math.ceil((cost?.bytes ?? 0) / 4));
    },
  },
  {
    command: 'cache',
    words: ['cache'],
    human: (stdout) => {
      expect(stdout).toMatch(/^memory +1 +\d+ KiB +0 +0 +0 +0 {2}100, lru, 5 m$/m);
      expect(stdout).toMatch(/^memory +list of 9 tools +[\d.]+ m?s +5 m +0 +\d+ KiB$/m);
    },
    json: ({ servers: caches }: { servers: { server: string; entries: { kind: string; tools: number }[] }[] }) =>
      expect(caches.map(({ server, entries }) => [server, entries.map(({ tools }) => tools)])).toEqual(
        Object.entries(toolCounts).map(([name, count]) => [name, [count]]),
      ),
  },
  {
    command: 'cache clear',
    words: ['cache', 'clear'],
    // The human form comes first, and leaves nothing for the other one.
    human: (stdout) =>
      expect(stdout).toMatch(/^everything: 1 entry cleared\nfilesystem: 1 entry cleared\nmemory: 1 entry cleared$/m),
    json: ({ cleared }: { cleared: unknown[] }) => expect(cleared).toEqual(servers.map((server) => ({ server, entries: 0 }))),
  },
  {
    command: 'health',
    words: ['health'],
    human: (stdout) => {
      expect(stdout).toMatch(/^healthy\n\nCOMPONENT +HEALTH\nconfiguration +healthy\n/);
      for (const name of servers) expect(stdout).toMatch(new RegExp(`^${name} +healthy$`, 'm'));
    },
    json: (data: { components: { name: string | null; status: string }[] }) => {
      expect(data).toMatchObject({ status: 'healthy', ready: true, endpoint: null });
      expect(data.components.map(({ name }) => name)).toEqual([null, ...servers]);
    },
  },
  {
    command: 'metrics',
    words: ['metrics'],
    // Cases before this one have connected, and called nothing.
    human: (stdout) => {
      expect(stdout).toMatch(/^SERVER +CALLS +FAILED +ERRORS +P50 +P95 +P99 +RETRIES +LAST 24 H$/m);
      expect(stdout).toMatch(/^memory +0 +0 +- +- +- +- +0 {2}·{24}$/m);
    },
    json: (data: { from: string; servers: { server: string; calls: number; connects: { success: number } }[] }) => {
      expect(data.from).toBe('day');
      expect(data.servers.map(({ server, calls }) => [server, calls])).toEqual(servers.map((name) => [name, 0]));
      for (const { connects } of data.servers) expect(connects.success).toBeGreaterThan(0);
    },
  },
  {
    command: 'tool',
    words: ['tool', 'everything/get-sum'],
    human: (stdout) => {
      expect(stdout).toMatch(/^everything\/get-sum\(a: number, b: number\)/);
      expect(stdout).toMatch(/^ {2}a: number \(required\) {2}First number$/m);
      expect(stdout).toMatch(/^ {2}mcpctl call everything\/get-sum a=/m);
    },
    json: ({ tool, example }: { tool: Record<string, unknown>; example: string }) => {
      expect(tool).toMatchObject({ server: 'everything', name: 'get-sum', inputSchema: { required: ['a', 'b'] } });
      expect(example).toMatch(/^mcpctl call everything\/get-sum /);
    },
  },
  {
    command: 'tool',
    words: ['tool', 'memory', 'read_graph', '--refresh'],
    human: (stdout) => expect(stdout).toMatch(/^memory\/read_graph\(\)/),
    json: ({ tool }: { tool: unknown }) => expect(tool).toMatchObject({ server: 'memory', name: 'read_graph' }),
  },
  {
    command: 'call',
    words: ['call', 'everything/echo', 'message=hi'],
    human: (stdout) => expect(stdout).toBe('Echo: hi\n'),
    json: (data) => expect(data).toEqual({ content: [{ type: 'text', text: 'Echo: hi' }] }),
  },
  {
    command: 'call',
    words: ['call', 'get-sum', 'a=2', 'b:=40.5', '--timeout', '20s'],
    human: (stdout) => expect(stdout).toBe('The sum of 2 and 40.5 is 42.5.\n'),
    json: (data) => expect(data).toMatchObject({ content: [{ type: 'text', text: 'The sum of 2 and 40.5 is 42.5.' }] }),
  },
  {
    command: 'call',
    words: ['call', 'everything', 'get-structured-content', '--args', '{"location":"Chicago"}'],
    human: (stdout) => expect(JSON.parse(stdout)).toMatchObject({ temperature: 36 }),
    json: ({ structuredContent }: { structuredContent: unknown }) => expect(structuredContent).toMatchObject({ temperature: 36 }),
  },
  {
    command: 'call',
    words: ['call', 'everything/get-tiny-image'],
    human: (stdout) => expect(stdout).toMatch(/^\[image image\/png, \d+ bytes; --json prints it\]$/m),
    json: ({ content }: { content: { type: string; data?: string }[] }) =>
      expect(content.find(({ type }) => type === 'image')?.data).toMatch(/^iVBORw0KGgo/),
  },
  {
    command: 'ping',
    words: ['ping', 'memory'],
    human: (stdout) => expect(stdout).toMatch(/^memory answered in [\d.]+ ms \(MCP \d{4}-\d\d-\d\d\)\n$/),
    json: (data) =>
      expect(data).toEqual({
        server: 'memory',
        latencyMs: expect.any(Number),
        protocol: { version: expect.any(String), era: expect.any(String) },
      }),
  },
  {
    command: 'doctor',
    words: ['doctor', 'memory'],
    human: (stdout) => {
      expect(stdout).toMatch(/^memory {2}node .*server-memory/);
      expect(stdout).toMatch(/^ {2}✓ list +[\d.]+ m?s {2}9 tools$/m);
      expect(stdout).toMatch(/^this machine\n {2}✓ node +[\d.]+ ms {2}Node \d/m);
    },
    json: (data: { servers: { server: string; verdict: string; steps: { step: string; code: string }[] }[] }) => {
      expect(data.servers).toMatchObject([{ server: 'memory', transport: 'stdio', verdict: 'ok' }]);
      expect(data.servers[0]!.steps.map(({ step, code }) => [step, code])).toEqual([
        ['config', 'OK'],
        ['environment', 'OK'],
        ['trust', 'NOT_NEEDED'],
        ['spawn', 'OK'],
        ['initialize', 'OK'],
        ['list', 'OK'],
      ]);
    },
  },
  {
    // What the commands before this one made the server say.
    command: 'logs',
    words: ['logs', 'filesystem', '--tail', 'all'],
    human: (stdout) => {
      expect(stdout).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z {2}Secure MCP Filesystem Server running on stdio$/m);
      expect(stdout).toMatch(/Z {2}\[mcpctl\] connected after \d+/);
    },
    json: (data) =>
      expect(data).toEqual({
        server: 'filesystem',
        file: expect.stringMatching(/logs\/filesystem-[0-9a-f]{16}\.log$/),
        lines: expect.arrayContaining([
          { at: expect.any(String), pid: expect.any(Number), kind: 'err', text: 'Secure MCP Filesystem Server running on stdio' },
        ]),
      }),
  },
  {
    command: 'reconnect',
    words: ['reconnect', '--all'],
    human: (stdout) =>
      expect(stdout).toBe('everything: connected, 13 tools\nfilesystem: connected, 14 tools\nmemory: connected, 9 tools\n'),
    json: (data: StatusLike) => {
      expect(data.servers.map(({ name, status, tools, lastError }) => [name, status, tools, lastError])).toEqual(
        Object.entries(toolCounts).map(([name, count]) => [name, 'connected', count, null]),
      );
    },
  },
  {
    command: 'reconnect',
    words: ['reconnect', '--failed'],
    human: (stdout) => expect(stdout).toBe('Nothing to reconnect.\n'),
    json: (data) => expect(data).toEqual({ servers: [] }),
  },
  {
    command: 'breaker',
    words: ['breaker', 'memory'],
    human: (stdout) => expect(stdout).toMatch(/^memory: closed since \S+Z\n {2}failures in a row +0\n {2}failure rate +0 % /),
    json: (data) =>
      expect(data).toEqual({
        server: 'memory',
        breaker: {
          state: 'closed',
          since: expect.any(String),
          openUntil: null,
          consecutiveFailures: 0,
          failureRate: 0,
          rejected: 0,
          lastFailureAt: null,
          lastSuccessAt: null,
        },
        tools: [],
        endpoints: [],
      }),
  },
  {
    command: 'disable',
    words: ['disable', 'memory'],
    human: (stdout) => expect(stdout).toBe('memory is disabled\n'),
    json: ({ servers: [only] }: { servers: unknown[] }) =>
      // Already so since the human form; nothing has to be written a second time.
      expect(only).toMatchObject({ name: 'memory', enabled: false, changed: false }),
  },
  {
    command: 'enable',
    words: ['enable', 'memory', 'everything'],
    human: (stdout) => expect(stdout).toBe('memory is enabled\neverything is already enabled\n'),
    json: ({ servers: list }: { servers: unknown[] }) =>
      expect(list).toMatchObject([
        { name: 'memory', enabled: true, changed: false },
        { name: 'everything', enabled: true, changed: false },
      ]),
  },
  {
    command: 'config path',
    words: ['config', 'path'],
    human: (stdout) => expect(stdout).toMatch(new RegExp(`^flag: ${exampleConfig}\nstate: .*\nruntime: .*\n$`)),
    json: (data) =>
      expect(data).toMatchObject({
        files: [{ path: exampleConfig, source: 'flag', exists: true }],
        stateDir: expect.any(String),
        runtimeDir: expect.any(String),
      }),
  },
  {
    command: 'config show',
    words: ['config', 'show'],
    human: (stdout) => expect(Object.keys(JSON.parse(stdout))).toEqual(servers),
    json: (data: { servers: Record<string, unknown> }) => {
      expect(Object.keys(data.servers)).toEqual(servers);
      expect(data.servers.memory).toMatchObject({
        source: 'flag',
        enabled: true,
        definition: { type: 'stdio', command: 'node' },
      });
    },
  },
  {
    command: 'config validate',
    words: ['config', 'validate'],
    human: (stdout) => expect(stdout).toBe('The configuration is valid.\n'),
    json: (data) => expect(data).toEqual({ valid: true, problems: [] }),
  },
  {
    command: 'config explain',
    words: ['config', 'explain', 'memory'],
    human: (stdout) => {
      expect(stdout).toMatch(new RegExp(`^defined in ${exampleConfig}:\\d+:\\d+ \\(flag\\)$`, 'm'));
      expect(stdout).toMatch(new RegExp(`^command +"node" +${exampleConfig}:\\d+:\\d+$`, 'm'));
      expect(stdout).toMatch(/^timeouts\.connect +"10s" +default$/m);
    },
    json: (data: { values: { path: string }[] }) => {
      expect(data).toMatchObject({ server: 'memory', file: exampleConfig, approval: 'not-needed', override: null, others: [] });
      expect(data.values).toContainEqual(expect.objectContaining({ path: 'timeouts.connect', value: '10s', from: 'default' }));
    },
  },
  {
    command: 'trust list',
    words: ['trust', 'list'],
    human: (stdout) => expect(stdout).toBe('There is no project file (.mcp.json) here.\n'),
    json: (data) => expect(data).toEqual({ file: null, project: null, servers: [] }),
  },
  {
    command: 'auth',
    words: ['auth'],
    human: (stdout) =>
      expect(stdout).toBe(
        'No server is reached over HTTP; programs need no login here.\n\nTokens are kept in memory, and forgotten with the process.\n',
      ),
    json: (data) => expect(data).toMatchObject({ servers: [], store: { mode: 'memory', store: 'memory', problem: null } }),
  },
  {
    command: 'help',
    words: ['help'],
    human: (stdout) => {
      for (const { name, scope, summary } of registry)
        if (scope !== 'repl') expect(stdout).toMatch(new RegExp(`^ {2}${name}\\b[\\s\\S]*?${summary.slice(0, 20)}`, 'm'));
    },
    json: (data) => expect(data).toEqual({ command: null, help: expect.stringContaining('FLAGS FOR EVERY COMMAND') }),
  },
  {
    command: 'down',
    words: ['down'],
    human: (stdout) => expect(stdout).toBe('No manager was running.\n'),
    json: (data) => expect(data).toEqual({ pid: null, how: null }),
  },
];

/** These need a project or a server that wants a token, leave a process, have no end, or work only once: the tests named after them have them. */
const elsewhere = ['trust approve', 'trust revoke', 'up', 'add', 'remove', 'auth-save', 'logout', 'top'];

/** What must have a case: every command, and every action of a command that has actions. */
const wanted = registry
  .filter(({ scope }) => scope !== 'repl')
  .flatMap(({ name, positionals: [first] }) => {
    const actions = first?.choices?.map((choice) => `${name} ${choice}`) ?? [];
    return first?.choices && first.required ? actions : [name, ...actions];
  })
  .filter((name) => !elsewhere.includes(name));

describe('every command, on three real servers', () => {
  let home: TempHome;
  beforeAll(async () => {
    home = await tempHome();
  });
  afterAll(() => home[Symbol.asyncDispose]());
  const run = (words: readonly string[]) => runCli(['-c', exampleConfig, ...words], { home, env: { TMPDIR: home.path } });

  it('has a case here for each command of the registry', () => {
    expect([...new Set(cases.map(({ command }) => command))].sort()).toEqual([...wanted].sort());
  });

  it.each(cases.map(({ words, human, json }) => [words.join(' '), words, human, json] as const))(
    '%s: exits with 0, says the same to a person and to a script',
    async (_, words, human, json) => {
      const plain = await run(words);
      expect(plain).toMatchObject({ code: 0, stderr: '' });
      human(plain.stdout);
      const machine = await run([...words, '--json']);
      expect(machine).toMatchObject({ code: 0, stderr: '' });
      json(documentOf(machine) as never);
    },
  );
});

describe('help', () => {
  it('explains each command with --help and with help <command> in the same words, with usage and an example', async () => {
    await using home = await tempHome();
    for (const { name, aliases = [], summary, flags, scope } of registry) {
      const text = (await runCli(['help', name], { home })).stdout;
      expect(text).toMatch(new RegExp(`^${name}: `));
      for (const part of [summary, 'USAGE', 'EXAMPLES', ...flags.map((flag) => `--${flag.name}`), ...aliases])
        expect(text).toContain(part);
      if (scope === 'repl') continue;
      expect(await runCli([name, '--help'], { home })).toMatchObject({ stdout: text, stderr: '', code: 0 });
      expect(documentOf(await runCli(['-h', name, '--json'], { home }))).toEqual({ command: name, help: text.trimEnd() });
    }
  });

  it('shows the version in three ways, without reading any configuration', async () => {
    await using home = await homeWith({});
    await home.writeConfig('this is no JSON');
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
    for (const words of [['--version'], ['-V'], ['status', '-V']])
      expect(await runCli(words, { home })).toMatchObject({ stdout: `${version}\n`, stderr: '', code: 0 });
    expect(documentOf(await runCli(['--version', '--json'], { home }))).toEqual({ version });
    expect((await runCli(['--help'], { home })).code).toBe(0);
  });
});

describe('enable and disable', () => {
  it('edit the own configuration, keep its comments, and the server is started no more', async () => {
    await using home = await homeWith({});
    const text = `{\n  // mine\n  "mcpServers": { "one": ${JSON.stringify(faultServer())} }\n}\n`;
    const file = await home.writeConfig(text);
    const disabled = documentOf(await runCli(['disable', 'one', '--json'], { home }));
    expect(disabled).toEqual({ servers: [{ name: 'one', enabled: false, changed: true, file }] });
    expect(await readFile(file, 'utf8')).toContain('// mine');
    expect(await runCli(['ping', 'one'], { home })).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('mcpctl enable one'),
    });
    expect(documentOf(await runCli(['status', '--json'], { home }))).toMatchObject({ counts: { disabled: 1 } });
    expect((await runCli(['enable', 'one'], { home })).stdout).toBe('one is enabled\n');
    expect((await runCli(['ping', 'one'], { home })).code).toBe(0);
  });

  it('leave a file given with -c alone, and keep the wish elsewhere', async () => {
    await using home = await tempHome();
    const file = await home.write('project/team.json', { mcpServers: { one: faultServer() } });
    const before = await readFile(file, 'utf8');
    const run = (...words: string[]) => runCli(['-c', file, ...words, '--json'], { home });
    const {
      servers: [done],
    } = documentOf(await run('disable', 'one')) as { servers: { file: string }[] };
    expect(done?.file.startsWith(home.configDir)).toBe(true);
    expect(documentOf(await run('status'))).toMatchObject({ counts: { disabled: 1 } });
    await run('enable', 'one');
    expect(documentOf(await run('status'))).toMatchObject({ counts: { connected: 1 } });
    expect(await readFile(file, 'utf8')).toBe(before);
  });
});

describe('the input of a call', () => {
  it('comes from a file, from stdin, and from single words over both', async () => {
    await using home = await homeWith({ fault: faultServer() });
    await home.write('project/text.txt', 'from a file');
    await home.write('project/args.json', { text: 'in args' });
    const call = (words: string[], input = '') => runCli(['call', 'fault/echo', ...words], { home, input });
    expect((await call(['text=@text.txt'])).stdout).toBe('from a file\n');
    expect((await call(['text=@@text.txt'])).stdout).toBe('@text.txt\n');
    expect((await call(['--args', '@args.json'])).stdout).toBe('in args\n');
    expect((await call(['--args', '-'], '{"text":"stdin"}')).stdout).toBe('stdin\n');
    expect((await call(['--args', '-', 'text=word'], '{"text":"stdin"}')).stdout).toBe('word\n');
    expect((await call([`--args=@${join(home.projectDir, 'args.json')}`])).stdout).toBe('in args\n');
  });
});

describe('status --watch', () => {
  it('prints one document a line until its --timeout, then exits with 6, also with no server that would keep it alive', async () => {
    await using home = await homeWith({ gone: { command: 'no-such-program' } });
    const { stdout, stderr, code } = await runCli(['status', '--watch', '--json', '--timeout', '700ms'], { home });
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as StatusLike);
    expect(lines[0]?.counts).toEqual({ connecting: 1 });
    expect(lines.at(-1)?.counts).toEqual({ error: 1 });
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'TIMEOUT' } });
    expect(code).toBe(6);
    const idle = await runCli(['status', '-w', '--no-connect', '--timeout', '300ms'], { home });
    expect(idle).toMatchObject({ code: 6, stdout: expect.stringMatching(/^1 disconnected$/m) });
  });
});
