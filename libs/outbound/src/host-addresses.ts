import { Resolver } from 'node:dns/promises';

/**
 * All IPv4 and IPv6 addresses of a host name, none if it has none. It asks the name servers itself instead of the system's
 * `getaddrinfo`, which would hold one of the process's few threads for as long as a stranger's name server likes: four such
 * names, and no file is read and no password checked. The hosts file is therefore not looked at.
 */
export async function addressesByDns(host: string, nameServers?: readonly string[]): Promise<string[]> {
  if (host === 'localhost' || host.endsWith('.localhost')) return ['127.0.0.1']; // RFC 6761: never asked of a name server
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  if (nameServers) resolver.setServers(nameServers);
  // A server that knows one family only may answer the other with an error: what was found decides.
  const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
}
