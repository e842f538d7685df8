import { execFile } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { createRequire } from 'node:module';
import net, { type AddressInfo } from 'node:net';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { DomainError, silentLogger } from '@millrace/kernel';
import { selfSignedCertificate } from '../test/certificate.ts';
import { startNameServer } from '../test/name-server.ts';
import { addressesByDns } from './host-addresses.ts';
import { createOutbound, type OutboundOptions } from './index.ts';

/** The receiver is on 127.0.0.2, which the operator allows; the canary stands for everything inside, on the same port of 127.0.0.3. */
const allowedNetworks = ['127.0.0.2/32'];
const closers: (() => Promise<void>)[] = [];
let port: number;
let handle: http.RequestListener;
let canaryConnections = 0;
let receiverConnections = 0;

async function listen(server: net.Server, host: string, at = 0): Promise<number> {
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket: net.Socket) => sockets.add(socket.on('close', () => sockets.delete(socket)).on('error', () => {})));
  server.listen(at, host);
  await once(server, 'listening');
  closers.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

beforeAll(async () => {
  const receiver = http.createServer((request, response) => handle(request, response));
  receiver.on('connection', () => receiverConnections++);
  port = await listen(receiver, '127.0.0.2');
  const canary = net.createServer((socket) => {
    canaryConnections++;
    socket.destroy();
  });
  await listen(canary, '127.0.0.3', port);
});
beforeEach(() => {
  handle = (_request, response) => response.end('here');
  canaryConnections = 0;
  receiverConnections = 0;
});
// Whatever a test tried, nothing ever reached the inside.
afterEach(() => expect(canaryConnections).toBe(0));
afterAll(() => Promise.all(closers.map((close) => close())));

const outbound = (options: Partial<OutboundOptions> = {}) => createOutbound({ allowedNetworks, logger: silentLogger, ...options });
const receiver = (path = '/'): string => `http://127.0.0.2:${port}${path}`;

async function refusal(promise: Promise<unknown>): Promise<DomainError> {
  const error = await promise.then(
    () => { throw new Error('was not refused'); },
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DomainError);
  expect(error).toMatchObject({ code: 'INVALID', remedy: expect.stringMatching(/./) });
  return error as DomainError;
}

describe('an outgoing request', () => {
  it('is sent as fetch would, and its answer is a Response', async () => {
    handle = (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
        response.writeHead(201, [['content-type', 'application/json'], ['set-cookie', 'a=1'], ['set-cookie', 'b=2']].flat());
        response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body: Buffer.concat(chunks).toString() }));
      });
    };
    const answer = await outbound().fetch(receiver('/hook?x=1'), {
      method: 'POST',
      headers: { authorization: 'Bearer t', 'user-agent': 'tester', 'accept-encoding': 'gzip' },
      body: new URLSearchParams({ a: 'ä b' }),
      redirect: 'manual',
    });
    expect(answer).toBeInstanceOf(Response);
    expect(answer.status).toBe(201);
    expect(answer.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(await answer.json()).toMatchObject({
      method: 'POST',
      url: '/hook?x=1',
      body: 'a=%C3%A4+b',
      headers: {
        host: `127.0.0.2:${port}`,
        authorization: 'Bearer t',
        'user-agent': 'tester',
        'accept-encoding': 'identity',
        'content-type': 'application/x-www-form-urlencoded;charset=UTF-8',
        'content-length': '10',
        connection: 'close',
      },
    });
  });

  it('takes answers without a body, and errors are answers', async () => {
    for (const status of [204, 304, 404, 500, 599]) {
      handle = (_request, response) => response.writeHead(status).end();
      const answer = await outbound().fetch(new URL(receiver()), { method: 'HEAD' });
      expect([answer.status, await answer.text()]).toEqual([status, '']);
    }
  });

  it('takes an answer sent byte by byte whole', async () => {
    const text = 'abcdefghij'.repeat(5_000);
    handle = (_request, response) => {
      for (const character of text) response.write(character);
      response.end();
    };
    expect(await (await outbound().fetch(receiver())).text()).toBe(text);
  });

  it.each(['host', 'connection', 'content-length', 'transfer-encoding', 'upgrade', 'expect'])('may not set the header %s', async (name) => {
    const error = await refusal(outbound().fetch(receiver(), { headers: { [name]: 'x' } }));
    expect(error.field).toBe('headers');
    expect(receiverConnections).toBe(0);
  });

  it.each([{ headers: { 'bad name': 'x' } }, { headers: { x: 'a\r\nhost: b' } }, { method: 'CONNECT' }, { method: 'GET', body: 'x' }])(
    'is refused as %j', async (init) => {
      expect((await refusal(outbound().fetch(receiver(), init))).field).toBe('headers');
      expect(receiverConnections).toBe(0);
    },
  );

  it('ends with the caller’s own signal and its reason', async () => {
    const asked = new Promise<void>((resolve) => {
      handle = () => resolve();
    });
    const caller = new AbortController();
    const answer = outbound().fetch(receiver(), { signal: caller.signal });
    await asked;
    caller.abort(new Error('no longer wanted'));
    await expect(answer).rejects.toThrow('no longer wanted');
  });
});

