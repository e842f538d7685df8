import { z } from 'zod';
import { createTrustedProxies, originsSetting, parseEnvironment, trustedProxiesSetting } from './index.ts';

const origins = (text: string) => parseEnvironment(z.object({ ORIGINS: originsSetting }), { ORIGINS: text });
const proxies = (text: string) => parseEnvironment(z.object({ PROXIES: trustedProxiesSetting }), { PROXIES: text });

describe('the list of origins', () => {
  it('holds exact origins', () => {
    expect(origins(' https://a.example, http://b.example:8080 ,https://a.example')).toEqual({
      type: 'valid',
      value: { ORIGINS: ['https://a.example', 'http://b.example:8080'] },
    });
  });

  it.each(['*', 'https://*.example', 'null', 'a.example', 'https://a.example/', 'https://a.example/x', 'https://A.example', 'https://a.example:443', 'https://u@a.example', 'ftp://a.example', 'file:///x', 'https://'])(
    'does not hold %s',
    (text) => {
      const result = origins(`https://good.example,${text}`);
      expect(result).toMatchObject({ type: 'invalid', problems: [expect.stringMatching(/^ORIGINS: .*(write it like|is written|list each)/)] });
    },
  );
});

describe('trusted proxies', () => {
  const request = (peer: string, forwarded?: string) => ({ socket: { remoteAddress: peer }, headers: { 'x-forwarded-for': forwarded } });
  const trusted = createTrustedProxies(['10.0.0.0/8', '192.0.2.7', 'fd00::/8']);

  it.each([
    ['nobody but a proxy is believed', '203.0.113.9', '1.1.1.1', '203.0.113.9'],
    ['a proxy tells its client', '10.1.2.3', '203.0.113.9', '203.0.113.9'],
    ['what the client itself claimed to stand for does not count', '10.1.2.3', '1.1.1.1, 203.0.113.9', '203.0.113.9'],
    ['a proxy behind a proxy', '10.1.2.3', '203.0.113.9, 192.0.2.7', '203.0.113.9'],
    ['a client among the proxies', '10.1.2.3', '10.9.9.9', '10.9.9.9'],
    ['a proxy that tells nothing', '10.1.2.3', undefined, '10.1.2.3'],
    ['IPv6', 'fd00::1', '2001:db8::5', '2001:db8::5'],
    ['IPv4 as an IPv6 socket has it', '::ffff:10.1.2.3', '203.0.113.9', '203.0.113.9'],
    ['a neighbour of a listed address', '192.0.2.8', '1.1.1.1', '192.0.2.8'],
  ])('%s', (_what, peer, forwarded, client) => {
    expect(trusted.clientAddress(request(peer, forwarded))).toBe(client);
  });

  it('without a list nobody is believed', () => {
    expect(createTrustedProxies().clientAddress(request('127.0.0.1', '1.1.1.1'))).toBe('127.0.0.1');
  });

  it('the setting lists addresses and networks, and never everyone', () => {
    expect(proxies('127.0.0.1, ::1, 10.0.0.0/8')).toMatchObject({ type: 'valid' });
    for (const text of ['proxy.local', '10.0.0.0/33', '10.0.0.0/', '10.0.0/8', 'fd00::/129', '1.2.3.4/8/8', '10.0.0.0/-1', '0.0.0.0/0', '::/0', 'true']) {
      expect({ text, ...proxies(`127.0.0.1,${text}`) }).toMatchObject({ text, type: 'invalid', problems: [expect.stringContaining('PROXIES: holds')] });
    }
  });
});
