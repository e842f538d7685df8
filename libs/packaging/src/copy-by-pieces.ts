import { byPieces } from '@millrace/kernel';

/** A copy that may be given to another thread. One that the channel between them makes would hold this one for all of it. */
export async function copyByPieces(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const copy = new Uint8Array(bytes.byteLength);
  await byPieces(bytes.byteLength, (from, to) => copy.set(bytes.subarray(from, to), from));
  return copy;
}
