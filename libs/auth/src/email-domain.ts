import { domainToASCII } from 'node:url';

/** The domain of an e-mail address, as claims name it; empty if there is none. */
export const domainOf = (email: string): string => readDomain(email.slice(email.lastIndexOf('@') + 1)) ?? '';

/** Lower case and ASCII, with a dot inside; null if it is no name of hosts. */
export function readDomain(text: string): string | null {
  // What is punctuation to a URL would be cut off on the way to ASCII.
  if (/[^\p{L}\p{M}\p{N}.-]/u.test(text)) return null;
  const domain = domainToASCII(text.toLowerCase());
  const isDomain = domain.length <= 190 && /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:[a-z]{2,63}|xn--[a-z0-9-]{1,59})$/.test(domain);
  return isDomain ? domain : null;
}
