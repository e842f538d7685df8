import { connect } from 'node:net';

/** One measurement, sent by the bench over the channel between the processes. */
export interface LoadOrder {
  url: string;
  connections: number;
  seconds: number;
  headers: Record<string, string>;
  body: string;
}

export interface LoadResult {
  answered: number;
  /** answers with another status than 200, and broken connections */
  failed: number;
  seconds: number;
  /** milliseconds */
  p50: number;
  p99: number;
}

/**
 * Loads a server from a process of its own: each connection sends its next request when its answer is there. Speaks just
 * enough HTTP/1.1 (answers with Content-Length) to cost little of the machine that it shares with the server.
 */
async function load({ url, connections, seconds, headers, body }: LoadOrder): Promise<LoadResult> {
  const { hostname, port, pathname } = new URL(url);
  const lines = Object.entries({ host: hostname, 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)), ...headers });
  const request = Buffer.from(`POST ${pathname} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`);
  const latencies: number[] = [];
  let failed = 0;
  const begin = performance.now();
  const end = begin + seconds * 1000;

  await Promise.all(
    Array.from({ length: connections }, () =>
      new Promise<void>((resolve) => {
        const socket = connect(Number(port), hostname).setNoDelay(true);
        let received = '';
        let sentAt = 0;
        const send = (): void => {
          sentAt = performance.now();
          socket.write(request);
        };
        socket.on('connect', send);
        socket.on('data', (bytes) => {
          received += bytes.toString('latin1');
          const headEnd = received.indexOf('\r\n\r\n');
          if (headEnd < 0) return;
          const length = Number(/content-length: (\d+)/i.exec(received)?.[1] ?? 0);
          if (received.length < headEnd + 4 + length) return;
          const now = performance.now();
          if (received.startsWith('HTTP/1.1 200')) latencies.push(now - sentAt);
          else failed++;
          received = '';
          if (now < end) send();
          else socket.end();
        });
        socket.on('error', () => failed++);
        socket.on('close', () => resolve());
      }),
    ),
  );
  const taken = (performance.now() - begin) / 1000;
  latencies.sort((a, b) => a - b);
  const quantile = (share: number): number => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? NaN;
  return { answered: latencies.length, failed, seconds: taken, p50: quantile(0.5), p99: quantile(0.99) };
}

process.on('message', (order: LoadOrder) => void load(order).then((result) => process.send?.(result)));
process.on('disconnect', () => process.exit(0));
