/** Other programs' shapes: what they become, and that every message still points at what the user wrote. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables as users write them in a file
import { describe, expect, it } from 'vitest';
import { isForeign } from '../../../src/config/dialect-signs.js';
import { normalise } from '../../../src/config/dialects.js';
import { type ConfigDocument, JsoncDocument } from '../../../src/config/document.js';
import { formatProblem } from '../../../src/config/position.js';
import { checkShape } from '../../../src/config/shape.js';
import { TomlDocument } from '../../../src/config/toml-document.js';
import { unknownKeys } from '../../../src/config/unknown-keys.js';

const json = (value: unknown, file = '/home/ann/c.json') => normalise(JsoncDocument.parse(file, JSON.stringify(value)));
const server = (entry: object, file?: string) => plain(json({ mcpServers: { a: entry } }, file).at(['mcpServers', 'a']));
const plain = (value: unknown) => JSON.parse(JSON.stringify(value));

/** Every message about a document, as a user sees it. */
function told(document: ConfigDocument): string[] {
  const issues = checkShape(document).issues.map((issue) =>
    document.problem('error', issue.path, issue.message, { key: issue.key ?? false }),
  );
  return [...document.problems, ...issues, ...unknownKeys(document)].map(
    (problem) => `${problem.severity} ${formatProblem(problem).replace(/^.*?:/, '')}`,
  );
}

describe('isForeign', () => {
  const foreign = (value: unknown) => isForeign(JsoncDocument.parse('c.json', JSON.stringify(value)));

  it('leaves the own shape alone, whatever is wrong with it', () => {
    const own = { command: 'x', args: ['$${VAR}', '${VAR:-env:}'], transport: 'stdio', oauth: { clientId: 'c' }, mistake: 1 };
    expect(foreign({ mcpServers: { a: own, b: null, c: { url: 'https://x', type: 'sse' } }, defaults: {}, metrics: {} })).toBe(
      false,
    );
    for (const odd of [[], 'x', null, { mcpServers: [] }]) expect(foreign(odd)).toBe(false);
  });

  it.each([
    [{ servers: {} }],
    [{ mcp: {} }],
    [{ cache: {} }],
    [{ mcpServers: { a: { command: 'x', disabled: true } } }],
    [{ mcpServers: { a: { command: 'https://x', transport: 'sse' } } }],
    [{ mcpServers: { a: { url: 'https://x', oauth: { clientID: 'c' } } } }],
    [{ mcpServers: { a: { command: '${workspaceFolder}/x' } } }],
  ])('sees %j', (value) => {
    expect(foreign(value)).toBe(true);
  });
});

