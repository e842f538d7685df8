import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { InferenceSession, Tensor } from 'onnxruntime-node';

/**
 * The floor that `/predict` is measured against: node:http and ONNX Runtime, nothing else. No key, no check, no metering.
 * `node --import tsx bare-server.ts <model.onnx>`; prints its URL.
 */
const session = await InferenceSession.create(readFileSync(process.argv[2]!), { intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: 'sequential' });

const server = createServer((request, response) => {
  if (request.method === 'GET') {
    const { user, system } = process.cpuUsage();
    return void response.end(`process_cpu_seconds_total ${(user + system) / 1e6}\n`);
  }
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    const { features } = JSON.parse(Buffer.concat(parts).toString()) as { features: number[] | number[][] };
    const rows = Array.isArray(features[0]) ? (features as number[][]) : [features as number[]];
    session.run({ numbers: new Tensor('float64', Float64Array.from(rows.flat()), [rows.length, rows[0]!.length]) }).then((outputs) => {
      const body = JSON.stringify({ prediction: outputs['label']!.data });
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
    }, () => response.writeHead(500).end());
  });
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })));
