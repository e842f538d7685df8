import { createServer } from 'node:http';
import { findSupervision, watchConnections } from '@millrace/kernel';

/** Serves as the product's programs do, and tells who it is: for the fleet's spec, which bundles it. */
const supervision = findSupervision()!;
let draining = false;
const server = createServer(async (request, response) => {
  if (draining && connections.isLast(request)) response.setHeader('connection', 'close');
  const reports = request.url === '/all' ? await supervision.gather() : [];
  response.end(JSON.stringify({ pid: process.pid, inherited, reports }));
});
const connections = watchConnections(server);
const inherited = await supervision.inheritance;
server.listen(0, '127.0.0.1', async () => {
  await supervision.accept('sample', (socket) => server.emit('connection', socket));
  supervision.serving({ url: 'http://127.0.0.1', version: '1', legacy: () => [process.pid], report: async () => process.pid });
});

async function end(patienceMs: number): Promise<void> {
  draining = true;
  supervision.draining();
  await connections.gone(patienceMs);
  process.exit(0);
}
process.on('SIGTERM', () => void end(30_000));
process.on('disconnect', () => process.exit(0));
supervision.onEnd(() => void end(0));