describe('addresses', () => {
  /** Every spelling of 127.0.0.3, and others that lead inside. */
  const inside = [
    '127.0.0.3', '127.3', '127.0.3', '2130706435', '0x7f000003', '0x7f.0.0.3', '0x7f.3', '0177.0.0.3', '017700000003', '0177.0.0.0x3', '127.0.0.3.',
    '①②⑦.⓪.⓪.③', '⑫⑦.0.0.3', '１２７.０.０.３', '０x7f.3', '127。0。0。3', '127．0．0．3', '127｡0｡0｡3', '%31%32%37.0.0.3', '127.0.0.%33', '127%2e0%2e0%2e3',
    '[::ffff:127.0.0.3]', '[::ffff:7f00:3]', '[0:0:0:0:0:ffff:127.0.0.3]', '[::127.0.0.3]', '[::ffff:127.0.0.2]', '[64:ff9b::127.0.0.3]', '[2002:7f00:3::]', '[::1]', '[::]',
    '127.0.0.1', '0', '0.0.0.0', '10.0.0.1', '169.254.169.254', '0xa9fea9fe', '2852039166', '0251.0376.0251.0376', '[fd00:ec2::254]', '[fe80::1]', '[fec0::1]', '255.255.255.255', '224.0.0.1',
  ];

  it.each(inside)('inside are refused: %s', async (host) => {
    for (const address of [`http://${host}:${port}/`, `https://${host}:${port}/`, `https://${host}/`]) {
      expect((await refusal(outbound().fetch(address))).message).toMatch(/outside of the public internet/);
    }
  });

  it.each([
    'http://[fe80::1%25eth0]:1/', 'http://[fe80::1%eth0]/', 'http://[::1', 'http://256.1.1.1/', 'http://1.2.3.4.5/', 'http://127.0.0.3%00/', 'http://host%2f/',
    'http://a b/', 'http://host:99999/', 'http://', '//host/x', '/path', '', 'host', ' ', 'http://xn--/', `http://127.0.0.3:${65_536}/`,
  ])('that are none are refused: “%s”', async (address) => {
    expect((await refusal(outbound().fetch(address))).message).toMatch(/no address that can be called/);
  });

  it.each(['file:///etc/passwd', 'ftp://127.0.0.2/', 'gopher://127.0.0.2:70/_x', 'data:,x', 'javascript:alert(1)', 'ws://127.0.0.2/', 'blob:http://127.0.0.2/x', 'unix:/run/x.sock'])(
    'of other schemes are refused: %s', async (address) => {
      expect((await refusal(outbound().fetch(address))).message).toMatch(/Only https/);
    },
  );

  it('that hold a user name or password are refused, whoever would be called', async () => {
    for (const address of ['http://user@127.0.0.2/', 'http://user:secret@127.0.0.2/', `http://127.0.0.2:${port}@127.0.0.3:${port}/`, `http://127.0.0.2%40@127.0.0.3:${port}/`, 'https://:x@host/']) {
      const error = await refusal(outbound().fetch(address));
      expect(error.message).toMatch(/user name/);
      expect(error.message).not.toContain('secret');
    }
  });

  it('are read as they will be called, not as they look', async () => {
    handle = (request, response) => response.end(`${request.headers.host} ${request.url}`);
    // A backslash is a slash, and what follows # is not sent: the host stays the first one.
    for (const address of [`http:\\\\127.0.0.2:${port}\\@127.0.0.3:${port}/`, `http://127.0.0.2:${port}/#@127.0.0.3:${port}/`, `http://127.0.0.2:${port}?@127.0.0.3:${port}/`]) {
      expect(await (await outbound().fetch(address)).text()).toMatch(`127.0.0.2:${port} /`);
    }
  });

  it('in the public internet are called by https alone, on few ports', async () => {
    const resolve = async (): Promise<string[]> => ['192.9.9.9'];
    expect((await refusal(outbound({ resolve }).fetch('http://public.example/'))).message).toMatch(/Only https/);
    expect((await refusal(outbound({ resolve }).fetch('http://8.8.8.8/'))).message).toMatch(/Only https/);
    const error = await refusal(outbound({ resolve }).fetch('https://public.example:22/'));
    expect(`${error.message} ${error.remedy}`).toMatch(/Port 22 .* 80, 443, 8443/);
    expect((await refusal(outbound({ resolve, allowedPorts: [9443] }).fetch('https://public.example/'))).remedy).toMatch(/ports 9443/);
  });

  it('that were never allowed need no network of the operator', async () => {
    for (const address of [receiver(), 'http://127.0.0.2/']) {
      expect((await refusal(outbound({ allowedNetworks: [] }).fetch(address))).message).toMatch(/outside of the public internet/);
    }
    expect(receiverConnections).toBe(0);
  });
});

