import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

const typeA = 1;
const typeAAAA = 28;
const notFound = 3;

/**
 * A name server on loopback whose answers live for zero seconds, so that each look-up is a new question. `answer` gives
 * the addresses of a name at this moment; null means that there is no such name.
 */
export async function startNameServer(answer: (host: string, family: 4 | 6) => readonly string[] | null) {
  const socket = createSocket('udp4');
  const asked: string[] = [];
  socket.on('message', (query, from) => {
    const { host, type, end } = readQuestion(query);
    asked.push(host);
    const addresses = type === typeA ? answer(host, 4) : type === typeAAAA ? answer(host, 6) : [];
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8180 | (addresses ? 0 : notFound), 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(addresses?.length ?? 0, 6);
    const records = (addresses ?? []).map((address) => {
      const data = type === typeA ? Buffer.from(address.split('.').map(Number)) : bytesOfIPv6(address);
      const record = Buffer.alloc(12);
      record.writeUInt16BE(0xc00c, 0); // the name that was asked for
      record.writeUInt16BE(type, 2);
      record.writeUInt16BE(1, 4);
      record.writeUInt16BE(data.length, 10);
      return Buffer.concat([record, data]);
    });
    socket.send(Buffer.concat([header, query.subarray(12, end), ...records]), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    address: `127.0.0.1:${(socket.address() as AddressInfo).port}`,
    asked,
    close: () => new Promise<void>((resolve) => socket.close(() => resolve())),
  };
}

function readQuestion(query: Buffer): { host: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at]!; length; length = query[at]!) {
    labels.push(query.toString('ascii', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { host: labels.join('.'), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function bytesOfIPv6(address: string): Buffer {
  const [head = '', tail] = address.split('::');
  const groups = (text: string): string[] => (text ? text.split(':') : []);
  const front = groups(head);
  const back = groups(tail ?? '');
  const zeros = Array<string>(8 - front.length - back.length).fill('0');
  return Buffer.from([...front, ...zeros, ...back].map((group) => group.padStart(4, '0')).join(''), 'hex');
}
