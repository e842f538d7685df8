import type { ConvolutionalSettings } from '@millrace/configuration';
import { augment, type PixelScale, standardise } from './augmentation.ts';
import { imageSlopes } from './convolution-pass.ts';
import { type ConvolutionNetwork, type ConvolutionPlan, copyConvolutions, foldConvolutions, weightsOfConvolutions } from './convolution-plan.ts';
import { descend, type Descent } from './gradient-descent.ts';
import type { FittedImage } from './pipeline.ts';

export interface PictureTraining extends Pick<
  Descent<ConvolutionNetwork>,
  'trainer' | 'initialWeights' | 'batchNorm' | 'frozen' | 'constrain' | 'validate' | 'seed' | 'trial' | 'stopAfter' | 'resume' | 'pacer' | 'onEpoch'
> {
  settings: Pick<ConvolutionalSettings, 'augmentation' | 'labelSmoothing' | 'dropout'>;
  plan: ConvolutionPlan;
  /** Square. */
  image: FittedImage;
  scale: PixelScale;
  /** [pictures, height, width, channels] in [0, 255] row by row, with the class of each. */
  pixels: Uint8Array;
  targets: Int32Array;
  classWeights: Float64Array | null;
}

/** Trains a convolutional network; each step sees its pictures changed at random as the settings say. */
export function learnPictures({ settings, plan, image, scale, pixels, targets, classWeights, ...descent }: PictureTraining) {
  const { augmentation, labelSmoothing, dropout } = settings;
  const isAugmented = augmentation.flipHorizontal || augmentation.flipVertical || augmentation.shift > 0 || augmentation.rotation > 0 || augmentation.brightness > 0;
  const { width: size, channels } = image;
  const length = size * size * channels;
  return descend<ConvolutionNetwork>({
    ...descent,
    rows: targets.length,
    parts: weightsOfConvolutions(plan),
    slopesOf(weights, places, random) {
      const values = new Float32Array(places.length * length);
      places.forEach((place, at) => {
        const picture = pixels.subarray(place * length, (place + 1) * length);
        if (isAugmented) augment(picture, size, scale, augmentation, random, values, at * length);
        else values.set(standardise(picture, scale), at * length);
      });
      const batch = { rows: places.length, height: size, width: size, channels, pixels: values, targets: places.map((place) => targets[place]!) };
      return imageSlopes(plan, weights, batch, { classWeights, labelSmoothing, dropout, random });
    },
    fold: (weights, statistics) => foldConvolutions(plan, weights, statistics),
    copyOf: copyConvolutions,
  });
}
