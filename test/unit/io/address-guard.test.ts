/** Every spelling of an address is judged as the address that it leads to. */
import { describe, expect, it } from 'vitest';
import { privateAddressGuard } from '../../../src/io/address-guard.js';

const family = (address: string) => (address.includes(':') ? 6 : 4);
const asLiteral = (options: Parameters<typeof privateAddressGuard>[0]) => (address: string) =>
  privateAddressGuard(options)(address, address, family(address));

const metadata = [
  '169.254.169.254',
  '169.254.0.1',
  '100.100.100.200',
  '192.0.0.192',
  '168.63.129.16',
  'fd00:ec2::254',
  'fd00:0ec2:0:0:0:0:0:254',
  '::ffff:169.254.169.254',
  '::ffff:a9fe:a9fe',
  '0:0:0:0:0:ffff:a9fe:a9fe',
  '64:ff9b::a9fe:a9fe', // NAT64
  '2002:a9fe:a9fe::1', // 6to4
  '::a9fe:a9fe', // IPv4-compatible
];
const privates = [
  '127.0.0.1',
  '127.255.255.254',
  '10.0.0.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '100.64.0.1',
  '0.0.0.0',
  '198.18.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '::1',
  '::',
  'fd12:3456::1',
  'fe80::1',
  'fe80::1%eth0',
  'ff02::1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '64:ff9b::7f00:1',
  '2002:c0a8:101::',
];
const publics = [
  '1.1.1.1',
  '172.32.0.1',
  '100.128.0.1',
  '169.253.255.255',
  '8.8.8.8',
  '2606:4700::1111',
  '64:ff9b::808:808',
  '::ffff:8.8.8.8',
];

describe('private address guard', () => {
  it.each(metadata)('refuses the metadata address %s even when private addresses are allowed', (address) => {
    expect(() => asLiteral({ allowPrivate: true })(address)).toThrow(
      expect.objectContaining({
        code: 'UNAVAILABLE',
        delivered: 'no',
        details: expect.objectContaining({ reason: 'blocked', address }),
      }),
    );
  });

  it.each(privates)('refuses %s unless private addresses are allowed', (address) => {
    expect(() => asLiteral({ allowPrivate: false })(address)).toThrow(/private address/);
    expect(() => asLiteral({ allowPrivate: true })(address)).not.toThrow();
  });

  it.each(publics)('lets the public address %s through', (address) => {
    expect(() => asLiteral({ allowPrivate: false })(address)).not.toThrow();
  });

  it('lets a metadata address through only as the very literal of the configuration, never for a name or another literal', () => {
    const guard = privateAddressGuard({ allowPrivate: true, configuredHost: '[fd00:0ec2::254]' });
    expect(() => guard('fd00:ec2::254', 'fd00:ec2::254', 6)).not.toThrow();
    expect(() => guard('metadata.example', 'fd00:ec2::254', 6)).toThrow(/metadata\.example \(fd00:ec2::254\).*metadata service/);
    expect(() => guard('169.254.169.254', '169.254.169.254', 4)).toThrow(/metadata service/);
  });

  it('does not take a configured name for its literal', () => {
    const guard = privateAddressGuard({ allowPrivate: true, configuredHost: 'evil.example' });
    expect(() => guard('evil.example', '169.254.169.254', 4)).toThrow(/metadata service/);
  });
});
