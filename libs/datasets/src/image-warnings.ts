import type { FileWarning } from './table-file.ts';

/** What is known of a picture once it was decoded. */
export interface SeenImage {
  path: string;
  label: string;
  sha256: string;
  format: 'png' | 'jpeg';
  width: number;
  height: number;
  grey: boolean;
  bytes: number;
}

/** Fewer pictures of a class than this teach little. */
const fewImages = 20;
/** The largest class against the smallest. */
const imbalance = 10;
/** The widest shape against the narrowest: stretched into one square, they look different. */
const shapes = 1.5;

/** What someone who knows pictures would look at before training. */
export function warnAboutImages(
  seen: readonly SeenImage[], broken: readonly { path: string; message: string }[], leftOut: { withoutFolder: string[]; others: string[] },
): FileWarning[] {
  const warnings: FileWarning[] = [];
  const warn = (code: string, message: string, remedy: string): void => {
    warnings.push({ code, field: 'image', message, remedy });
  };
  if (broken.length > 0) {
    const [first] = broken;
    warn('broken_images', `${count(broken.length, 'picture')} can’t be read and ${broken.length === 1 ? 'was' : 'were'} left out, such as “${first!.path}”: ${first!.message}`, 'Save them anew as PNG or JPEG, or leave them out.');
  }
  if (leftOut.withoutFolder.length > 0) warn('images_without_class', `${count(leftOut.withoutFolder.length, 'picture')} in no folder ${leftOut.withoutFolder.length === 1 ? 'was' : 'were'} left out, such as “${leftOut.withoutFolder[0]!.slice(0, 200)}”.`, 'Put them into the folder of their class.');
  if (leftOut.others.length > 0) warn('other_files', `${count(leftOut.others.length, 'file')} of the archive ${leftOut.others.length === 1 ? 'is' : 'are'} no PNG or JPEG, such as “${leftOut.others[0]!.slice(0, 200)}”.`, 'Nothing is to be done if they do not matter.');

  const byDigest = new Map<string, SeenImage[]>();
  for (const image of seen) byDigest.set(image.sha256, [...(byDigest.get(image.sha256) ?? []), image]);
  const copies = [...byDigest.values()].filter(({ length }) => length > 1);
  const contradicting = copies.filter((images) => images.some(({ label }) => label !== images[0]!.label));
  if (copies.length > 0) {
    const [a, b] = copies[0] as [SeenImage, SeenImage];
    warn('duplicate_images', `${count(copies.reduce((sum, { length }) => sum + length - 1, 0), 'picture')} ${copies.length === 1 ? 'repeats' : 'repeat'} an earlier one byte for byte, such as “${b.path}” and “${a.path}”: a random split puts copies on both sides, and the score is too good.`, 'Remove the copies.');
  }
  if (contradicting.length > 0) {
    const images = contradicting[0]!;
    const other = images.find(({ label }) => label !== images[0]!.label)!;
    warn('contradicting_images', `${count(contradicting.length, 'picture')} ${contradicting.length === 1 ? 'lies' : 'lie'} in several classes, such as “${images[0]!.path}” and “${other.path}”.`, 'Decide which class is right and remove the other copy.');
  }

  const counts = new Map<string, number>();
  for (const { label } of seen) counts.set(label, (counts.get(label) ?? 0) + 1);
  const classes = [...counts].sort((a, b) => a[1] - b[1]);
  const [smallest, largest] = [classes[0]!, classes.at(-1)!];
  if (classes.length === 1) warn('one_class', `All pictures are of the class “${smallest[0]}”: there is nothing to tell apart.`, 'Add a folder of pictures of another class.');
  else if (largest[1] >= imbalance * smallest[1]) {
    warn('imbalance', `The class “${largest[0]}” has ${largest[1]} pictures, “${smallest[0]}” has ${smallest[1]}: a model may learn to ignore the rare one.`, 'Add pictures of the rare class, set the class weights to balanced, and judge by F1.');
  }
  const few = classes.filter(([, number]) => number < fewImages);
  if (few.length > 0) warn('few_images', `${count(few.length, 'class', 'classes')} with fewer than ${fewImages} pictures, such as “${few[0]![0]}” with ${few[0]![1]}.`, 'Add pictures: some hundred a class are a good start; augmentation helps a little.');
  const shapesSeen = seen.map(({ width, height }) => width / height).reduce(({ min, max }, shape) => ({ min: Math.min(min, shape), max: Math.max(max, shape) }), { min: Infinity, max: 0 });
  if (shapesSeen.max > shapes * shapesSeen.min) warn('mixed_shapes', `The pictures are of different shapes, ${shapesSeen.min.toFixed(2)} to ${shapesSeen.max.toFixed(2)} times as wide as high. Training stretches all into one square.`, 'Cut them alike, around what matters.');
  return warnings;
}

const count = (number: number, one: string, many = `${one}s`): string => `${number} ${number === 1 ? one : many}`;
