import { createAddressList, liesWithin, normalNetwork } from './address-list.ts';

describe('an address or network', () => {
  it.each([
    ['10.1.2.3', '10.1.2.3'],
    ['10.1.2.3/32', '10.1.2.3'],
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8::/32', '2001:db8::/32'],
    ['::1', '::1'],
    ['::/0', '::/0'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['::FFFF:a01:203', '10.1.2.3'],
    ['::ffff:10.0.0.0/104', '10.0.0.0/8'],
  ])('%s is written %s', (text, normal) => {
    expect(normalNetwork(text)).toBe(normal);
  });

  it.each([
    '', ' ', '10.1.2', '10.1.2.3.4', '010.1.2.3', '0x0a.1.2.3', '256.1.1.1', '10.1.2.3/', '10.1.2.3/33', '10.0.0.0/-1', '10.0.0.0/08', '10.0.0.0/8/8',
    '10.1.2.3/8', '2001:db8::1/32', '2001:db8::/129', 'fe80::1%eth0', '::ffff:10.0.0.0/95', ' 10.1.2.3', '10.1.2.3 ', '10.1.2.3\n', 'localhost', '*', '１０.1.2.3',
  ])('%j is none', (text) => {
    expect(normalNetwork(text)).toBeNull();
  });
});

describe('a list of addresses', () => {
  const list = createAddressList(['203.0.113.7', '10.0.0.0/8', '2001:db8::/32']);

  it.each(['203.0.113.7', '::ffff:203.0.113.7', '::FFFF:CB00:7107', '10.0.0.0', '10.255.255.255', '2001:db8:ffff::1', '2001:0DB8::1'])('admits %s', (address) => {
    expect(list.admits(address)).toBe(true);
  });

  it.each(['203.0.113.8', '::ffff:203.0.113.8', '9.255.255.255', '11.0.0.0', '2001:db9::1', '::10.0.0.1', '::1', '127.0.0.1', '', 'nonsense', '10.0.0.1, 9.9.9.9', undefined])(
    'does not admit %s',
    (address) => {
      expect(list.admits(address)).toBe(false);
    },
  );

  it('takes all of one family for no more than that', () => {
    expect(createAddressList(['::/0']).admits('10.0.0.1')).toBe(false);
    expect(createAddressList(['::/0']).admits('::ffff:10.0.0.1')).toBe(false);
    expect(createAddressList(['0.0.0.0/0']).admits('::1')).toBe(false);
    expect(createAddressList(['0.0.0.0/0']).admits('::ffff:10.0.0.1')).toBe(true);
  });
});

it.each([
  [['10.1.0.0/16', '10.2.3.4'], ['10.0.0.0/8'], true],
  [['10.0.0.0/8'], ['10.0.0.0/8'], true],
  [['10.0.0.0/8'], ['10.0.0.0/9'], false],
  [['10.1.2.3', '11.1.2.3'], ['10.0.0.0/8'], false],
  [['0.0.0.0/0'], ['::/0'], false],
  [['2001:db8:1::/48'], ['10.0.0.0/8', '2001:db8::/32'], true],
])('%j within %j: %s', (networks, others, within) => {
  expect(liesWithin(networks, others)).toBe(within);
});
