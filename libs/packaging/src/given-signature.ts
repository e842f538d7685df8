import { z } from 'zod';
import { UnfitModel } from './read-graph.ts';

/**
 * What somebody says that a foreign model takes and gives: its columns in the order of the graph's inputs, or a picture, and its answer.
 * `scores` says what a classifier gives that has no label of its own: probabilities, or the values before Softmax or Sigmoid.
 */
export type GivenSignature = z.output<typeof schema>;

/** A picture, as somebody says that a foreign model wants it. */
export type GivenPicture = z.output<typeof pictureSchema>;

const name = z.string().min(1).max(200);
const perChannel = (number: z.ZodNumber) => z.union([number, z.array(number).min(1).max(3)]).optional();
const pictureSchema = z.strictObject({
  name,
  type: z.literal('image'),
  /** where the channels stand; what the graph's own shape says, where it is clear */
  layout: z.enum(['nchw', 'nhwc']).optional(),
  width: z.int().min(1).optional(),
  height: z.int().min(1).optional(),
  channels: z.union([z.literal(1), z.literal(3)]).optional(),
  /** pictures are not stretched: their shorter side gets so many pixels, and the middle is cut out */
  shortSide: z.int().min(1).optional(),
  /** of the colours among the channels; red, green, blue unless told */
  order: z.enum(['rgb', 'bgr']).optional(),
  /** what a pixel of 0 and one of 255 become, before mean and std */
  range: z.tuple([z.number(), z.number()]).optional(),
  /** what is subtracted then, and what it is divided by: for each of the model's channels, or for all */
  mean: perChannel(z.number()),
  std: perChannel(z.number().positive()),
});
const schema = z.strictObject({
  inputs: z
    .array(
      z.discriminatedUnion('type', [
        z.strictObject({ name, type: z.literal('number'), min: z.number().optional(), max: z.number().optional(), required: z.boolean().optional() }),
        pictureSchema,
        z.strictObject({ name, type: z.enum(['category', 'binary']), categories: z.array(z.string().max(500)).max(100_000).optional(), required: z.boolean().optional() }),
      ]),
    )
    .min(1)
    .max(1_000)
    .optional(),
  output: z
    .discriminatedUnion('type', [
      z.strictObject({ name: name.optional(), type: z.literal('number') }),
      z.strictObject({
        name: name.optional(), type: z.enum(['category', 'binary']), classes: z.array(z.string().min(1).max(500)).min(2).max(10_000).optional(),
        scores: z.enum(['probabilities', 'logits']).optional(),
      }),
    ])
    .optional(),
});

/** Undefined when nothing is given. @throws UnfitModel */
export function readGivenSignature(value: unknown): GivenSignature | undefined {
  if (value === undefined || value === null) return undefined;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new UnfitModel(
    'signature', ['signature', ...issue!.path].join('.'), `The signature does not fit: ${issue!.message}.`,
    'Give {inputs: [{name, type, …}], output: {type, classes, …}}, or leave it out to have it inferred.',
  );
}
