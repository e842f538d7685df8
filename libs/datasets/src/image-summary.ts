/** What a column of pictures looks like. Plain JSON. */
export interface ImageSummary {
  kind: 'images';
  /** by folder, the largest first; at most 1000 */
  classes: { label: string; count: number }[];
  formats: { png: number; jpeg: number };
  /** in pixels */
  width: { min: number; max: number };
  height: { min: number; max: number };
  /** pictures without colours */
  grey: number;
  /** of all files */
  bytes: number;
  /** pictures that are byte for byte an earlier one */
  duplicates: number;
  /** those that could not be read and were left out; at most 50 */
  broken: { path: string; message: string }[];
  brokenCount: number;
}

export const shownClasses = 1000;
export const shownBroken = 50;
