/** What somebody says of a network for pictures that was made elsewhere, as a form holds it; '' stands for what its file says itself. */
export interface PictureAnswers {
  name: string;
  numbers: keyof typeof numbersOfPixels;
  layout: '' | 'nchw' | 'nhwc';
  width: string;
  height: string;
  /** '' stretches pictures */
  shortSide: string;
  /** one a line; none for a number */
  classes: string;
  scores: 'probabilities' | 'logits';
}

/** What pixels from 0 to 255 become, in the signature's words. */
const numbersOfPixels = {
  imageNet: { range: [0, 1], mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  unit: { range: [0, 1] },
  signed: { range: [-1, 1] },
  plain: { range: [0, 255] },
  bytes: {},
} as const;

export const pixelChoices: { value: PictureAnswers['numbers']; label: string }[] = [
  { value: 'imageNet', label: '0 to 1, then normalised as for ImageNet (torchvision)' },
  { value: 'unit', label: '0 to 1 (ToTensor, Rescaling 1/255)' },
  { value: 'signed', label: '−1 to 1 (MobileNet and EfficientNetV2 of Keras)' },
  { value: 'plain', label: '0 to 255: the model does the rest' },
  { value: 'bytes', label: 'bytes: the model takes uint8' },
];

export const noAnswers: PictureAnswers = { name: 'image', numbers: 'imageNet', layout: '', width: '', height: '', shortSide: '', classes: '', scores: 'logits' };

/** The signature that goes with an ONNX file. */
export function signatureOfPicture({ name, numbers, layout, width, height, shortSide, classes, scores }: PictureAnswers): object {
  const names = classes.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  const size = (side: 'width' | 'height' | 'shortSide', text: string) => (text.trim() === '' ? {} : { [side]: Number(text) });
  return {
    inputs: [{ name: name.trim() || 'image', type: 'image', ...(layout === '' ? {} : { layout }), ...size('width', width), ...size('height', height), ...size('shortSide', shortSide), ...numbersOfPixels[numbers] }],
    output: names.length === 0 ? { type: 'number' } : { type: 'category', classes: names, scores },
  };
}

/** The rows of `text` with one more picture and what the model is known to answer: a number where it gives one. */
export function withSamplePicture(text: string, { name, classes }: PictureAnswers, sample: { b64: string; prediction: string }): object[] {
  let rows: unknown;
  try {
    rows = JSON.parse(text);
  } catch {
    rows = [];
  }
  const prediction = classes.trim() === '' && sample.prediction.trim() !== '' ? Number(sample.prediction) : sample.prediction.trim();
  return [...(Array.isArray(rows) ? (rows as object[]) : []), { inputs: { [name.trim() || 'image']: { b64: sample.b64 } }, prediction }];
}
