import { BlockList, isIP, SocketAddress } from 'node:net';

/** A network of addresses; a single address is one with the longest prefix. */
interface Network {
  address: string;
  prefix: number;
  family: 'ipv4' | 'ipv6';
}

export interface AddressList {
  /** An address that is not known is in no list. */
  admits(address: string | undefined): boolean;
}

/** @param networks as `normalNetwork` writes them */
export function createAddressList(networks: readonly string[]): AddressList {
  // One for each family: in a common one, `::/0` would cover IPv4 as well.
  const lists = { ipv4: new BlockList(), ipv6: new BlockList() };
  for (const text of networks) {
    const { address, prefix, family } = parseNetwork(text)!;
    lists[family].addSubnet(address, prefix, family);
  }
  return {
    admits(address) {
      const found = address === undefined ? null : plainAddress(address);
      return found !== null && lists[found.family].check(found.address, found.family);
    },
  };
}

/** The one way to write an address or a network (CIDR): `10.1.2.3`, `10.0.0.0/8`, `2001:db8::/32`. Null when it is none. */
export function normalNetwork(text: string): string | null {
  const network = parseNetwork(text);
  if (!network) return null;
  const { address, prefix, family } = network;
  return prefix === longestPrefix(family) ? address : `${address}/${prefix}`;
}

/** Whether each network lies in one of the others. Both as `normalNetwork` writes them. */
export function liesWithin(networks: readonly string[], others: readonly string[]): boolean {
  const around = others.map((text) => parseNetwork(text)!);
  return networks.every((text) => {
    const { address, prefix } = parseNetwork(text)!;
    return others.some((other, index) => around[index]!.prefix <= prefix && createAddressList([other]).admits(address));
  });
}

function parseNetwork(text: string): Network | null {
  const [, host = '', length] = /^([^/]+)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text) ?? [];
  const found = plainAddress(host);
  if (!found) return null;
  const longest = longestPrefix(found.family);
  // The prefix of an IPv4 address in IPv6 dress counts the 96 bits before it.
  const isDressed = found.family === 'ipv4' && host.includes(':');
  const prefix = length === undefined ? longest : Number(length) - (isDressed ? 96 : 0);
  if (prefix < 0 || prefix > longest) return null;
  // 10.1.2.3/8 says two things: one host, or all that begins with 10. Nobody should have to guess which was meant.
  return isNetworkAddress(found, prefix) ? { ...found, prefix } : null;
}

const longestPrefix = (family: Network['family']): number => (family === 'ipv4' ? 32 : 128);

/** In its shortest spelling; an IPv4 address as such, also where it comes as an IPv6 one (`::ffff:10.0.0.1`). */
function plainAddress(text: string): Pick<Network, 'address' | 'family'> | null {
  if (isIP(text) === 4) return { address: text, family: 'ipv4' };
  // A zone (`fe80::1%eth0`) means something on one machine only.
  if (isIP(text) !== 6 || text.includes('%')) return null;
  const { address } = new SocketAddress({ address: text, family: 'ipv6' });
  const [, mapped] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address) ?? [];
  return mapped === undefined ? { address, family: 'ipv6' } : { address: mapped, family: 'ipv4' };
}

/** Whether nothing is set behind the prefix. */
function isNetworkAddress({ address, family }: Pick<Network, 'address' | 'family'>, prefix: number): boolean {
  const bits = family === 'ipv4' ? bitsOfIpv4(address) : bitsOfIpv6(address);
  return !bits.slice(prefix).includes('1');
}

function bitsOfIpv4(address: string): string {
  return address.split('.').map((part) => Number(part).toString(2).padStart(8, '0')).join('');
}

function bitsOfIpv6(address: string): string {
  const [head = '', tail] = address.replace(/\d+\.\d+\.\d+\.\d+$/, ipv4AsGroups).split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const missing = tail === undefined ? 0 : 8 - groups(head).length - groups(tail).length;
  return [...groups(head), ...Array.from({ length: missing }, () => '0'), ...groups(tail ?? '')]
    .map((group) => parseInt(group, 16).toString(2).padStart(16, '0'))
    .join('');
}

/** `::1.2.3.4` is another spelling of `::102:304`. */
function ipv4AsGroups(address: string): string {
  const bits = bitsOfIpv4(address);
  return [bits.slice(0, 16), bits.slice(16)].map((group) => parseInt(group, 2).toString(16)).join(':');
}
