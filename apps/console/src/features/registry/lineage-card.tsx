import { useQuery } from '@apollo/client/react';
import { Card } from '../../design/card.tsx';
import { ModelLineageDocument, type LineageKind, type ModelLineageQuery } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';

type Lineage = NonNullable<ModelLineageQuery['modelLineage']>;

const columns: Record<LineageKind, number> = { DATASET_VERSION: 0, FILE: 1, RUN: 1, MODEL_VERSION: 2, ENDPOINT: 3 };
const titles = ['Data', 'Run or file', 'Version', 'Endpoint'];
const [width, height, gap, step] = [170, 32, 70, 44] as const;

/** Where every node stands: a column for each kind, in the order of the answer. Pixels. */
function placesOf({ nodes }: Pick<Lineage, 'nodes'>): Map<string, { x: number; y: number }> {
  const taken = [0, 0, 0, 0];
  return new Map(
    nodes.map(({ id, kind }) => {
      const column = columns[kind];
      const row = taken[column]!;
      taken[column] = row + 1;
      return [id, { x: column * (width + gap), y: 28 + step * row }];
    }),
  );
}

/** Data set version → run → version → endpoint, drawn from left to right. */
export function LineageCard({ modelId }: { modelId: string }) {
  const query = useQuery(ModelLineageDocument, { variables: { modelId } });
  return (
    <Card title="Lineage" description="What the versions were made from, and what they serve.">
      <Loaded what="the lineage" query={query}>
        {({ modelLineage }) => (modelLineage && modelLineage.nodes.length > 0 ? <LineageGraph lineage={modelLineage} /> : <p className="text-steel-500">Nothing yet.</p>)}
      </Loaded>
    </Card>
  );
}

function LineageGraph({ lineage }: { lineage: Lineage }) {
  const places = placesOf(lineage);
  const bottom = Math.max(...[...places.values()].map(({ y }) => y + height));
  const labelOf = (id: string) => lineage.nodes.find((node) => node.id === id)?.label ?? '';
  return (
    <div className="overflow-x-auto">
      <svg role="img" aria-label={lineage.edges.map(({ from, to }) => `${labelOf(from)} leads to ${labelOf(to)}`).join('; ')} width={4 * width + 3 * gap} height={bottom + 4} className="text-[12px]">
        {titles.map((title, column) => (
          <text key={title} x={column * (width + gap)} y={14} className="fill-steel-500 font-medium">{title}</text>
        ))}
        {lineage.edges.map(({ from, to, label }) => {
          const [a, b] = [places.get(from), places.get(to)];
          if (!a || !b) return null;
          // What was made from a version leads back to the runs, in the gap between them.
          const isBack = b.x < a.x;
          const [x1, y1, x2, y2] = [isBack ? a.x : a.x + width, a.y + height / 2, isBack ? b.x + width : b.x, b.y + height / 2];
          return (
            <g key={`${from} ${to} ${label}`}>
              <path d={`M${x1},${y1} C${(x1 + x2) / 2},${y1} ${(x1 + x2) / 2},${y2} ${x2},${y2}`} fill="none" className="stroke-steel-300" strokeWidth={1.5} {...(isBack ? { strokeDasharray: '4 3' } : {})} />
              {label && <text x={(x1 + x2) / 2} y={(y1 + y2) / 2 - 4} textAnchor="middle" className="fill-steel-500 text-[10px]">{label}</text>}
            </g>
          );
        })}
        {lineage.nodes.map(({ id, kind, label }) => {
          const { x, y } = places.get(id)!;
          return (
            <g key={id}>
              <title>{label}</title>
              <rect x={x} y={y} width={width} height={height} rx={6} className={kind === 'MODEL_VERSION' || kind === 'ENDPOINT' ? 'fill-accent-50 stroke-accent-600' : 'fill-white stroke-steel-300'} />
              <text x={x + 10} y={y + 20} className="fill-steel-800">{label.length > 24 ? `${label.slice(0, 23)}…` : label}</text>
            </g>
          );
        })}
      </svg>
    </div>
  );
}
