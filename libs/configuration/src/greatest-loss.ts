import { z } from 'zod';

/** How many points worse a model may be than the one that it was made from. */
export const greatestLossSchema = z.number().min(0).max(100);

/** Where a target is given and no loss, and where nothing else limits what a compression may lose; in points. */
export const defaultMaxLoss = 0.5;
