import { Badge } from '../../design/badge.tsx';
import { formatBytes, formatNumber, words } from '../../design/format.ts';
import { Table } from '../../design/table.tsx';
import type { RunQuery } from '../../gql/graphql.ts';
import { familyName } from './run-state.tsx';

export type Trial = NonNullable<RunQuery['run']>['trials'][number];

interface LeaderboardProps {
  trials: readonly Trial[];
  chosen: number;
  onChoose(trial: number): void;
}

/** Every model tried, best first, under the column names that people know from other leaderboards. */
export function Leaderboard({ trials, chosen, onChoose }: LeaderboardProps) {
  const ranked = [...trials].sort((a, b) => Number(b.best) - Number(a.best) || a.number - b.number);
  return (
    <Table
      caption="Leaderboard"
      rows={ranked}
      keyOf={(trial) => trial.number}
      isMarked={(trial) => trial.number === chosen}
      columns={[
        {
          header: 'Model',
          cell: (trial) => (
            <div className="flex items-center gap-2">
              <button type="button" className="link text-left whitespace-nowrap" aria-pressed={trial.number === chosen} onClick={() => onChoose(trial.number)}>
                {familyName(trial.family)}
              </button>
              {trial.best && <Badge tone="good">Best</Badge>}
            </div>
          ),
        },
        { header: 'Parameters', className: 'min-w-56 text-[13px] text-steel-500', cell: (trial) => parametersText(trial.parameters) },
        { header: 'score_test', hint: 'Selection metric on the test rows', align: 'right', className: 'whitespace-nowrap', cell: (trial) => formatNumber(trial.scoreTest) },
        { header: 'score_val', hint: 'Selection metric on the validation rows', align: 'right', className: 'whitespace-nowrap', cell: (trial) => formatNumber(trial.scoreVal) },
        { header: 'pred_time_ms_p50', hint: 'Median time for one row', align: 'right', className: 'whitespace-nowrap', cell: (trial) => formatNumber(trial.predTimeMsP50) },
        { header: 'fit_time_s', hint: 'Time to train', align: 'right', className: 'whitespace-nowrap', cell: (trial) => formatNumber(trial.fitTimeSeconds) },
        { header: 'size_bytes', hint: 'Size of the package', align: 'right', className: 'whitespace-nowrap', cell: (trial) => formatBytes(trial.sizeBytes) },
        { header: 'size_gz', hint: 'Size of the package, compressed', align: 'right', className: 'whitespace-nowrap', cell: (trial) => formatBytes(trial.sizeGzBytes) },
      ]}
    />
  );
}

/** Values of a setting that is off, which would crowd out those that say something. */
const off: unknown[] = [0, false, 'none'];

/** `k 3, weights uniform`: the hyper-parameters that are set to something. */
function parametersText(parameters: unknown): string {
  if (typeof parameters !== 'object' || parameters === null) return '';
  return Object.entries(parameters)
    .filter(([name, value]) => name !== 'family' && !off.includes(value) && (Array.isArray(value) || typeof value !== 'object'))
    .map(([name, value]) => `${name.length === 1 ? name : words(name).toLowerCase()} ${Array.isArray(value) ? (value.length === 0 ? 'none' : value.join('–')) : String(value)}`)
    .join(', ');
}
