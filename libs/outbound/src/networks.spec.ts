import { isNetwork, isPublic, parseNetworks } from './networks.ts';

describe('the public internet', () => {
  it.each([
    '0.0.0.0', '0.1.2.3', '10.0.0.1', '100.64.0.1', '100.100.100.200', '100.127.255.255', '127.0.0.1', '127.255.255.254', '168.63.129.16',
    '169.254.169.254', '172.16.0.1', '172.31.255.255', '192.0.0.1', '192.0.0.192', '192.0.2.1', '192.88.99.1', '192.168.1.1', '198.18.0.1',
    '198.19.255.255', '198.51.100.7', '203.0.113.9', '224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255',
    '::', '::1', '::7f00:1', '::ffff:127.0.0.1', '::ffff:8.8.8.8', '::ffff:7f00:1', '64:ff9b::7f00:1', '64:ff9b::808:808', '64:ff9b:1::1', '100::1',
    '2001::1', '2001:0:7f00:1::', '2001:10::1', '2001:20::1', '2001:db8::1', '2002:7f00:1::', '2002:c0a8:101::1', '3fff::1', '3fff:fff::1', '5f00::1',
    'fc00::1', 'fd00:ec2::254', 'fdff::1', 'fe80::1', 'fe80::1%eth0', '2606:4700::1111%eth0', 'fec0::1', 'ff02::1', 'ff0e::1', '4000::1', '1fff::1',
  ])('has no host at %s', (address) => expect(isPublic(address)).toBe(false));

  it.each([
    '1.1.1.1', '8.8.8.8', '9.255.255.255', '11.0.0.1', '100.63.255.255', '100.128.0.1', '126.255.255.255', '128.0.0.1', '168.63.129.15', '169.253.1.1',
    '172.15.255.255', '172.32.0.1', '192.0.1.1', '192.167.1.1', '198.17.255.255', '198.20.0.1', '223.255.255.255',
    '2001:200::1', '2001:4860:4860::8888', '2003::1', '2606:4700::1111', '2a00:1450::1', '3ffe::1',
  ])('has a host at %s', (address) => expect(isPublic(address)).toBe(true));

  it.each(['', 'localhost', '127.1', '0x7f.0.0.1', '010.0.0.1', '1.2.3.4.5', '[::1]', '1.1.1.1 '])('has no host at “%s”, which is no address', (text) =>
    expect(isPublic(text)).toBe(false),
  );
});

describe('networks of the operator', () => {
  it('hold what lies in them, each family for itself', () => {
    const networks = parseNetworks(['10.1.0.0/16', '192.168.7.7', 'fd12::/16', '::/0']);
    const held = ['10.1.2.3', '192.168.7.7', 'fd12::1', '2606::1'];
    const outside = ['10.2.0.1', '192.168.7.8', '127.0.0.1', 'fe80::1%eth0', '', 'x'];
    expect(held.filter((address) => !networks.contain(address))).toEqual([]);
    expect(outside.filter((address) => networks.contain(address))).toEqual([]);
    expect(parseNetworks(['127.0.0.0/8']).contain('::ffff:127.0.0.1')).toBe(false);
    expect(parseNetworks([]).contain('10.0.0.1')).toBe(false);
  });

  it.each(['', 'localhost/8', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/', '10.0.0.0/8/8', '10.0/8', 'fd00::/129', 'fe80::1%eth0/64', '10.0.0.0/8.5'])(
    'are refused as “%s”', (cidr) => {
      expect(() => parseNetworks([cidr])).toThrow(`"${cidr}" is no network`);
      expect([isNetwork(cidr), isNetwork('10.0.0.0/8')]).toEqual([false, true]);
    },
  );
});