describe('a server of another program', () => {
  it.each([
    [{ serverUrl: 'u' }, { url: 'u' }],
    [{ uri: 'u' }, { url: 'u' }],
    [{ httpUrl: 'u' }, { url: 'u', type: 'http' }],
    [
      { httpUrl: 'u', type: 'sse' },
      { url: 'u', type: 'sse' },
    ],
    [{ url: 'u', serverUrl: 'u' }, { url: 'u' }],
    [
      { cmd: 'c', envs: { A: '1' } },
      { command: 'c', env: { A: '1' } },
    ],
    [
      { command: 'c', environment: { A: '1' } },
      { command: 'c', env: { A: '1' } },
    ],
    [
      { command: 'c', disabled: true },
      { command: 'c', enabled: false },
    ],
    [
      { command: 'c', disabled: false },
      { command: 'c', enabled: true },
    ],
    [
      { command: 'c', includeTools: ['t'], disabledTools: ['u'] },
      { command: 'c', tools: { include: ['t'], exclude: ['u'] } },
    ],
    [
      { command: 'c', tool_timeout_sec: 1.5, startup_timeout_ms: 20 },
      { command: 'c', timeouts: { call: '1.5s', initialize: '20ms' } },
    ],
    [
      { url: 'u', bearer_token_env_var: 'T' },
      { url: 'u', headers: { Authorization: 'Bearer ${T}' } },
    ],
    [
      { url: 'u', headers: { A: '1' }, http_headers: { B: '2' }, env_http_headers: { C: 'V' } },
      { url: 'u', headers: { A: '1', B: '2', C: '${V}' } },
    ],
    [
      { url: 'u', oauth: { clientID: 'c', scopes: [] } },
      { url: 'u', oauth: { scopes: [], clientId: 'c' } },
    ],
    [
      { url: 'u', transport: 'streamable_http' },
      { url: 'u', transport: 'streamable-http' },
    ],
    [
      { transport: 'sse', command: 'https://x', args: [], env: { H: 'v' } },
      { transport: 'sse', url: 'https://x', headers: { H: 'v' } },
    ],
    [
      { type: 'sse', command: '${ADDRESS}' },
      { type: 'sse', url: '${ADDRESS}' },
    ],
    [
      { transport: 'sse', command: 'npx', env: {} },
      { transport: 'sse', command: 'npx', env: {} },
    ],
  ])('%j is read as %j', (entry, expected) => {
    expect(server(entry)).toEqual(expected);
  });

  it('keeps every other key of the entry, so that a change of any of them can be noticed', () => {
    const entry = { httpUrl: 'u', disabled: true, timeout: 5, unknown: { deep: [1] } };
    expect(server(entry)).toEqual({ url: 'u', type: 'http', enabled: false, timeout: 5, unknown: { deep: [1] } });
  });

  it.each([
    [{ command: 'c', disabled: true, enabled: true }, 'the same as "enabled" in line 1, with another value; keep one'],
    [{ url: 'u', serverUrl: 'v' }, 'the same as "url" in line 1, with another value; keep one'],
    [{ command: 'c', disabled: 'yes' }, 'expected true or false'],
    [
      { url: 'u', headers: { A: '1' }, http_headers: { A: '2' } },
      'the same as "headers.A" in line 1, with another value; keep one',
    ],
    [{ cmd: 7 }, 'mcpServers.a.cmd: expected string, got number'],
    [{ command: 'c', includeTools: 'x' }, 'mcpServers.a.includeTools: expected array, got string'],
    [{ url: 'u', startup_timeout_sec: '5' }, 'mcpServers.a.startup_timeout_sec: expected a duration such as'],
    [{ transport: 'sse', command: 'https://x', env: { H: 1 } }, 'mcpServers.a.env.H: expected string, got number'],
  ])('%j is an error: %s', (entry, message) => {
    const [first] = told(json({ mcpServers: { a: entry } }));
    expect(first).toContain('error ');
    expect(first).toContain(message);
  });

  it('replaces the variables of editors that have a meaning here, and no other', () => {
    const args = [
      '${env:A}',
      '${workspaceFolder}/${workspaceFolderBasename}',
      '${userHome}${/}x',
      '$${env:A}',
      '${input:k}',
      '${B:-c}',
    ];
    const expected = (folder: string, name: string) => [
      '${A}',
      `${folder}/${name}`,
      '${HOME}/x',
      '$${env:A}',
      '${input:k}',
      '${B:-c}',
    ];
    expect(server({ command: 'c', args }, '/p/app/c.json')).toEqual({ command: 'c', args: expected('/p/app', 'app') });
    expect(server({ command: 'c', args }, '/p/app/.vscode/mcp.json')).toEqual({ command: 'c', args: expected('/p/app', 'app') });
    expect(server({ command: '${workspaceFolder}/x' }, '/p/${HOME}/c.json')).toEqual({ command: '/p/$${HOME}/x' });
  });
});

describe('containers of servers', () => {
  it('are all read, and every position and path is that of the written text', () => {
    const text = '{\n "servers": {\n  "a": { "cmd": 7 } },\n "mcp": { "servers": {\n  "b": { "url": "u", "x": 1 } } }\n}';
    const document = normalise(JsoncDocument.parse('c.json', text));
    expect(Object.keys(document.at(['mcpServers']) as object)).toEqual(['a', 'b']);
    expect(told(document)).toEqual([
      'error 3:17: servers.a.cmd: expected string, got number',
      'warning 5:22: mcp.servers.b.x: unknown key "x" is ignored',
    ]);
    expect(document.position(['mcpServers', 'b'], { key: true })).toEqual({ line: 5, column: 3 });
  });

  it('with the same name in two of them are an error that tells both places', () => {
    const text = '{\n "servers": { "a": { "command": "x" } },\n "mcpServers": { "a": { "command": "x" } }\n}';
    expect(told(normalise(JsoncDocument.parse('c.json', text)))).toEqual([
      'error 2:15: servers.a: the server "a" is defined in line 3 already; remove one',
    ]);
  });

  it('that are no objects are errors at their place', () => {
    expect(told(json({ servers: [], mcp: 7, mcp_servers: null }))).toEqual([
      expect.stringContaining('mcp_servers: expected an object with servers by name'),
      expect.stringContaining('servers: expected an object with servers by name'),
      expect.stringContaining('mcp: expected an object with "servers"'),
    ]);
  });

  it('mcp.enabled: false disables the servers in it and no other, also those that say otherwise', () => {
    const document = json({
      mcpServers: { a: { command: 'x' } },
      mcp: { enabled: false, servers: { b: { command: 'x', enabled: true }, c: { command: 'x', disabled: false } }, more: 1 },
    });
    expect(plain(document.at(['mcpServers']))).toEqual({
      a: { command: 'x' },
      b: { command: 'x', enabled: false },
      c: { command: 'x', enabled: false },
    });
    expect(told(document)).toEqual([expect.stringMatching(/^warning .* mcp\.more: unknown key "more" is ignored/)]);
  });
});

