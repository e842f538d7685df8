import { connect } from 'node:net';
import type { HeaderLines } from '@millrace/testkit';

/**
 * Opens a WebSocket for graphql-transport-ws byte for byte, as no well-behaved client would, and sends the first message.
 * @returns `ack` when it is let in; else the code with which it is closed, or the status of a refused handshake
 */
export async function initOverWebSocket(url: string, lines: HeaderLines, params: unknown): Promise<'ack' | number> {
  const { hostname, port } = new URL(url);
  const handshake = [
    'GET /graphql HTTP/1.1', `Host: ${hostname}:${port}`, 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', ...(lines.some(([name]) => name === 'Sec-WebSocket-Protocol') ? [] : ['Sec-WebSocket-Protocol: graphql-transport-ws']),
    ...lines.map(([name, value]) => `${name}: ${value}`), '', '',
  ].join('\r\n');
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(handshake));
    let received = Buffer.alloc(0);
    let isOpen = false;
    const settle = (outcome: 'ack' | number): void => {
      resolve(outcome);
      socket.destroy();
    };
    socket.setTimeout(60_000, () => socket.destroy(new Error('no answer on the WebSocket')));
    socket.on('close', () => settle(0));
    socket.on('error', (error: NodeJS.ErrnoException) => (['ECONNRESET', 'EPIPE'].includes(error.code ?? '') ? settle(0) : reject(error)));
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes]);
      if (!isOpen) {
        const end = received.indexOf('\r\n\r\n');
        if (end < 0) return;
        const status = Number(received.toString('latin1', 9, 12));
        if (status !== 101) return settle(status);
        isOpen = true;
        received = received.subarray(end + 4);
        socket.write(textFrame(JSON.stringify({ type: 'connection_init', payload: params })));
      }
      if (received.length < 2) return;
      if (received[0] === 0x88) return settle(received.length >= 4 ? received.readUInt16BE(2) : 0);
      if (received.includes('connection_ack')) settle('ack');
    });
  });
}

/** As a client sends it: masked, by zeros. */
function textFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = 0x81;
  head[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, Buffer.alloc(4), payload]);
}
