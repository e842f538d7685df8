import { setImmediate } from 'node:timers/promises';

/** Held no longer than a millisecond by a digest, a copy or a cipher. */
const pieceBytes = 1024 ** 2;

/** Work on so many bytes, piece by piece: between two of them, the thread does what else waits. Up to a mebibyte is one piece. */
export async function byPieces(bytes: number, work: (from: number, to: number) => void): Promise<void> {
  for (let from = 0, to = 0; ; from = to) {
    to = Math.min(bytes, from + pieceBytes);
    work(from, to);
    if (to === bytes) return;
    await setImmediate();
  }
}