describe('sections for all servers', () => {
  const sections = (text: string) => normalise(TomlDocument.parse('c.toml', text));

  it('count bare numbers as seconds, unless the key or the text says otherwise', () => {
    const text =
      '[connection_pool]\nmax_idle_time = 300\nreconnect_backoff_ms = 250\nmax_connection_age = "30m"\nhealth_check_interval_secs = 0.5\n';
    expect(plain(sections(text).at(['defaults']))).toEqual({
      pool: { maxIdleTime: '300s', maxLifetime: '30m' },
      retry: { baseDelay: '250ms' },
      health: { interval: '0.5s' },
    });
  });

  it('refuse a number that was hardly meant as seconds, and a text without a unit, at their place', () => {
    const text =
      '[connection_pool]\nreconnect_backoff = 1000\nconnection_timeout = "5"\nmax_connections = "ten"\nmin_connections = -1\n';
    const errors = told(sections(text)).filter((line) => line.startsWith('error'));
    expect(errors.sort()).toEqual([
      'error 2:1: connection_pool.reconnect_backoff: a bare number counts as seconds here, and 1000 s is too long: write "1000ms" or "1000s"',
      'error 3:22: connection_pool.connection_timeout: expected a duration such as "500ms", "30s", "10m" or "24h", got "5"',
      'error 4:19: connection_pool.max_connections: expected number, got string',
      'error 5:19: connection_pool.min_connections: must be at least 0, got -1',
    ]);
  });

  it('name all keys without an equivalent in one warning, at the first of them', () => {
    const text =
      '[connection_pool]\nwarm_up = true\n[load_balancer]\nfailover_enabled = false\nsticky = 1\n[cache]\nmax_size_ms = 1\n';
    expect(told(sections(text))).toEqual([
      'warning 2:1: connection_pool.warm_up: mcpctl has no equivalent of these keys, they have no effect: connection_pool.warm_up, load_balancer.failover_enabled, load_balancer.sticky, cache.max_size_ms',
    ]);
  });

  it('that contradict each other or "defaults" are an error; the same value twice is none', () => {
    const text =
      '[defaults.pool]\nmax = 3\n[connection_pool]\nmax_connections = 4\nhealth_check_interval = 5\n[load_balancer]\nhealth_check_interval = 5\n';
    expect(told(sections(text)).filter((line) => line.startsWith('error'))).toEqual([
      'error 4:1: connection_pool.max_connections: the same as "defaults.pool.max" in line 2, with another value; keep one',
    ]);
  });

  it('translate words, counts and switches', () => {
    const text =
      '[retry_policy]\nstrategy = "Exponential_Backoff"\nmax_retries = 4\njitter = false\n[cache]\npolicy = "LFU"\n[circuit_breaker]\nfailure_threshold = 3\n';
    expect(plain(sections(text).at(['defaults']))).toEqual({
      retry: { strategy: 'exponential', maxAttempts: 5, jitter: 0 },
      cache: { policy: 'lfu' },
      circuitBreaker: { maxFailures: 3 },
    });
    expect(sections('[retry_policy]\njitter = true\n').at(['defaults'])).toBeUndefined();
    expect(told(sections('cache = 3\n'))).toEqual(['error 1:1: cache: expected an object']);
  });

  it('put the way to balance into servers with endpoints that say nothing of it', () => {
    const text =
      '[mcpServers.a]\nendpoints = [{ url = "https://a" }]\n[mcpServers.b]\nurl = "https://b"\n[load_balancer]\nstrategy = "weighted_round_robin"\n';
    const document = sections(text);
    expect(document.at(['mcpServers', 'a', 'balance'])).toBe('weighted');
    expect(document.at(['mcpServers', 'b', 'balance'])).toBeUndefined();
    expect(told(document)).toEqual([]);
    expect(told(sections('[load_balancer]\nstrategy = "random"\n'))).toEqual([
      'warning 2:1: load_balancer.strategy: has no effect: no server of this file has "endpoints"',
    ]);
  });
});
