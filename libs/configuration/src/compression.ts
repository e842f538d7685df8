import { z } from 'zod';
import { defaultMaxLoss, greatestLossSchema } from './greatest-loss.ts';

export const compressionSchema = z
  .strictObject({
    targetSparsity: z.number().min(0.01).max(0.99).optional().meta({
      title: 'Sparsity',
      description: 'Share of the model that goes: of a network so many weights become 0 while the others learn on; of a linear model so many numbers and values of categories are no longer looked at; of trees so many leaves go (of an isolation forest so many trees), of nearest neighbours so many rows.',
    }),
    quantize: z.enum(['float16', 'int8_static', 'int8_dynamic']).optional().meta({
      title: 'Quantise to',
      description: 'Weights in fewer bits, after that. Networks and autoencoders take all (for pictures no int8_dynamic), nearest neighbours, matrix factorisation and two towers float16 and int8_static, linear models, accelerated failure times and models with heads float16.',
    }),
    maxLoss: greatestLossSchema.optional().meta({
      title: 'Greatest loss',
      description:
        'How many points worse than the uncompressed model it may be and still become the version: percentage points of a share such as f1, percent of an error such as RMSE. ' +
        `Default: as much as the model allows optimised versions, else ${defaultMaxLoss}. What the model allows always holds.`,
    }),
  })
  .meta({ title: 'Compression', description: 'Makes the chosen model smaller once it is trained. It becomes the version if it is shown to lose no more than is allowed; else the uncompressed one does, with a warning.' });

/** What is to be done to the chosen model once it is trained. */
export type Compression = z.output<typeof compressionSchema>;
