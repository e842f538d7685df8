import type { ContactStrip, ImageSummary } from '@millrace/datasets';
import { builder } from '../../schema-builder.ts';

const imageClassType = builder.objectRef<ImageSummary['classes'][number]>('ImageClass').implement({
  description: 'Pictures that lay in one folder.',
  fields: (t) => ({
    label: t.exposeString('label', { description: 'The folder.' }),
    count: t.exposeInt('count', { description: 'Pictures in it.' }),
  }),
});

const brokenImageType = builder.objectRef<ImageSummary['broken'][number]>('BrokenImage').implement({
  description: 'A picture that was left out.',
  fields: (t) => ({
    path: t.exposeString('path', { description: 'Within the archive.' }),
    message: t.exposeString('message', { description: 'What is wrong with it.' }),
  }),
});

export const imageSummaryType = builder.objectRef<ImageSummary>('ImageSummary').implement({
  description: 'What the pictures of a column are like.',
  fields: (t) => ({
    classes: t.field({ type: [imageClassType], complexity: { field: 1, multiplier: 20 }, description: 'The largest first, at most 1000.', resolve: ({ classes }) => classes }),
    png: t.int({ description: 'PNG files.', resolve: ({ formats }) => formats.png }),
    jpeg: t.int({ description: 'JPEG files.', resolve: ({ formats }) => formats.jpeg }),
    minWidth: t.int({ description: 'Of the narrowest, in pixels.', resolve: ({ width }) => width.min }),
    maxWidth: t.int({ description: 'Of the widest.', resolve: ({ width }) => width.max }),
    minHeight: t.int({ description: 'Of the lowest.', resolve: ({ height }) => height.min }),
    maxHeight: t.int({ description: 'Of the highest.', resolve: ({ height }) => height.max }),
    grey: t.exposeInt('grey', { description: 'Pictures without colours.' }),
    sizeBytes: t.field({ type: 'BigInt', description: 'Of all files.', resolve: ({ bytes }) => BigInt(bytes) }),
    duplicates: t.exposeInt('duplicates', { description: 'Pictures that are byte for byte an earlier one.' }),
    broken: t.field({ type: [brokenImageType], description: 'Pictures that could not be read and were left out, at most 50.', resolve: ({ broken }) => broken }),
    brokenCount: t.exposeInt('brokenCount', { description: 'How many there are of these.' }),
  }),
});

const thumbnailType = builder.objectRef<ContactStrip['images'][number]>('Thumbnail').implement({
  description: 'A small picture.',
  fields: (t) => ({
    path: t.exposeString('path', { description: 'Of the picture within the archive.' }),
    dataUri: t.string({ description: 'PNG, no side longer than 64 pixels, as data: address.', resolve: ({ thumbnail }) => `data:image/png;base64,${Buffer.from(thumbnail).toString('base64')}` }),
  }),
});

export const contactStripType = builder.objectRef<ContactStrip>('ContactStrip').implement({
  description: 'Some pictures of one class, spread evenly over it.',
  fields: (t) => ({
    label: t.exposeString('label', { description: 'The class.' }),
    count: t.exposeInt('count', { description: 'Pictures of the class in all.' }),
    images: t.field({ type: [thumbnailType], description: 'The same ones every time.', resolve: ({ images }) => images }),
  }),
});
