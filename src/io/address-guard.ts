/** Which addresses a request may be sent to: judged on the address that is connected to, never on the name alone. */
import { BlockList, isIP } from 'node:net';
import { McpctlError } from '../core/errors.js';

/**
 * Refuses an address by throwing. Called for every new socket: with each address a name resolved to, or with the literal
 * address of the URL (then `hostname` equals `address`).
 */
export type AddressGuard = (hostname: string, address: string, family: 4 | 6) => void;

export interface PrivateAddressGuardOptions {
  /** Whether private, loopback and other non-public addresses are allowed. */
  readonly allowPrivate: boolean;
  /**
   * The host the user wrote in the configuration. A metadata address is refused unless this is that very literal: a name
   * that resolves to it, or a URL that a server handed out, is not a wish of the user.
   */
  readonly configuredHost?: string;
}

/** Services that hand out the credentials of a cloud machine to whoever asks from inside it. */
export const blockedMetadataAddresses: BlockList = blockList(
  ['169.254.0.0/16'], // link-local: AWS, Google Cloud, Azure, DigitalOcean … at 169.254.169.254
  ['100.100.100.200/32'], // Alibaba Cloud
  ['192.0.0.192/32'], // Oracle Cloud
  ['168.63.129.16/32'], // Azure wire server
  ['fd00:ec2::254/128'], // AWS over IPv6
  ['fd20:ce::254/128'], // Google Cloud over IPv6
);

/** Everything that is not a public unicast address (IANA special-purpose registries). */
const privateAddresses: BlockList = blockList(
  ['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ['192.168.0.0/16', '198.18.0.0/15', '224.0.0.0/4', '240.0.0.0/4'],
  ['::/128', '::1/128', 'fc00::/7', 'fe80::/10', 'fec0::/10', 'ff00::/8'],
);

/** Of those: this machine. The unspecified address leads there as well. */
const loopbackAddresses: BlockList = blockList(['127.0.0.0/8', '0.0.0.0/8', '::1/128', '::/128']);

/** How far an address reaches, or that it is one of a metadata service. */
export type AddressReach = 'public' | 'private' | 'loopback' | 'metadata';

export function reachOf(address: string, family: 4 | 6): AddressReach {
  if (isListed(blockedMetadataAddresses, address, family)) return 'metadata';
  if (isListed(loopbackAddresses, address, family)) return 'loopback';
  return isListed(privateAddresses, address, family) ? 'private' : 'public';
}

/**
 * A guard that never lets a request reach a metadata service, and reaches private addresses only if `allowPrivate`.
 *
 * @throws (from the guard) McpctlError `UNAVAILABLE`, `details.reason` `blocked`, `delivered` `no`.
 */
export function privateAddressGuard({ allowPrivate, configuredHost }: PrivateAddressGuardOptions): AddressGuard {
  const configuredLiteral = configuredHost === undefined ? undefined : canonicalAddress(configuredHost);
  return (hostname, address, family) => {
    if (isListed(blockedMetadataAddresses, address, family)) {
      if (configuredLiteral === undefined || configuredLiteral !== canonicalAddress(hostname)) {
        throw blocked(hostname, address, 'the address of a cloud metadata service');
      }
      return;
    }
    if (!allowPrivate && isListed(privateAddresses, address, family)) throw blocked(hostname, address, 'a private address');
  };
}

function blocked(hostname: string, address: string, what: string): McpctlError {
  const subject = hostname === address ? address : `${hostname} (${address})`;
  return new McpctlError('UNAVAILABLE', `Refused to connect to ${subject}: it is ${what}`, {
    hint: 'if this server is meant, write its address as the URL of the server in the configuration',
    details: { reason: 'blocked', code: 'ADDRESS_BLOCKED', address },
    delivered: 'no',
  });
}

/** Whether the list holds the address, or the IPv4 address that travels inside it. */
function isListed(list: BlockList, address: string, family: 4 | 6): boolean {
  const bare = withoutZone(address);
  if (family === 4) return list.check(bare, 'ipv4');
  if (list.check(bare, 'ipv6')) return true; // also judges ::ffff:a.b.c.d by the IPv4 rules
  const embedded = embeddedIpv4(bare);
  return embedded !== undefined && list.check(embedded, 'ipv4');
}

/** The IPv4 address that a NAT64, 6to4 or IPv4-compatible address leads to: a translator would carry us there. */
function embeddedIpv4(address: string): string | undefined {
  const groups = expandGroups(address);
  if (groups === undefined) return undefined;
  const [a, b, c, d, e, f, g, h] = groups as [number, number, number, number, number, number, number, number];
  const middleIsZero = c === 0 && d === 0 && e === 0 && f === 0;
  if (a === 0x64 && b === 0xff9b && middleIsZero) return dotted(g, h);
  if (a === 0x2002) return dotted(b, c);
  if (a === 0 && b === 0 && middleIsZero && (g !== 0 || h > 1)) return dotted(g, h);
  return undefined;
}

/** The eight 16-bit groups of an IPv6 address, or `undefined` when it is none. */
function expandGroups(address: string): number[] | undefined {
  const canonical = canonicalAddress(address);
  if (canonical === undefined || !canonical.includes(':')) return undefined;
  const [head = '', tail] = canonical.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array<string>(8 - left.length - right.length).fill('0');
  return [...left, ...zeros, ...right].map((group) => Number.parseInt(group, 16));
}

function dotted(high: number, low: number): string {
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

/** One spelling per address, the one of the URL standard; `undefined` for a name. */
function canonicalAddress(host: string): string | undefined {
  const bare = withoutZone(host.startsWith('[') ? host.slice(1, -1) : host);
  const family = isIP(bare);
  if (family === 0) return undefined;
  return family === 4 ? bare : new URL(`http://[${bare}]`).hostname.slice(1, -1);
}

function withoutZone(address: string): string {
  const zone = address.indexOf('%');
  return zone === -1 ? address : address.slice(0, zone);
}

function blockList(...groups: string[][]): BlockList {
  const list = new BlockList();
  for (const subnet of groups.flat()) {
    const [network = '', prefix = ''] = subnet.split('/');
    list.addSubnet(network, Number(prefix), network.includes(':') ? 'ipv6' : 'ipv4');
  }
  return list;
}