describe('host names', () => {
  const byName = (...addresses: string[]) => outbound({ resolve: async () => addresses });

  it('lead to the address that was checked', async () => {
    handle = (request, response) => response.end(request.headers.host);
    const asked: string[] = [];
    const { fetch } = outbound({ resolve: async (host) => { asked.push(host); return ['127.0.0.2']; } });
    expect(await (await fetch(`http://Receiver.Example.:${port}/`)).text()).toBe(`receiver.example:${port}`);
    expect(asked).toEqual(['receiver.example']);
  });

  it.each([
    [[]], [['127.0.0.3']], [['127.0.0.2', '127.0.0.3']], [['127.0.0.3', '127.0.0.2']], [['127.0.0.2', '::1']], [['8.8.8.8', '127.0.0.3']], [['127.0.0.2', '::ffff:127.0.0.3']],
    [['2606:4700::1111', 'fd00::1']], [['127.0.0.2', 'fe80::1%lo']], [['127.0.0.2', 'canary.example']], [['127.0.0.2', '']],
  ])('are refused if any of their addresses is inside: %j', async (addresses) => {
    const error = await refusal(byName(...addresses).fetch(`http://mixed.example:${port}/`));
    expect(error.message).toMatch(/outside of the public internet/);
    expect(receiverConnections).toBe(0);
  });

  it('with one address allowed and one public are held to the rules of the public internet', async () => {
    expect((await refusal(byName('127.0.0.2', '8.8.8.8').fetch(`http://mixed.example:${port}/`))).message).toMatch(/Only https/);
    expect((await refusal(byName('127.0.0.2', '8.8.8.8').fetch(`https://mixed.example:${port}/`))).message).toMatch(/Port/);
  });

  it('whose look-up fails are refused without a word of why', async () => {
    const { fetch } = outbound({ resolve: () => Promise.reject(new Error('SERVFAIL at 10.0.0.53')) });
    expect(JSON.stringify(await refusal(fetch('http://broken.example/')))).not.toContain('10.0.0.53');
  });

  it('whose look-up never ends are given up', async () => {
    const { fetch } = outbound({ resolve: () => new Promise(() => {}), timeoutMs: 20 });
    expect((await refusal(fetch('http://silent.example/'))).message).toMatch(/no whole answer within 0.02 seconds/);
  });

  it('that change their address between two look-ups never lead inside: 1,000 sequences', async () => {
    let seed = 7;
    const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
    const kinds = [['127.0.0.2'], ['127.0.0.3'], ['127.0.0.2', '127.0.0.3'], ['127.0.0.3', '127.0.0.2'], []];
    const kinds6 = [[], [], [], ['::1'], ['::ffff:7f00:3']];
    let answers4: string[][] = [];
    let answers6: string[][] = [];
    const names = await startNameServer((_host, family) => (family === 4 ? answers4 : answers6).shift() ?? ['127.0.0.3']);
    closers.push(names.close);
    const { fetch } = outbound({ resolve: (host) => addressesByDns(host, [names.address]) });
    let answered = 0;
    for (let sequence = 0; sequence < 1_000; sequence++) {
      // The first answer is what is checked; whoever asks again is led inside.
      const first4 = kinds[random(kinds.length)]!;
      const first6 = kinds6[random(kinds6.length)]!;
      answers4 = [first4];
      answers6 = [first6];
      const askedBefore = names.asked.length;
      const outcome = await fetch(`http://rebind-${sequence}.example:${port}/`).then((answer) => answer.text(), () => 'refused');
      const harmless = first4.length === 1 && first4[0] === '127.0.0.2' && !first6.length;
      expect(outcome).toBe(harmless ? 'here' : 'refused');
      expect(names.asked.length - askedBefore).toBe(2); // one question a family
      if (harmless) answered++;
    }
    expect(answered).toBeGreaterThan(50);
    expect(receiverConnections).toBe(answered);
    expect(canaryConnections).toBe(0);
  });

  it('are looked up by DNS: both families, no name at all, and localhost without asking', async () => {
    const names = await startNameServer((host, family) =>
      host === 'none.example' ? null : family === 4 ? ['192.0.2.1', '192.0.2.2'] : host === 'four.example' ? [] : ['2001:db8::1'],
    );
    closers.push(names.close);
    expect((await addressesByDns('both.example', [names.address])).sort()).toEqual(['192.0.2.1', '192.0.2.2', '2001:db8::1']);
    expect((await addressesByDns('four.example', [names.address])).sort()).toEqual(['192.0.2.1', '192.0.2.2']);
    expect(await addressesByDns('none.example', [names.address])).toEqual([]);
    expect(await addressesByDns('a..b', [names.address])).toEqual([]);
    expect(names.asked.filter((host) => host.includes('localhost'))).toEqual([]);
    expect(await addressesByDns('idp.localhost', [names.address])).toEqual(['127.0.0.1']);
  });
});

