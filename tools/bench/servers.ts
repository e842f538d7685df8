import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { repositoryRoot, testSecrets, type World } from '@millrace/testkit';
import { nodeArguments } from '../src/node-arguments.ts';

export interface Server {
  child: ChildProcess;
  url: string;
}

/** Servers in processes of their own, as production runs them, over the database and folder of a world. */
export interface Servers {
  api(settings?: Record<string, string>): Promise<Server>;
  inference(settings?: Record<string, string>, more?: string[]): Promise<Server>;
  /** starts a program of this folder that loads servers; what it gets an order for, it answers with a result, one after another */
  client<Order extends object, Result>(program: string): (order: Order) => Promise<Result>;
  /** any program that prints a line of JSON with its url */
  program(args: string[], settings?: Record<string, string>): Promise<Server>;
  /** whatever still runs */
  kill(): void;
}

export async function createServers(world: World): Promise<Servers> {
  const children: ChildProcess[] = [];
  const bundles = new Map<string, Promise<string>>();
  const shared = {
    NODE_ENV: 'production',
    MILLRACE_APP_DATABASE_URL: world.db.urls.app,
    MILLRACE_SYSTEM_DATABASE_URL: world.db.urls.system,
    MILLRACE_STORAGE_DIRECTORY: path.join(world.directory, 'storage'),
    MILLRACE_WORK_DIRECTORY: path.join(world.directory, 'work'),
    MILLRACE_MASTER_KEY: testSecrets.masterKey,
    MILLRACE_TOKEN_SECRET: testSecrets.tokenSecret,
    MILLRACE_KEY_PEPPER: testSecrets.keyPepper,
  };

  async function program(args: string[], settings: Record<string, string> = {}): Promise<Server> {
    const child = spawn(process.execPath, args, { env: { ...process.env, ...settings }, stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    return { child, url: await firstUrl(child) };
  }

  async function makeBundle(project: string): Promise<string> {
    say(`bundling ${project}, as production runs it`);
    const bundler = spawn(process.execPath, ['tools/bundle.mjs', project], { cwd: repositoryRoot, stdio: 'inherit' });
    if ((await once(bundler, 'exit'))[0] !== 0) throw new Error(`${project} could not be bundled`);
    return path.join(repositoryRoot, project, 'bundle/main.js');
  }

  function bundle(project: string): Promise<string> {
    const known = bundles.get(project) ?? makeBundle(project);
    bundles.set(project, known);
    return known;
  }

  return {
    async api(settings = {}) {
      return program(['--enable-source-maps', await bundle('apps/api')], { ...shared, MILLRACE_API_PORT: '0', MILLRACE_METRICS_PORT: '0', MILLRACE_SETUP_LINK: 'false', ...settings });
    },
    async inference(settings = {}, more = []) {
      const journal = path.join(world.directory, `journal-${children.length}`);
      return program([...nodeArguments['inference']!, ...more, '--enable-source-maps', await bundle('apps/inference')], { ...shared, MILLRACE_INFERENCE_PORT: '0', MILLRACE_JOURNAL_DIRECTORY: journal, ...settings });
    },
    client<Order extends object, Result>(name: string) {
      const child = spawn(process.execPath, ['--import', 'tsx', path.join(import.meta.dirname, name)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
      children.push(child);
      return async (order: Order): Promise<Result> => (child.send(order), ((await once(child, 'message')) as [Result])[0]);
    },
    program,
    kill() {
      for (const child of children) child.kill('SIGKILL');
    },
  };
}

/** A line of progress, for people. */
export function say(sentence: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\u001b[2K${sentence}` : `${sentence}\n`);
}

async function firstUrl(child: ChildProcess): Promise<string> {
  const lines = createInterface({ input: child.stdout! });
  for await (const line of lines) {
    const { url } = JSON.parse(line) as { url?: string };
    if (!url) continue;
    child.stdout!.resume(); // what it says later is of no interest, but must not fill the pipe
    return url;
  }
  throw new Error('a server ended before it served');
}
