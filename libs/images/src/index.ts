export { decodeImage, type ImageFormat, readImageHead } from './decode-image.ts';
export { encodePng, makeThumbnail } from './encode-png.ts';
export { fitImage, type PictureSize } from './fit-image.ts';
export type { PictureLook, PictureTask } from './look-at-picture.ts';
export { createPictureThreads, lookAside, type PictureAnswer, type PictureThreads } from './picture-threads.ts';
export { isGrey, type Pixels, withChannels } from './pixels.ts';
export { resizeImage } from './resize-image.ts';