describe('answers', () => {
  it('that redirect are returned, not followed', async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      handle = (_request, response) => response.writeHead(status, { location: `http://127.0.0.3:${port}/` }).end();
      expect((await outbound().fetch(receiver())).status).toBe(status);
    }
  });

  it('that are too large are refused, with and without a length', async () => {
    const { fetch } = outbound({ maxBodyBytes: 1000 });
    handle = (_request, response) => response.end('x'.repeat(1000));
    expect((await (await fetch(receiver())).text()).length).toBe(1000);
    handle = (_request, response) => response.end('x'.repeat(1001));
    expect((await refusal(fetch(receiver()))).message).toBe('The answer is larger than 1000 bytes.');
  });

  it('that never end are cut off, and the connection with them', async () => {
    const closed = new Promise<void>((resolve) => {
      handle = (_request, response) => {
        const more = (): void => void (response.destroyed || response.write('x'.repeat(65_536), () => setImmediate(more)));
        response.on('close', resolve);
        more();
      };
    });
    expect((await refusal(outbound().fetch(receiver()))).message).toMatch(/larger than 1048576 bytes/);
    await closed;
  });

  it.each([
    ['says nothing', () => {}],
    ['stops after the head', (response: http.ServerResponse) => void response.writeHead(200).flushHeaders()],
    ['stops in the body', (response: http.ServerResponse) => void response.writeHead(200, { 'content-length': 100 }).write('x')],
    ['drips', (response: http.ServerResponse) => {
      const drip = (): void => void (response.destroyed || response.write('x', () => setTimeout(drip, 5)));
      drip();
    }],
  ])('of a host that %s are not waited for', async (_how, answer) => {
    const closed = new Promise<void>((resolve) => {
      handle = (_request, response) => {
        response.on('close', resolve);
        answer(response);
      };
    });
    expect((await refusal(outbound({ timeoutMs: 500 }).fetch(receiver()))).message).toMatch(/no whole answer within 0.5 seconds/);
    await closed;
  });

  it('that are compressed are refused unread: a bomb stays small', async () => {
    const bomb = gzipSync(Buffer.alloc(20 * 1024 * 1024));
    for (const encoding of ['gzip', 'deflate', 'br', 'GZIP', 'identity, gzip']) {
      handle = (_request, response) => response.writeHead(200, { 'content-encoding': encoding }).end(bomb);
      expect((await refusal(outbound().fetch(receiver()))).message).toMatch(/compressed/);
    }
    handle = (_request, response) => response.writeHead(200, { 'content-encoding': 'identity' }).end('plain');
    expect(await (await outbound().fetch(receiver())).text()).toBe('plain');
  });

  it('of no proper HTTP are refused, and nothing of them is told', async () => {
    const answers = [
      'SSH-2.0-canary\r\n', 'HTTP/1.1 200 OK\r\ncanary\x00: x\r\n\r\n', `HTTP/1.1 200 OK\r\nx: ${'canary'.repeat(5000)}\r\n\r\n`, 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncanary',
      'HTTP/1.1 101 canary\r\nconnection: upgrade\r\nupgrade: canary\r\n\r\n', 'HTTP/1.1 999 canary\r\ncontent-length: 0\r\n\r\n', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\ncanary\r\n', '',
      'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\ncanary',
    ];
    const server = net.createServer((socket) => socket.once('data', () => socket.end(answers[0]!)));
    const at = await listen(server, '127.0.0.2');
    const tried = answers.length;
    for (; answers.length; answers.shift()) {
      const error = await refusal(outbound().fetch(`http://127.0.0.2:${at}/`));
      expect(error.message).toMatch(/could not be reached, or did not answer in proper HTTP/);
      expect(`${error.message} ${error.remedy}`).not.toContain('canary');
    }
    expect(tried).toBe(9);
  });

  it('of a host that is not there are the same as those of no proper HTTP', async () => {
    const server = net.createServer();
    const at = await listen(server, '127.0.0.2');
    await new Promise((resolve) => server.close(resolve));
    expect((await refusal(outbound().fetch(`http://127.0.0.2:${at}/`))).message).toMatch(/could not be reached, or did not answer in proper HTTP/);
  });
});

