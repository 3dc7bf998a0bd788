/** Types, bounds and contradictions of the parts that few files have: each error at its place. */
import { describe, expect, it } from 'vitest';
import { JsoncDocument } from '../../../src/config/document.js';
import { formatPath } from '../../../src/config/position.js';
import { checkShape } from '../../../src/config/shape.js';
import { unknownKeys } from '../../../src/config/unknown-keys.js';

const read = (value: unknown) => JsoncDocument.parse('c.json', JSON.stringify(value));
const issuesOf = (value: unknown) => checkShape(read(value)).issues.map(({ path, message }) => `${formatPath(path)}: ${message}`);
const withServer = (entry: object) => ({ mcpServers: { a: { url: 'https://x', ...entry } } });

describe('checkShape', () => {
  it.each([
    [{ retry: 3 }, 'retry: expected object, got number'],
    [
      { retry: { strategy: 'fibonacci' } },
      'retry.strategy: expected "exponential", "linear", "adaptive", "none", got "fibonacci"',
    ],
    [{ retry: { preset: 'slow' } }, 'retry.preset: expected "quick", "standard", "network", "throttle", got "slow"'],
    [{ retry: { baseDelay: 100 } }, 'retry.baseDelay: a duration needs a unit: write "100ms" or "100s" instead of 100'],
    [{ retry: { baseDelay: '6s', maxDelay: '5s' } }, 'retry.baseDelay: must not be above "maxDelay"'],
    [{ retry: { maxAttempts: 0 } }, 'retry.maxAttempts: must be at least 1, got 0'],
    [{ retry: { jitter: 1.5 } }, 'retry.jitter: must be at most 1, got 1.5'],
    [{ retry: { tools: { t: { jitter: -1 } } } }, 'retry.tools.t.jitter: must be at least 0, got -1'],
    [{ retry: { tools: { t: { baseDelay: '2s', maxDelay: '1s' } } } }, 'retry.tools.t.baseDelay: must not be above "maxDelay"'],
    [{ circuitBreaker: { failureRateThreshold: 101 } }, 'circuitBreaker.failureRateThreshold: must be at most 100, got 101'],
    [{ circuitBreaker: { maxFailures: 1.5 } }, 'circuitBreaker.maxFailures: expected whole number, got number'],
    [{ circuitBreaker: { tools: { t: { timeout: '0s' } } } }, 'circuitBreaker.tools.t.timeout: must be at least 1 ms, got "0s"'],
    [{ pool: { min: 5, max: 4 } }, 'pool.min: must not be above "max"'],
    [{ pool: { maxIdle: 5, max: 4 } }, 'pool.maxIdle: must not be above "max"'],
    [{ pool: { maxLifetime: '8d' } }, 'pool.maxLifetime: must be at most 7 d, got "8d"'],
    [{ concurrency: { inFlight: 0 } }, 'concurrency.inFlight: must be at least 1, got 0'],
    [{ cache: { enabled: 'no' } }, 'cache.enabled: expected boolean, got string'],
    [{ cache: { policy: 'mru' } }, 'cache.policy: expected "lru", "lfu", "fifo", "ttl", got "mru"'],
    [{ health: { interval: '-1s' } }, 'health.interval: expected a duration such as "500ms", "30s", "10m" or "24h", got "-1s"'],
    [{ health: { timeout: '0s' } }, 'health.timeout: must be at least 1 ms, got "0s"'],
    [{ timeouts: { idle: true } }, 'timeouts.idle: expected a duration such as "30s", got boolean'],
    [{ stateless: 'yes' }, 'stateless: expected boolean, got string'],
    [
      { balance: 'fair' },
      'balance: expected "round-robin", "least-connections", "weighted", "health", "response-time", "random", "priority", got "fair"',
    ],
    [{ pin: 1 }, 'pin: expected boolean, got number'],
    [{ oauth: { scopes: 'read' } }, 'oauth.scopes: expected array, got string'],
    [{ oauth: { scopes: ['read write'] } }, 'oauth.scopes[0]: must be one scope, without spaces; a list has one entry for each'],
    [{ oauth: { registration: 'dynamic' } }, 'oauth.registration: expected "auto", "static", "cimd", "dcr", got "dynamic"'],
    [{ oauth: { registration: 'static' } }, 'oauth.registration: "static" needs "clientId"'],
    [{ oauth: { registration: 'cimd' } }, 'oauth.registration: "cimd" needs "clientMetadataUrl"'],
    [{ oauth: { clientSecret: 's' } }, 'oauth.clientSecret: needs "clientId"'],
    [{ oauth: { privateKeyFile: 'k.pem' } }, 'oauth.privateKeyFile: needs "clientId"'],
    [
      { oauth: { clientId: 'c', clientSecret: 's', clientSecretEnv: 'S' } },
      'oauth.clientSecretEnv: "clientSecret" and "clientSecretEnv" exclude each other; keep one',
    ],
    [
      { oauth: { clientId: 'c', clientSecretEnv: 'planted-secret' } },
      'oauth.clientSecretEnv: is the name of a variable, such as GITHUB_SECRET; the secret itself does not belong here',
    ],
    [{ oauth: { clientId: '${ID}' } }, 'oauth.clientId: variables are not expanded here, only in "clientSecret"'],
    [{ oauth: { authEndpoint: 'https://a.example/x' } }, 'oauth.authEndpoint: needs "tokenEndpoint"'],
    [{ oauth: { tokenEndpoint: 'https://a.example/x' } }, 'oauth.tokenEndpoint: needs "authEndpoint"'],
    ...[
      ['http://a.example/x', 'must be an https:// address (http:// only on this machine)'],
      ['javascript:alert(1)', 'must be an https:// address (http:// only on this machine)'],
      ['file:///etc/passwd', 'must be an https:// address (http:// only on this machine)'],
      ['https://me:pw@a.example/x', 'must not hold a user name or password'],
      ['https://a.example/x\ny', 'is not a URL'],
      [`https://a.example/${'x'.repeat(8192)}`, 'is not a URL'],
      ['a.example', 'is not a URL'],
    ].map(([address, message]): [object, string] => [
      { oauth: { authEndpoint: address, tokenEndpoint: 'https://a.example/t' } },
      `oauth.authEndpoint: ${message}`,
    ]),
    ...['http://a.example/c.json', 'https://a.example', 'https://a.example/', 'http://127.0.0.1/c.json'].map(
      (address): [object, string] => [
        { oauth: { clientMetadataUrl: address } },
        'oauth.clientMetadataUrl: must be an https:// address with a path, such as https://example.com/mcpctl.json',
      ],
    ),
    [{ oauth: { resource: '/mcp' } }, 'oauth.resource: must be an absolute address without "#", such as https://example.com/mcp'],
    [
      { oauth: { resource: 'https://x/#a' } },
      'oauth.resource: must be an absolute address without "#", such as https://example.com/mcp',
    ],
    [
      { oauth: { resource: 'https://x', omitResource: true } },
      'oauth.omitResource: "resource" and "omitResource" exclude each other',
    ],
    [{ oauth: { callbackPort: 0 } }, 'oauth.callbackPort: must be at least 1, got 0'],
    [{ oauth: { callbackPort: 65_536 } }, 'oauth.callbackPort: must be at most 65535, got 65536'],
    ...['*', 'https://login.internal', 'login.internal:443', 'a b', 'me@login.internal', 'login.internal/x', ''].map(
      (host): [object, string] => [
        { oauth: { allowHosts: ['10.0.0.7', 'Login.internal', '::1', '[fd00::1]', host] } },
        'oauth.allowHosts[4]: must be a host name or an address, such as login.internal',
      ],
    ),
    [
      { oauth: { authorizationParams: { audience: 'x', State: 'mine' } } },
      'oauth.authorizationParams.State: is set by mcpctl and cannot be configured',
    ],
    [{ trust: { annotations: 1 } }, 'trust.annotations: expected boolean, got number'],
    [{ trust: 'yes' }, 'trust: expected object, got string'],
  ])('of a server with %j: %s', (entry, message) => {
    expect(issuesOf(withServer(entry))).toEqual([`mcpServers.a.${message}`]);
  });

  it.each([
    [{ endpoints: [] }, 'endpoints: must not be empty'],
    [{ endpoints: [{ weight: 1 }] }, 'endpoints[0].url: expected string, got nothing'],
    [{ endpoints: [{ url: 'https://x', weight: -1 }] }, 'endpoints[0].weight: must be at least 0, got -1'],
    [{ endpoints: [{ url: 'https://x' }, { url: 'https://x' }] }, 'endpoints[1].url: the same address as endpoints[0]'],
    [{ endpoints: [{ url: 'https://x', weight: 0 }] }, 'endpoints[0].weight: at least one weight must be above 0'],
    [
      { endpoints: [{ url: 'u' }], url: 'v' },
      'endpoints: "url" and "endpoints" exclude each other: put the address into "endpoints"',
    ],
    [
      { endpoints: [{ url: 'u' }], command: 'v' },
      'endpoints: "command" and "endpoints" exclude each other: a server is a program or an address',
    ],
    [{ endpoints: [{ url: 'u' }], type: 'stdio' }, 'type: "stdio" needs "command", but this server has "endpoints"'],
  ])('of endpoints %j: %s', (entry, message) => {
    expect(issuesOf({ mcpServers: { a: entry } })).toEqual([`mcpServers.a.${message}`]);
  });

  it.each([
    [{ defaults: { pool: { min: 2, max: 1 } } }, 'defaults.pool.min: must not be above "max"'],
    [{ defaults: { retry: { baseDelay: '2s', maxDelay: '1s' } } }, 'defaults.retry.baseDelay: must not be above "maxDelay"'],
    [{ defaults: { cache: [] } }, 'defaults.cache: expected object, got array'],
    [{ credentials: { store: 'paper' } }, 'credentials.store: expected "auto", "keychain", "file", "memory", got "paper"'],
    [{ metrics: { port: 65_536 } }, 'metrics.port: must be at most 65535, got 65536'],
    [{ metrics: null }, 'metrics: expected object, got null'],
    [{ state: { store: 'redis' } }, 'state.redis.url: is needed with "store": "redis"'],
    [{ state: { ttl: '1ms' } }, 'state.ttl: must be at least 1 s, got "1ms"'],
  ])('of a file with %j: %s', (value, message) => {
    expect(issuesOf(value)).toEqual([message]);
  });

  it('gives durations in milliseconds, and takes "0s" as no health checks', () => {
    const { content } = checkShape(
      read({
        mcpServers: {
          a: {
            endpoints: [{ url: 'https://a' }, { url: 'https://b' }],
            cache: { ttl: '30s' },
            health: { interval: '0s' },
            trust: true,
          },
        },
        defaults: { cache: { enabled: false } },
      }),
    );
    expect(content?.mcpServers?.a).toMatchObject({ cache: { ttl: 30_000 }, health: { interval: 0 } });
    expect(content?.defaults?.cache).toEqual({ enabled: false });
  });
});

