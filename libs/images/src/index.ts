export { decodeImage, type DecodeOutcome, type ImageFormat, type ImageHead, readImageHead } from './decode-image.ts';
export { encodePng, makeThumbnail } from './encode-png.ts';
export { fitImage } from './fit-image.ts';
export { isGrey, type Pixels, withChannels } from './pixels.ts';
export { resizeImage } from './resize-image.ts';