describe('https', () => {
  async function secureReceiver(...made: Parameters<typeof selfSignedCertificate>): Promise<{ at: number; certificate: string; requests: () => number }> {
    const { certificate, key } = selfSignedCertificate(...made);
    let requests = 0;
    const server = https.createServer({ cert: certificate, key }, (_request, response) => {
      requests++;
      response.end('sealed');
    });
    server.on('tlsClientError', () => {});
    return { at: await listen(server, '127.0.0.2'), certificate, requests: () => requests };
  }
  const resolve = async (): Promise<string[]> => ['127.0.0.2'];

  it('reaches a host whose certificate names it, from an authority that is trusted', async () => {
    const { at, certificate } = await secureReceiver('idp.example');
    const { fetch } = outbound({ resolve, certificateAuthorities: [certificate] });
    expect(await (await fetch(`https://idp.example:${at}/`)).text()).toBe('sealed');
    expect(await (await fetch(`https://idp.example.:${at}/`)).text()).toBe('sealed');
  });

  it('refuses an unknown authority, another host’s certificate, one for a name when an address was asked, and an expired one', async () => {
    const good = await secureReceiver('idp.example');
    const expired = await secureReceiver('idp.example', { expired: true });
    const trusting = (certificate: string) => outbound({ resolve, certificateAuthorities: [certificate] });
    const tries = [
      () => outbound({ resolve }).fetch(`https://idp.example:${good.at}/`),
      () => trusting(good.certificate).fetch(`https://other.example:${good.at}/`),
      () => trusting(good.certificate).fetch(`https://127.0.0.2:${good.at}/`),
      () => trusting(expired.certificate).fetch(`https://idp.example:${expired.at}/`),
    ];
    for (const attempt of tries) expect((await refusal(attempt())).message).toMatch(/certificate is not valid/);
    expect(good.requests() + expired.requests()).toBe(0);
  });

  it('is checked even where the environment says not to', async () => {
    const { at, requests } = await secureReceiver('idp.example');
    const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
    const script = path.join(import.meta.dirname, '../test/fetch-once.ts');
    const env = { PATH: process.env['PATH'], NODE_TLS_REJECT_UNAUTHORIZED: '0' };
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', tsx, script, `https://idp.example:${at}/`, '127.0.0.2'], { env });
    expect(stdout).toMatch(/certificate is not valid/);
    expect(requests()).toBe(0);
  });
});

describe('the log', () => {
  it('names host and cause of a failure, and neither path, query nor credentials', async () => {
    const lines: string[] = [];
    const { fetch } = outbound({ logger: { ...silentLogger, warn: (fields, message) => lines.push(JSON.stringify([fields, message])) } });
    await refusal(fetch('http://user:hunter2@127.0.0.3/hunter2?token=hunter2'));
    await refusal(fetch('http://127.0.0.2:1/hunter2?token=hunter2', { headers: { authorization: 'hunter2' } }));
    expect(lines).toHaveLength(2);
    expect(lines[1]).toContain('ECONNREFUSED');
    expect(lines[1]).toContain('127.0.0.2:1');
    expect(lines.join()).not.toContain('hunter2');
  });
});
