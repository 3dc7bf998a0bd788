/** Which proxy the environment names for which target: the table of names, exemptions and spellings. */
import { describe, expect, it } from 'vitest';
import { parseTarget } from '../../../src/io/http-request.js';
import { type ProxyEnvironment, proxiesOf, proxySecrets } from '../../../src/io/proxy.js';

const through = (url: string, env: ProxyEnvironment) => proxiesOf(env)?.(parseTarget(url))?.host;
const https = 'https://mcp.example.com/mcp';
const http = 'http://mcp.example.com/mcp';

describe('the variables', () => {
  it.each<[string, ProxyEnvironment, string | undefined, string | undefined]>([
    ['no variable', {}, undefined, undefined],
    ['HTTPS_PROXY', { HTTPS_PROXY: 'http://p:3128' }, 'p:3128', undefined],
    ['HTTP_PROXY', { HTTP_PROXY: 'http://p:3128' }, undefined, 'p:3128'],
    ['ALL_PROXY', { ALL_PROXY: 'http://p:3128' }, 'p:3128', 'p:3128'],
    ['lower case before upper case', { https_proxy: 'http://low:1', HTTPS_PROXY: 'http://up:2' }, 'low:1', undefined],
    ['its own variable before ALL_PROXY', { HTTPS_PROXY: 'http://s:1', all_proxy: 'http://a:2' }, 's:1', 'a:2'],
    ['an empty one, which says none', { https_proxy: '', HTTPS_PROXY: 'http://up:2', ALL_PROXY: 'http://a:3' }, undefined, 'a:3'],
    ['one of spaces', { HTTPS_PROXY: '  ' }, undefined, undefined],
    ['a proxy without a scheme', { HTTPS_PROXY: 'p.example:8080' }, 'p.example:8080', undefined],
    ['a proxy without a port', { HTTPS_PROXY: 'http://p', HTTP_PROXY: 'https://p' }, 'p:80', 'p:443'],
    ['a proxy at an IPv6 address', { HTTPS_PROXY: 'http://[fd00::1]:3128' }, '[fd00::1]:3128', undefined],
  ])('%s', (_name, env, forHttps, forHttp) => {
    expect([through(https, env), through(http, env)]).toEqual([forHttps, forHttp]);
  });

  it('sends user and password as Basic, percent escapes decoded, and keeps them out of the name for people', () => {
    const proxy = proxiesOf({ HTTPS_PROXY: 'http://ann:p%40ss%3Aword@p:3128' })?.(parseTarget(https));
    expect(proxy).toMatchObject({ host: 'p:3128', hostname: 'p', port: 3128, variable: 'HTTPS_PROXY' });
    expect(proxy?.authorization).toBe(`Basic ${Buffer.from('ann:p@ss:word').toString('base64')}`);
    expect(proxiesOf({ HTTPS_PROXY: 'http://p:3128' })?.(parseTarget(https))?.authorization).toBeUndefined();
  });

  it.each([
    ['socks5://u:secret1@p:1080', /socks5:/],
    ['http://u:secret1@:80', /address of a proxy/],
    ['http://u:secret1@p:99999', /address of a proxy/],
  ])('%s is CONFIG_INVALID when it is needed, with its name and without its password', (value, words) => {
    const choice = proxiesOf({ https_proxy: value, NO_PROXY: 'direct.example' });
    expect(choice?.(parseTarget('https://direct.example/'))).toBeUndefined();
    const choose = () => choice?.(parseTarget(https));
    expect(choose).toThrow(words);
    expect(choose).toThrow(/https_proxy/);
    expect(choose).not.toThrow(/secret1/);
    expect(choose).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', delivered: 'no' }));
  });
});

describe('NO_PROXY', () => {
  it.each<[string, string, boolean]>([
    ['*', https, true],
    ['mcp.example.com', https, true],
    ['MCP.Example.COM.', https, true],
    ['example.com', https, true],
    ['.example.com', https, true],
    ['*.example.com', https, true],
    ['xample.com', https, false],
    ['com.', https, true],
    ['other.org', https, false],
    ['other.org, example.com', https, true],
    ['other.org example.com', https, true],
    ['example.com:443', https, true],
    ['example.com:8443', https, false],
    ['example.com:8443', 'https://example.com:8443/', true],
    ['example.com', 'https://example.com./', true],
    ['10.1.2.3', 'https://10.1.2.3/', true],
    ['10.1.2.3:443', 'https://10.1.2.3/', true],
    ['10.1.2.3:80', 'https://10.1.2.3/', false],
    ['10.0.0.0/8', 'https://10.1.2.3/', true],
    ['10.0.0.0/8', 'https://0x0a.1.2.3/', true],
    ['10.0.0.0/8', 'https://11.1.2.3/', false],
    ['10.0.0.0/8', 'https://10.example.com/', false],
    ['0.0.0.0/0', 'https://93.184.216.34/', true],
    ['10.0.0.0/33', 'https://10.0.0.0/', false],
    ['fd00::/8', 'https://[fd12::9]/', true],
    ['[fd00::]/8', 'https://[fd12::9]/', true],
    ['fd00::/8', 'https://[fe00::9]/', false],
    ['fd12::9', 'https://[fd12:0:0::9]/', true],
    ['[fd12::9]:8443', 'https://[fd12::9]:8443/', true],
    ['[fd12::9]:8443', 'https://[fd12::9]/', false],
    ['2.3', 'https://10.1.2.3/', false],
    [',, ,.', https, false],
  ])('%j and %s: direct is %s', (list, url, isDirect) => {
    expect(through(url, { HTTPS_PROXY: 'http://p:3128', NO_PROXY: list })).toBe(isDirect ? undefined : 'p:3128');
  });

  it('in lower case wins, also when it is empty', () => {
    const env = { HTTPS_PROXY: 'http://p:1', NO_PROXY: '*', no_proxy: '' };
    expect(through(https, env)).toBe('p:1');
  });
});

describe('this machine', () => {
  it.each(['localhost', 'a.localhost', '127.0.0.1', '127.9.9.9', '[::1]', '[::ffff:127.0.0.1]', '0.0.0.0', '[::]', '2130706433'])(
    '%s is asked directly, whatever the variables say',
    (host) => {
      const env = { ALL_PROXY: 'http://p:3128' };
      expect(through(`https://${host}:8443/`, env)).toBeUndefined();
      expect(through(`http://${host}:8080/`, env)).toBeUndefined();
    },
  );

  it('is not what only looks like it', () => {
    expect(through('https://localhost.example.com/', { ALL_PROXY: 'p:1' })).toBe('p:1');
    expect(through('https://128.0.0.1/', { ALL_PROXY: 'p:1' })).toBe('p:1');
  });
});

describe('proxySecrets', () => {
  it('gives passwords and the pair that is sent, as written and decoded, of both cases of every variable', () => {
    const secrets = proxySecrets({
      HTTPS_PROXY: 'http://ann:p%40ssword@p:3128',
      http_proxy: 'bob:hunter22@p',
      ALL_PROXY: 'http://p:3128',
      NO_PROXY: 'a@b',
    });
    expect(secrets.sort()).toEqual(
      ['ann:p%40ssword', 'ann:p@ssword', 'p%40ssword', 'p@ssword', 'bob:hunter22', 'hunter22'].sort(),
    );
  });
});
