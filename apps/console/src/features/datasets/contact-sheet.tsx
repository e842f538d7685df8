import { useQuery } from '@apollo/client/react';
import { Card } from '../../design/card.tsx';
import { Figure } from '../../design/facts.tsx';
import { formatBytes, formatCount } from '../../design/format.ts';
import { ContactSheetDocument, type ImageSummaryFieldsFragment } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';

/** What pictures a data set holds: figures, small pictures of each class, and those that could not be read. */
export function ContactSheet({ datasetId, images }: { datasetId: string; images: ImageSummaryFieldsFragment }) {
  const query = useQuery(ContactSheetDocument, { variables: { id: datasetId } });
  const range = (least: number, most: number) => (least === most ? formatCount(least) : `${formatCount(least)} to ${formatCount(most)}`);
  const total = images.png + images.jpeg;
  return (
    <Card title="Pictures" description="A few of each class, spread evenly over it. Each folder of the archive is a class.">
      <div className="mb-6 grid gap-6 sm:grid-cols-2 lg:grid-cols-4">
        <Figure label="Classes" value={formatCount(images.classes.length)} />
        <Figure label="Width × height" value={`${range(images.minWidth, images.maxWidth)} × ${range(images.minHeight, images.maxHeight)}`} note="pixels" />
        <Figure label="Files" value={formatCount(total)} note={`${formatBytes(images.sizeBytes)}${images.grey === total ? ', all grey' : images.grey > 0 ? `, ${formatCount(images.grey)} grey` : ''}`} />
        <Figure label="Left out" value={formatCount(images.brokenCount)} note={images.brokenCount > 0 ? 'broken pictures, listed below' : 'every picture can be read'} />
      </div>
      <Loaded what="the pictures" query={query}>
        {({ dataset }) => (
          <div className="space-y-4">
            {(dataset?.latestVersion?.contactSheet ?? []).map((strip) => (
              <section key={strip.label} aria-label={`Class ${strip.label}`}>
                <h3 className="mb-1.5 text-[13.5px] font-semibold break-words text-steel-900">
                  {strip.label} <span className="font-normal text-steel-500">{formatCount(strip.count)}</span>
                </h3>
                <ul className="flex flex-wrap gap-2">
                  {strip.images.map(({ path, dataUri }) => (
                    <li key={path}>
                      <img src={dataUri} alt={path} title={path} className="size-16 rounded border border-steel-200 bg-steel-50 object-contain" />
                    </li>
                  ))}
                </ul>
              </section>
            ))}
          </div>
        )}
      </Loaded>
      {images.broken.length > 0 && (
        <details className="mt-6">
          <summary className="text-[13.5px] font-medium text-steel-700">Broken pictures</summary>
          <ul className="mt-2 space-y-1 text-[13px] text-steel-700">
            {images.broken.map(({ path, message }) => (
              <li key={path} className="break-words">
                <code className="font-mono text-xs">{path}</code>: {message}
              </li>
            ))}
          </ul>
        </details>
      )}
    </Card>
  );
}
