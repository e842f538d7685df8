import { BlockList, isIP } from 'node:net';

/**
 * IPv4 networks in which no host of the public internet lies: the special-purpose registry of IANA (RFC 6890 and its
 * successors), and one address inside public space at which a cloud provider answers its own machines.
 */
const notPublicIPv4 = [
  '0.0.0.0/8', // this network
  '10.0.0.0/8', // private
  '100.64.0.0/10', // shared by carriers; some clouds keep their metadata here
  '127.0.0.0/8', // loopback
  '168.63.129.16/32', // Azure's platform
  '169.254.0.0/16', // link-local, with the metadata address of most clouds
  '172.16.0.0/12', // private
  '192.0.0.0/24', // protocol assignments
  '192.0.2.0/24', // documentation
  '192.31.196.0/24', // AS112
  '192.52.193.0/24', // automatic multicast tunnels
  '192.88.99.0/24', // relays of 6to4
  '192.168.0.0/16', // private
  '192.175.48.0/24', // AS112
  '198.18.0.0/15', // measurement of networks
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, and broadcast
];

/**
 * Hosts of the public internet have their IPv6 addresses here (RFC 4291). All else is out without being named: loopback,
 * `::/96` and IPv4-mapped addresses, NAT64 (`64:ff9b::/96`, `64:ff9b:1::/48`), discard-only `100::/64`, segment routing,
 * unique local `fc00::/7`, link-local `fe80::/10`, site-local `fec0::/10`, multicast.
 */
const globalIPv6 = ['2000::/3'];

/** Inside it, but no hosts; the tunnels among them lead to IPv4 addresses, which may be private. */
const notPublicIPv6 = [
  '2001::/23', // protocol assignments: Teredo, benchmarking, ORCHID and others
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4
  '2620:4f:8000::/48', // AS112
  '3fff::/20', // documentation
];

export interface Networks {
  /** `address` is text as the system writes it; whatever is no address lies in no network. */
  contain(address: string): boolean;
}

/**
 * Networks written as CIDR, such as `10.0.0.0/8` or `fd00::/8`; an address alone is a network of one.
 * The families are kept apart, since Node's list would let a wide IPv6 network hold IPv4 addresses as well.
 * @throws Error naming what cannot be read: the operator's mistake
 */
export function parseNetworks(cidrs: readonly string[]): Networks {
  const lists = { ipv4: new BlockList(), ipv6: new BlockList() };
  for (const cidr of cidrs) {
    const [address = '', prefix, ...more] = cidr.split('/');
    const family = familyOf(address);
    const bits = family === 'ipv4' ? 32 : 128;
    const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : NaN;
    if (!family || more.length || !(length <= bits)) throw new Error(`"${cidr}" is no network. Write it as 10.0.0.0/8 or fd00::/8.`);
    lists[family].addSubnet(address, length, family);
  }
  return {
    contain(address) {
      const family = familyOf(address);
      return family !== null && lists[family].check(address, family);
    },
  };
}

/** Whether `parseNetworks` can read this. */
export function isNetwork(cidr: string): boolean {
  try {
    parseNetworks([cidr]);
    return true;
  } catch {
    return false;
  }
}

const closedIPv4 = parseNetworks(notPublicIPv4);
const openIPv6 = parseNetworks(globalIPv6);
const closedIPv6 = parseNetworks(notPublicIPv6);

/** Whether the address is that of a host in the public internet. */
export function isPublic(address: string): boolean {
  const family = familyOf(address);
  if (family === 'ipv4') return !closedIPv4.contain(address);
  return family === 'ipv6' && openIPv6.contain(address) && !closedIPv6.contain(address);
}

/** An IPv6 address with a zone (`fe80::1%eth0`) counts as none: it means something on this machine only. */
function familyOf(address: string): 'ipv4' | 'ipv6' | null {
  const version = address.includes('%') ? 0 : isIP(address);
  return version === 4 ? 'ipv4' : version === 6 ? 'ipv6' : null;
}
