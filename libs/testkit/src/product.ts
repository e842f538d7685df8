import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { freePort } from '@millrace/database';
import { repositoryRoot } from './test-database.ts';

export interface Product {
  /** of the API, which serves the console */
  consoleUrl: string;
  inferenceUrl: string;
  owner: { email: string; password: string };
  supervisor: ChildProcess;
  /** where the installation keeps its data */
  home: string;
  ports: { api: number; inference: number; metrics: number; workerMetrics: number };
  /** what the product has printed so far */
  output(): string;
  stop(): Promise<void>;
}

export interface ProductOptions {
  /** of an earlier product, to start on its data again */
  home?: string;
  ports?: Product['ports'];
  /** further settings */
  environment?: Record<string, string>;
}

const owner = { email: 'owner@factory.example', password: 'a password for the product test' };

/** The whole product as `npm start` runs it, from its bundles, with a Postgres, a folder and ports of its own. */
export async function startProduct(options: ProductOptions = {}): Promise<Product> {
  const program = path.join(repositoryRoot, 'tools/bundle/supervisor.js');
  if (!existsSync(program)) throw new Error('The product is not built. Run the suite with `npm test`, which builds it first.');
  const home = options.home ?? (await fs.mkdtemp(path.join(os.tmpdir(), 'millrace-product-')));
  await fs.chmod(home, 0o755); // Postgres runs as another user when this one is root
  const ports = options.ports ?? { api: await freePort(), inference: await freePort(), metrics: await freePort(), workerMetrics: await freePort() };
  const { DATABASE_URL: _databaseUrl, ...environment } = process.env;
  const supervisor = spawn(process.execPath, ['--enable-source-maps', program], {
    cwd: repositoryRoot,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: {
      ...environment,
      NODE_OPTIONS: '',
      MILLRACE_ROOT: repositoryRoot,
      MILLRACE_HOME: home,
      MILLRACE_API_PORT: String(ports.api),
      MILLRACE_INFERENCE_PORT: String(ports.inference),
      MILLRACE_METRICS_PORT: String(ports.metrics),
      MILLRACE_WORKER_METRICS_PORT: String(ports.workerMetrics),
      MILLRACE_INIT_TENANT: 'Factory',
      MILLRACE_INIT_EMAIL: owner.email,
      MILLRACE_INIT_PASSWORD: owner.password,
      ...options.environment,
    },
  });
  const printed: string[] = [];
  for (const stream of [supervisor.stdout!, supervisor.stderr!]) stream.on('data', (chunk: Buffer) => printed.push(chunk.toString()));
  const output = (): string => printed.join('');
  const ready = new Promise<void>((resolve, reject) => {
    supervisor.on('message', (message: { type?: string }) => message.type === 'ready' && resolve());
    supervisor.once('exit', (code) => reject(new Error(`the product ended with ${code}:\n${output()}`)));
  });
  await ready;
  return {
    consoleUrl: `http://localhost:${ports.api}`,
    inferenceUrl: `http://localhost:${ports.inference}`,
    owner,
    supervisor,
    home,
    ports,
    output,
    async stop() {
      if (supervisor.exitCode === null && supervisor.signalCode === null) {
        supervisor.kill('SIGTERM');
        await once(supervisor, 'exit');
      }
      await fs.rm(home, { recursive: true, force: true });
    },
  };
}
