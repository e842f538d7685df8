import * as tf from '@tensorflow/tfjs';

/**
 * As `tf.tidy`, for results without tensors: every tensor made inside is disposed of. `tf.tidy` itself looks for tensors in
 * what it is given back, number by number, which takes longer than a step of a small network.
 */
export function tidily<Result>(compute: () => Result): Result {
  let result: Result | undefined;
  tf.tidy(() => {
    result = compute();
  });
  return result as Result;
}
