import type { Worker } from 'node:worker_threads';
import { startThread } from '@millrace/kernel';
import { readImageHead } from './decode-image.ts';
import { lookAtPicture, type PictureLook, type PictureTask } from './look-at-picture.ts';

export interface PictureThreadsOptions {
  /** at most; each is started when there is work for it */
  threads: number;
  /** pictures that may wait for one; any number unless told */
  waiting?: number;
  /** time that one picture may take */
  milliseconds: number;
  /** memory of a thread beside its pixels, which `maxPixels` bounds */
  heapMb?: number;
}

/** `stopped`: it took more time or memory than a picture may. `busy`: too many wait already. */
export type PictureAnswer = PictureLook | { type: 'stopped'; message: string } | { type: 'busy'; message: string };

export interface PictureThreads {
  /** Rejects only where threads cannot be started at all, and once they are closed. */
  look(task: PictureTask): Promise<PictureAnswer>;
  /** Ends all threads, each after the picture that it looks at. May be called twice. */
  close(): Promise<void>;
}

interface Job {
  task: PictureTask;
  answer(answer: PictureAnswer): void;
  fail(error: Error): void;
}

/** What has no more is looked at in some milliseconds, which is less than going to a thread and back is worth. */
const small = { pixels: 2 ** 16, bytes: 2 ** 17 };
/** A thread that has had nothing to do for so long ends. */
const idleMs = 30_000;
/** Starting a thread, on a machine that has much else to do. */
const startMs = 60_000;

/** Whether looking at it may hold a thread that has other things to do as well. */
function isSmallPicture(bytes: Uint8Array): boolean {
  const head = readImageHead(bytes);
  return bytes.length <= small.bytes && (head === null || head.width * head.height <= small.pixels);
}

/**
 * Looks at pictures in threads of their own, so that a large one holds up nobody else. A picture that takes too long or too
 * much ends its thread, and nothing else. In a bundle, `picture-thread.js` must lie beside the program.
 */
export function createPictureThreads({ threads, waiting = Infinity, milliseconds, heapMb = 256 }: PictureThreadsOptions): PictureThreads {
  const line: Job[] = [];
  const all = new Set<Worker>();
  const idle: { next(): void; end(): void }[] = [];
  /** pictures that have no answer yet */
  let held = 0;
  let isClosed = false;

  function start(): void {
    const worker = startThread(import.meta, 'picture-thread', { maxOldGenerationSizeMb: heapMb, maxYoungGenerationSizeMb: 32 });
    worker.unref();
    all.add(worker);
    let job: Job | null = null;
    let isReady = false;
    let verdict = 'It brings down what looks at it.';
    let timer: NodeJS.Timeout | undefined;
    const endAfter = (delay: number, message: string): void => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        verdict = message;
        void worker.terminate();
      }, delay);
      timer.unref();
    };
    // It ends by itself, between two pictures: one that is cut off just as it begins to inflate takes the whole process with it.
    const end = (): void => {
      leaveIdle();
      worker.postMessage('end');
      endAfter(startMs, 'It did not end.');
    };
    const next = (): void => {
      if (isClosed) return end();
      const taken = line.shift();
      if (taken === undefined) {
        clearTimeout(timer);
        timer = setTimeout(end, idleMs).unref();
        idle.push(own);
        return;
      }
      job = taken;
      endAfter(milliseconds, `It took more than ${milliseconds / 1000} seconds to look at.`);
      worker.postMessage(job.task);
    };
    const own = { next, end };
    const leaveIdle = (): void => {
      const place = idle.indexOf(own);
      if (place >= 0) idle.splice(place, 1);
    };
    worker.on('message', (message: 'ready' | PictureLook) => {
      isReady = true;
      if (message !== 'ready') {
        job?.answer(message);
        job = null;
      }
      next();
    });
    worker.on('error', (error: Error & { code?: string }) => {
      if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') verdict = `It took more than ${heapMb} MB of memory beside its pixels to look at.`;
      else if (!isReady) verdict = error.message;
    });
    worker.on('exit', () => {
      clearTimeout(timer);
      all.delete(worker);
      leaveIdle();
      if (isClosed) job?.fail(closed());
      else job?.answer({ type: 'stopped', message: verdict });
      // One that doesn't come up will not come up for the next picture either.
      if (!isReady && !isClosed) for (const waitingJob of line.splice(0)) waitingJob.fail(new Error(`No thread can be started for pictures: ${verdict}`));
      else if (line.length > 0 && !isClosed) start();
    });
    endAfter(startMs, 'It did not start.');
  }

  return {
    async look(task) {
      if (isClosed) throw closed();
      if (held >= threads + waiting) return { type: 'busy', message: 'Too many pictures wait to be looked at.' };
      held++;
      try {
        return await new Promise((answer, fail) => {
          line.push({ task, answer, fail });
          const ready = idle.pop();
          if (ready) ready.next();
          else if (all.size < threads) start();
        });
      } finally {
        held--;
      }
    },

    async close() {
      isClosed = true;
      for (const job of line.splice(0)) job.fail(closed());
      for (const { end } of [...idle]) end();
      await Promise.all([...all].map((worker) => {
        worker.ref();
        return new Promise((resolve) => worker.once('exit', resolve));
      }));
    },
  };
}

const closed = (): Error => new Error('The threads for pictures are closed.');

/** As `look`; a small picture is looked at here and now, which is sooner than a thread's answer. */
export async function lookAside(threads: PictureThreads, task: PictureTask): Promise<PictureAnswer> {
  return isSmallPicture(task.bytes) ? lookAtPicture(task) : threads.look(task);
}