describe('unknownKeys', () => {
  const told = (value: unknown) => unknownKeys(read(value)).map(({ path, message }) => `${path}: ${message}`);

  it('looks into every part, with a suggestion', () => {
    expect(
      told(
        withServer({
          cache: { tll: '1m' },
          endpoints: [{ url: 'u', wieght: 1 }],
          retry: { tools: { t: { jiter: 0 } } },
        }),
      ),
    ).toEqual([
      'mcpServers.a.cache.tll: unknown key "tll" is ignored; did you mean "ttl"?',
      'mcpServers.a.endpoints[0].wieght: unknown key "wieght" is ignored; did you mean "weight"?',
      'mcpServers.a.retry.tools.t.jiter: unknown key "jiter" is ignored; did you mean "jitter"?',
    ]);
  });

  it('says of "trust": true that it means nothing here, and of the other form nothing', () => {
    expect(told(withServer({ trust: true }))).toEqual(['mcpServers.a.trust: "trust": true of other programs means nothing here']);
    expect(told(withServer({ trust: { annotations: true } }))).toEqual([]);
  });

  it('says nothing about names that are free: variables, headers and servers', () => {
    expect(
      told({ mcpServers: { constructor1: { command: 'x', env: { tll: '1' } }, cache: { url: 'u', headers: { retry: 'x' } } } }),
    ).toEqual([]);
  });
});
