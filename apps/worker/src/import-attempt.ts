import { type ChildProcess, fork } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { type Logger, newId, type Problem } from '@millrace/kernel';
import { type ModelPackage, verifyPackage } from '@millrace/packaging';
import type { ClaimedImport, ImportQueue, Registry } from '@millrace/registry';
import type { ArtefactStore } from '@millrace/storage';
import { trainerEnvironment } from './environment.ts';
import type { ImportEnd, ImportJob, ImportMessage } from './import-protocol.ts';
import { residentMb } from './process-memory.ts';

/** Elsewhere than on this thread, which tells meanwhile that the worker is alive. */
const gzipped = promisify(gzip);

export interface ImportAttemptOptions {
  imports: ImportQueue;
  registry: Registry;
  storage: ArtefactStore;
  logger: Logger;
  workDirectory: string;
  /** the importing process's program, and how to run it */
  importer: { entry: string; execArgv: string[] };
  /** what it may take; a file that needs more is refused */
  limits?: { memoryMb: number; milliseconds: number };
}

export interface ImportAttempt {
  readonly done: Promise<void>;
  /** stops, and gives the file back for another worker */
  giveBack(): Promise<void>;
}

/** A refusal comes within ten seconds of a process that is there. */
const usualLimits = { memoryMb: 1536, milliseconds: 8_000 };
/** On a machine that has much else to do, starting it may take a while. */
const startMs = 60_000;
const lookEveryMs = 25;

/** One attempt at one file: a process that looks at it, and a version if it fits. */
export function startImportAttempt(held: ClaimedImport, options: ImportAttemptOptions): ImportAttempt {
  const { imports, registry, storage, logger } = options;
  const limits = options.limits ?? usualLimits;
  const folder = path.join(options.workDirectory, `${held.importId}-${process.pid}`);
  let child: ChildProcess | null = null;
  let isStopping = false;

  async function attempt(): Promise<void> {
    await fs.mkdir(folder, { recursive: true, mode: 0o700 }); // what lies here is not encrypted
    try {
      await storage.withLocalFile(held.file.key, async (file) => {
        const packageFolder = path.join(folder, 'package');
        const { acceptUntrusted = false, signature, sampleRows } = held.options;
        const ending = await runChild({
          file, filename: held.file.name, sha256: held.file.sha256, packageFolder, acceptUntrusted, signature, sampleRows, trusted: [...held.trusted],
        });
        if (isStopping) return imports.giveBack(held);
        if (ending.type === 'fit') return publish(ending, packageFolder);
        logger.info({ importId: held.importId, problems: ending.problems.map(({ code }) => code) }, 'an import was refused');
        return imports.refuse(held, ending.problems);
      });
    } finally {
      await fs.rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    }
  }

  async function publish(fit: Extract<ImportEnd, { type: 'fit' }>, packageFolder: string): Promise<void> {
    const files = new Map<string, Uint8Array>();
    for (const name of await fs.readdir(packageFolder)) files.set(name, await fs.readFile(path.join(packageFolder, name)));
    const verified = await verifyPackage(files, { digest: fit.packageSha256 });
    if (verified.type === 'damaged') throw new Error(`the package of the importing process is damaged: ${verified.problems[0]?.message}`);
    const all = Buffer.concat([...files.values()]);
    const modelPackage: ModelPackage = { files, ...verified, sizeBytes: all.byteLength, gzipBytes: (await gzipped(all)).byteLength };
    const versionId = newId('modelVersion');
    const holding = await imports.holdStorage(held, versionId, modelPackage.sizeBytes);
    if (holding.type === 'lost') return;
    if (holding.type === 'refused') return imports.refuse(held, [holding.problem]);
    await registry.storePackage(held.tenantId, versionId, modelPackage);
    const { source, agreement, metrics, provenance } = fit;
    const outcome = await imports.complete(held, { versionId, modelPackage, agreement, source, metrics: metrics as never, provenance: { ...provenance, importedBy: held.createdBy } as never });
    if (outcome === 'recorded') await registry.retainBeside(held.tenantId, versionId);
    else await registry.removePackage(held.tenantId, versionId);
    logger.info({ importId: held.importId, versionId, outcome }, 'an import has ended');
  }

  function runChild(job: ImportJob): Promise<ImportEnd> {
    return new Promise((resolve) => {
      const { entry, execArgv } = options.importer;
      let verdict: Problem | null = null;
      let message: ImportEnd | null = null;
      let complaint = '';
      child = fork(entry, [], {
        execArgv: [...execArgv, `--max-old-space-size=${limits.memoryMb}`], env: trainerEnvironment(folder), serialization: 'advanced', stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      });
      const end = (problem: Problem): void => {
        verdict ??= problem;
        child?.kill('SIGKILL');
      };
      child.stderr!.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-2000)));
      let timer = setTimeout(() => child?.kill('SIGKILL'), startMs);
      child.on('message', (arrived: ImportMessage) => {
        if (arrived.type !== 'ready') return void (message = arrived);
        clearTimeout(timer);
        timer = setTimeout(() => end(tookTooLong(limits.milliseconds)), limits.milliseconds);
      });
      const watch = setInterval(() => {
        const pid = child?.pid;
        if (pid === undefined) return;
        void residentMb(pid).then((mb) => {
          if (mb !== null && mb > limits.memoryMb) end(tookTooMuch(limits.memoryMb));
        });
      }, lookEveryMs);
      child.on('error', (error) => (complaint += String(error)));
      child.on('close', (code, signal) => {
        clearTimeout(timer);
        clearInterval(watch);
        child = null;
        if (complaint) logger.warn({ importId: held.importId, code, signal }, complaint.trim());
        if (verdict) return resolve({ type: 'refused', problems: [verdict] });
        if (message) return resolve(message);
        // Out of its own memory, or brought down by what it had loaded.
        resolve({ type: 'refused', problems: [code === 134 || signal === 'SIGABRT' ? tookTooMuch(limits.memoryMb) : crashed] });
      });
      child.send(job, () => undefined);
      if (isStopping) child.kill('SIGKILL');
    });
  }

  const done = attempt().catch((error: unknown) => {
    // Its lease runs out, and it is handed out again.
    logger.error({ importId: held.importId, error: error instanceof Error ? error.stack : String(error) }, 'an import failed in the worker itself');
  });

  return {
    done,
    async giveBack() {
      isStopping = true;
      child?.kill('SIGKILL');
      await done;
    },
  };
}

const remedy = 'Import a smaller model, or one with usual steps only.';
const tookTooLong = (milliseconds: number): Problem => ({
  code: 'took_too_long', field: 'model', message: `Loading the model and predicting a few rows took more than ${milliseconds / 1000} seconds.`, remedy,
});
const tookTooMuch = (memoryMb: number): Problem => ({
  code: 'too_much_memory', field: 'model', message: `Loading the model and predicting a few rows took more than ${memoryMb} MB of memory.`, remedy,
});
const crashed: Problem = { code: 'crashed', field: 'model', message: 'The model brings down the engine that loads it.', remedy: 'Export the model again; see whether ONNX Runtime loads it elsewhere.' };
