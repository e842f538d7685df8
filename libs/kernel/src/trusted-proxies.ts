import { BlockList, isIP } from 'node:net';
import { z } from 'zod';

/** What of an incoming request tells its origin. */
interface Incoming {
  socket: { remoteAddress?: string | undefined };
  headers: Record<string, string | string[] | undefined>;
}

/** The proxies whose word about their client counts. */
export interface TrustedProxies {
  trusts(address: string): boolean;
  /** Where a request comes from: the last address of X-Forwarded-For that no trusted proxy stands for, else its peer. */
  clientAddress(request: Incoming): string;
}

/** @param ranges addresses such as `10.0.0.7` and networks such as `10.0.0.0/8` or `fd00::/8` */
export function createTrustedProxies(ranges: readonly string[] = []): TrustedProxies {
  const list = new BlockList();
  for (const range of ranges) {
    const [address, bits] = range.split('/') as [string, string?];
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  const trusts = (address: string): boolean => {
    const version = isIP(address);
    return version !== 0 && list.check(address, version === 6 ? 'ipv6' : 'ipv4');
  };
  return {
    trusts,
    clientAddress({ socket, headers }) {
      let client = socket.remoteAddress ?? '';
      const told = String(headers['x-forwarded-for'] ?? '').split(',').map((part) => part.trim()).filter(Boolean);
      while (told.length && trusts(client)) client = told.pop()!;
      return client;
    },
  };
}

/** The setting that lists them, separated by commas. */
export const trustedProxiesSetting = z.string().transform((text, context): TrustedProxies => {
  const ranges = text.split(',').map((part) => part.trim()).filter(Boolean);
  const problems = ranges.map(problemOf).filter((problem) => problem !== null);
  for (const message of problems) context.issues.push({ code: 'custom', input: text, message });
  return problems.length ? z.NEVER : createTrustedProxies(ranges);
});

function problemOf(range: string): string | null {
  const [address, bits, rest] = range.split('/') as [string, string?, string?];
  const most = isIP(address) === 6 ? 128 : 32;
  if (!isIP(address) || rest !== undefined || (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= most))) {
    return `holds ${JSON.stringify(range)}, which is neither an address nor a network such as 10.0.0.0/8`;
  }
  return Number(bits ?? most) === 0 ? `holds ${range}, which is everyone: any client could then say where it comes from` : null;
}
