import type * as tf from '@tensorflow/tfjs';

/** A weight of an encoder; `fanIn` 0 for a bias, which begins at 0. */
export interface EncoderWeight {
  shape: number[];
  fanIn: number;
  fanOut: number;
}

/** What makes a state of a window, which is [length, channels] row by row. */
export interface SequenceEncoder {
  weights: EncoderWeight[];
  /** numbers of a state */
  states: number;
  /** Windows [batch, length, channels] to states [batch, states], on the tape. */
  encode(windows: Float32Array, batch: number, weights: tf.Tensor[]): tf.Tensor2D;
  /** The same of one window, in plain numbers. */
  stateOf(window: Float32Array, weights: readonly Float32Array[]): Float32Array;
}
