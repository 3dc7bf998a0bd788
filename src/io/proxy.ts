/** Which proxy a request goes through, as the proxy variables of the environment say; nothing here opens anything. */
import { BlockList, isIP } from 'node:net';
import { McpctlError } from '../core/errors.js';
import type { Target } from './http-request.js';

export type ProxyEnvironment = Readonly<Record<string, string | undefined>>;

export interface HttpProxy {
  readonly protocol: 'http:' | 'https:';
  /** Without the brackets of an IPv6 address. */
  readonly hostname: string;
  readonly port: number;
  /** `host:port`, for people; never with credentials. */
  readonly host: string;
  /** The value of Proxy-Authorization; a secret. */
  readonly authorization: string | undefined;
  /** The variable that named it, as it is spelled there. */
  readonly variable: string;
}

/** @throws McpctlError `CONFIG_INVALID` when the variable that applies holds no usable address. */
export type ProxyChoice = (target: Pick<Target, 'protocol' | 'hostname' | 'port'>) => HttpProxy | undefined;

/** What the environment says of a variable. In lower case it wins, as in curl; set but empty it says "none". */
function read(env: ProxyEnvironment, name: string): { readonly variable: string; readonly value: string } | undefined {
  for (const variable of [name.toLowerCase(), name]) {
    const value = env[variable];
    if (value !== undefined) return { variable, value: value.trim() };
  }
  return undefined;
}

/**
 * The choice that `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` describe; undefined when they name no proxy, so that
 * a request without one costs nothing. This machine itself is always asked directly.
 */
export function proxiesOf(env: ProxyEnvironment): ProxyChoice | undefined {
  const all = read(env, 'ALL_PROXY');
  const https = read(env, 'HTTPS_PROXY') ?? all;
  const http = read(env, 'HTTP_PROXY') ?? all;
  if (!https?.value && !http?.value) return undefined;
  const isExempt = exemptions(read(env, 'NO_PROXY')?.value ?? '');
  const parsed = new Map<string, HttpProxy>();
  return ({ protocol, hostname, port }) => {
    const named = protocol === 'https:' ? https : http;
    if (!named?.value) return undefined;
    const host = hostname.toLowerCase().replace(/\.$/, '');
    if (isThisMachine(host) || isExempt(host, port)) return undefined;
    let proxy = parsed.get(named.variable);
    if (!proxy) {
      proxy = parseProxy(named.value, named.variable);
      parsed.set(named.variable, proxy);
    }
    return proxy;
  };
}

/** What must not be printed of the proxy variables: passwords, and user and password together, which is what is sent. */
export function proxySecrets(env: ProxyEnvironment): string[] {
  return ['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY'].flatMap((name) =>
    [env[name], env[name.toLowerCase()]].flatMap((value) => {
      const at = value?.lastIndexOf('@') ?? -1;
      if (value === undefined || at === -1) return [];
      const userinfo = value.slice(0, at).replace(/^[^/]*\/\//, '');
      const colon = userinfo.indexOf(':');
      const password = colon === -1 ? userinfo : userinfo.slice(colon + 1);
      return [...new Set([userinfo, password].flatMap((part) => [part, decoded(part)]))];
    }),
  );
}

function parseProxy(value: string, variable: string): HttpProxy {
  const unusable = (what: string) =>
    // The value stays out of the text: it may hold a password.
    new McpctlError('CONFIG_INVALID', `The environment variable ${variable} ${what}`, {
      hint: `write it like ${variable}=http://proxy.example.com:3128, or name the host in NO_PROXY`,
      details: { reason: 'proxy', variable },
      delivered: 'no',
    });
  let url: URL;
  try {
    url = new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`);
  } catch {
    throw unusable('does not hold the address of a proxy');
  }
  const { protocol } = url;
  if (protocol !== 'http:' && protocol !== 'https:') {
    throw unusable(`names a ${protocol}// proxy, and only http:// and https:// ones are used`);
  }
  const port = url.port === '' ? (protocol === 'https:' ? 443 : 80) : Number(url.port);
  const user = `${decoded(url.username)}:${decoded(url.password)}`;
  return {
    protocol,
    hostname: url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname,
    port,
    host: `${url.hostname}:${port}`,
    authorization: user === ':' ? undefined : `Basic ${Buffer.from(user).toString('base64')}`,
    variable,
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4'); // judges ::ffff:127.0.0.1 as well
loopback.addAddress('0.0.0.0', 'ipv4');
loopback.addAddress('::1', 'ipv6');
loopback.addAddress('::', 'ipv6');

function isThisMachine(host: string): boolean {
  const family = isIP(host);
  if (family !== 0) return loopback.check(host, family === 6 ? 'ipv6' : 'ipv4');
  return host === 'localhost' || host.endsWith('.localhost');
}

type Exemption = (host: string, port: number) => boolean;

/**
 * The hosts of `NO_PROXY`: names, which stand for their subdomains too with a dot in front or without, addresses, networks
 * (`10.0.0.0/8`, for addresses only: no name is looked up), each with a port or for all of them, or `*`.
 */
function exemptions(list: string): Exemption {
  const all = list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .map(exemption);
  return (host, port) => all.some((isExempt) => isExempt(host, port));
}

function exemption(entry: string): Exemption {
  if (entry === '*') return () => true;
  const network = /^\[?([0-9a-f.:]+)\]?\/(\d{1,3})$/.exec(entry);
  if (network) return inNetwork(network[1] ?? '', Number(network[2]));
  const [, name = '', digits] = (isIP(entry) === 0 && /^(.*?)(?::(\d+))?$/.exec(entry)) || [entry, entry];
  const bare = name
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/^\*?\./, '')
    .replace(/\.$/, '');
  const family = isIP(bare);
  const isHost: Exemption =
    family === 0
      ? (host) => bare !== '' && (host === bare || (host.endsWith(`.${bare}`) && isIP(host) === 0))
      : inNetwork(bare, family === 6 ? 128 : 32);
  return (host, port) => (digits === undefined || Number(digits) === port) && isHost(host, port);
}

function inNetwork(address: string, prefix: number): Exemption {
  const family = isIP(address);
  if (family === 0 || prefix > (family === 6 ? 128 : 32)) return () => false;
  const list = new BlockList();
  list.addSubnet(address, prefix, family === 6 ? 'ipv6' : 'ipv4');
  return (host) => {
    const hostFamily = isIP(host);
    return hostFamily !== 0 && list.check(host, hostFamily === 6 ? 'ipv6' : 'ipv4');
  };
}
