import { useState } from 'react';
import { Badge } from '../../design/badge.tsx';
import { Bars } from '../../design/bars.tsx';
import { Card } from '../../design/card.tsx';
import { Figure } from '../../design/facts.tsx';
import { SelectField } from '../../design/field.tsx';
import { formatCount, formatNumber, formatShare } from '../../design/format.ts';
import { Notice } from '../../design/notice.tsx';

export interface RecommendationEvaluation {
  type: 'recommendation';
  users: number;
  topN: number;
  ndcg: number | null;
  hitRate: number | null;
  recallAtN: number | null;
  mrr: number | null;
  coverage: number;
  rmse: number | null;
  mae: number | null;
}

interface SampleUser {
  user: string;
  had: string[];
  heldOut: string[];
  recommended: { item: string; score: number; isHit: boolean }[];
}

/** The figures of lists of recommendations, beside those of popularity. */
export function RecommendationFigures({ evaluation, baseline }: { evaluation: RecommendationEvaluation; baseline: RecommendationEvaluation | null }) {
  const { topN } = evaluation;
  const beside = (value: number | null | undefined, format: (value: number | null | undefined) => string = formatNumber) => baseline && `popularity ${format(value)}`;
  const figures = [
    { label: `NDCG@${topN}`, value: formatNumber(evaluation.ndcg), note: beside(baseline?.ndcg) },
    { label: `Hit rate@${topN}`, value: formatShare(evaluation.hitRate), note: beside(baseline?.hitRate, formatShare) },
    { label: `Recall@${topN}`, value: formatShare(evaluation.recallAtN), note: beside(baseline?.recallAtN, formatShare) },
    { label: 'MRR', value: formatNumber(evaluation.mrr), note: beside(baseline?.mrr) },
    { label: 'Coverage', value: formatShare(evaluation.coverage), note: beside(baseline?.coverage, formatShare) },
    ...(evaluation.rmse === null ? [] : [{ label: 'RMSE', value: formatNumber(evaluation.rmse), note: beside(baseline?.rmse) }, { label: 'MAE', value: formatNumber(evaluation.mae), note: beside(baseline?.mae) }]),
    { label: 'Test users', value: formatCount(evaluation.users), note: null },
  ];
  return (
    <div className="grid grid-cols-2 gap-6 sm:grid-cols-3 xl:grid-cols-6">
      {figures.map((figure) => (
        <Figure key={figure.label} {...figure} />
      ))}
    </div>
  );
}

function Names({ title, names, hits = [] }: { title: string; names: readonly string[]; hits?: readonly string[] }) {
  return (
    <div>
      <h3 className="mb-2 text-[13px] font-semibold text-steel-700">{title}</h3>
      <ul aria-label={title} className="flex flex-wrap gap-1.5">
        {names.map((name) => (
          <li key={name}>
            <Badge tone={hits.includes(name) ? 'good' : 'neutral'}>{name}</Badge>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Users of the test: what they had, what they had next, and what was recommended in between. */
export function RecommendationCard({ name, metrics }: { name: string; metrics: unknown }) {
  const { sample = [], warnings = [] } = (metrics ?? {}) as { sample?: SampleUser[]; warnings?: string[] };
  const [chosen, setChosen] = useState(0);
  const shown = sample[Math.min(chosen, sample.length - 1)];
  if (!shown) return null;
  const lowest = Math.min(0, ...shown.recommended.map(({ score }) => score));
  const hits = shown.recommended.filter(({ isHit }) => isHit).map(({ item }) => item);
  return (
    <Card title="Recommendations" description={`${name}, on what was held out. Full bars are hits: the user did have the item next.`}>
      <div className="space-y-4">
        {warnings.length > 0 && (
          <Notice tone="warn" title="What was done to the data">
            {warnings.join(' ')}
          </Notice>
        )}
        <SelectField label="User" className="max-w-xs" value={String(chosen)} choices={sample.map(({ user }, index) => ({ value: String(index), label: user }))} onValue={(value) => setChosen(Number(value))} />
        <div className="grid gap-6 lg:grid-cols-2">
          <div className="space-y-4">
            <Names title="Had" names={shown.had} />
            <Names title="Had next" names={shown.heldOut} hits={hits} />
          </div>
          <div>
            <h3 className="mb-2 text-[13px] font-semibold text-steel-700">Recommended</h3>
            <Bars
              label={`Recommended to ${shown.user}: ${hits.length} of ${shown.recommended.length} are hits`}
              max={Math.max(...shown.recommended.map(({ score }) => score - lowest), 0)}
              bars={shown.recommended.map(({ item, score, isHit }) => ({ label: item, value: score - lowest, text: formatNumber(score), isMarked: isHit }))}
            />
          </div>
        </div>
      </div>
    </Card>
  );
}
