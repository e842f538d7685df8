import { connect, type Socket } from 'node:net';

/** One measurement: requests that come at a rate, whether those before have been answered or not. */
export interface OpenLoopOrder {
  url: string;
  headers: Record<string, string>;
  body: string;
  /** requests a second */
  rate: number;
  seconds: number;
  /** an answer that takes longer is of no use, in milliseconds */
  patienceMs: number;
  /** connections at a time, at most: requests beyond wait here, and their waiting counts */
  connections: number;
}

export interface OpenLoopResult {
  sent: number;
  /** answered with 200 within the patience */
  good: number;
  late: number;
  /** answered with 503 */
  shed: number;
  failed: number;
  seconds: number;
  /** of answers with 200, from when they were due, in milliseconds; 0 without any */
  p99: number;
}

async function load({ url, headers, body, rate, seconds, patienceMs, connections }: OpenLoopOrder): Promise<OpenLoopResult> {
  const { hostname, port, pathname } = new URL(url);
  const lines = Object.entries({ host: hostname, 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)), ...headers });
  const request = Buffer.from(`POST ${pathname} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`);
  const result = { sent: 0, good: 0, late: 0, shed: 0, failed: 0 };
  const latencies: number[] = [];
  const idle: Socket[] = [];
  const open = new Set<Socket>();
  const due: number[] = [];

  function use(socket: Socket, dueAt: number): void {
    let received = '';
    socket.removeAllListeners('data').on('data', (bytes) => {
      received += bytes.toString('latin1');
      const headEnd = received.indexOf('\r\n\r\n');
      if (headEnd < 0 || received.length < headEnd + 4 + Number(/content-length: (\d+)/i.exec(received)?.[1] ?? 0)) return;
      const ms = performance.now() - dueAt;
      const status = received.slice(9, 12);
      if (status === '200') latencies.push(ms);
      result[status === '200' ? (ms <= patienceMs ? 'good' : 'late') : status === '503' ? 'shed' : 'failed']++;
      const next = due.shift();
      if (next === undefined) idle.push(socket);
      else use(socket, next);
    });
    socket.write(request);
  }

  function send(dueAt: number): void {
    result.sent++;
    const socket = idle.pop();
    if (socket) return use(socket, dueAt);
    if (open.size >= connections) return void due.push(dueAt);
    const fresh = connect(Number(port), hostname).setNoDelay(true);
    open.add(fresh);
    fresh.on('error', () => result.failed++).on('close', () => open.delete(fresh)).on('connect', () => use(fresh, dueAt));
  }

  const begun = performance.now();
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const elapsed = Math.min(performance.now() - begun, seconds * 1000);
      while (result.sent < (elapsed / 1000) * rate) send(begun + (result.sent / rate) * 1000);
      if (elapsed < seconds * 1000) return;
      clearInterval(timer);
      resolve();
    }, 1);
  });
  // What is not answered by then is of no use to anybody.
  await new Promise((resolve) => setTimeout(resolve, patienceMs));
  for (const socket of open) socket.destroy();
  latencies.sort((a, b) => a - b);
  return { ...result, late: result.sent - result.good - result.shed - result.failed, seconds, p99: latencies[Math.floor(latencies.length * 0.99)] ?? 0 };
}

process.on('message', (order: OpenLoopOrder) => void load(order).then((result) => process.send?.(result)));
process.on('disconnect', () => process.exit(0));
