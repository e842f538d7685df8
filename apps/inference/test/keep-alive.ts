import { once } from 'node:events';
import { connect } from 'node:net';

export interface RawAnswer {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

/** One connection that stays open: bytes are sent as they are, and the answer to them is taken off it. */
export async function openConnection(url: string) {
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  let received = Buffer.alloc(0);

  async function until(length: () => number): Promise<void> {
    while (received.length < length()) {
      const [bytes] = (await once(socket, 'data')) as [Buffer];
      received = Buffer.concat([received, bytes]);
    }
  }

  return {
    async send(head: readonly string[], body: Uint8Array | string = ''): Promise<RawAnswer> {
      socket.write(Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), Buffer.from(body as string)]));
      await until(() => (received.includes('\r\n\r\n') ? 0 : received.length + 1));
      const end = received.indexOf('\r\n\r\n');
      const [statusLine, ...lines] = received.subarray(0, end).toString().split('\r\n');
      const headers = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]));
      const length = Number(headers['content-length']);
      await until(() => end + 4 + length);
      const answered = Buffer.from(received.subarray(end + 4, end + 4 + length));
      received = received.subarray(end + 4 + length);
      return { status: Number(statusLine!.split(' ')[1]), headers, body: answered };
    },
    close: () => void socket.destroy(),
  };
}
