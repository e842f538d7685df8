import { createHash } from 'node:crypto';
import type { TrainOutcome } from '@millrace/learning';

/** How the rows were divided. Two runs with one digest on one data set version were scored on the same rows. */
export function dividedRows({ split, dropped }: Pick<Extract<TrainOutcome, { type: 'trained' }>, 'split' | 'dropped'>) {
  const { train: learned, validation, test } = split;
  const testSha256 = createHash('sha256').update(Buffer.from(test.buffer, test.byteOffset, test.byteLength)).digest('hex');
  return { train: learned.length, validation: validation.length, test: test.length, dropped, testSha256 };
}
