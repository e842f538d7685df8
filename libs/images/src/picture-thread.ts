import { parentPort } from 'node:worker_threads';
import { lookAtPicture, type PictureTask } from './look-at-picture.ts';

/** A thread that looks at pictures, one after another: see `picture-threads.ts`. */
parentPort!.on('message', (task: PictureTask | 'end') => {
  if (task === 'end') parentPort!.close();
  else parentPort!.postMessage(lookAtPicture(task));
});
parentPort!.postMessage('ready');
