import { literal } from './table-engine.ts';
import { onParquet } from './table-reading.ts';

/** Small pictures of one class, to look at. */
export interface ContactStrip {
  label: string;
  /** pictures of the class in all */
  count: number;
  images: { path: string; /** PNG, no side longer than 64 pixels */ thumbnail: Uint8Array }[];
}

/** Classes on one sheet, the largest first. */
const mostClasses = 50;

/** A few pictures of each class, spread evenly over it, the same ones every time; no class where the table has no pictures. */
export function readContactSheet(parquetPath: string, perClass: number): Promise<ContactStrip[]> {
  return onParquet(parquetPath, undefined, async (engine, { types }) => {
    if (types.get('image') !== 'image') return [];
    const source = literal(parquetPath);
    const rows = await engine.rows(`
      WITH numbered AS (
        SELECT label, file_row_number AS r, row_number() OVER (PARTITION BY label ORDER BY file_row_number) - 1 AS place, count(*) OVER (PARTITION BY label) AS size
        FROM read_parquet(${source}, file_row_number = true)),
      largest AS (SELECT label FROM numbered GROUP BY label ORDER BY count(*) DESC, label LIMIT ${mostClasses}),
      chosen AS (SELECT r, size FROM numbered SEMI JOIN largest USING (label) WHERE (place * ${perClass}) % size < ${perClass})
      SELECT t.label, c.size::DOUBLE, t.path, t.thumbnail FROM read_parquet(${source}, file_row_number = true) t JOIN chosen c ON t.file_row_number = c.r
      ORDER BY c.size DESC, t.label, t.file_row_number`);
    const strips = new Map<string, ContactStrip>();
    for (const [label, size, path, thumbnail] of rows as [string, number, string, Uint8Array][]) {
      const strip = strips.get(label) ?? { label, count: size, images: [] };
      strip.images.push({ path, thumbnail });
      strips.set(label, strip);
    }
    return [...strips.values()];
  });
}
