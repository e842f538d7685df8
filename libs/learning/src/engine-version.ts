import * as tf from '@tensorflow/tfjs';

/** Of TensorFlow.js, for the record of what a model was made with. */
export const engineVersion = tf.version_core;
