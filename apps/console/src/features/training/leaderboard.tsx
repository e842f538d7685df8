import { Badge } from '../../design/badge.tsx';
import { formatBytes, formatNumber, formatShare, words } from '../../design/format.ts';
import { Table } from '../../design/table.tsx';
import type { RunQuery } from '../../gql/graphql.ts';
import { forecastColumns } from './forecast-view.tsx';
import { baseScoreOf } from './personalisation-view.tsx';
import { familyName } from './run-state.tsx';

export type Trial = NonNullable<RunQuery['run']>['trials'][number];

interface LeaderboardProps {
  trials: readonly Trial[];
  chosen: number;
  onChoose(trial: number): void;
}

/** Every model tried, best first, under the column names that people know from other leaderboards. */
export function Leaderboard({ trials, chosen, onChoose }: LeaderboardProps) {
  // In a search most trials fail to become a model: those with a score on the test rows come first.
  const isSearch = trials.some(({ metrics }) => typeof metrics === 'object' && metrics !== null && 'search' in metrics);
  const isPersonalised = trials.some(({ metrics }) => baseScoreOf(metrics) !== null);
  const rank = (trial: Trial) => Number(trial.best) * 4 + Number(trial.scoreTest !== null) * 2 + Number(trial.scoreVal !== null);
  const ranked = [...trials].sort((a, b) => rank(b) - rank(a) || a.number - b.number);
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
              {isSearch && <span className="text-[13px] text-steel-500">{trial.number + 1}</span>}
              {trial.best && <Badge tone="good">Best</Badge>}
            </div>
          ),
        },
        { header: 'Parameters', className: 'min-w-40 text-[13px] text-steel-500', cell: (trial) => parametersText(trial.parameters) },
        { header: 'score_test', hint: 'Selection metric on the test rows', align: 'right', className: 'whitespace-nowrap', cell: (trial) => formatNumber(trial.scoreTest) },
        ...(isPersonalised ? [{ header: 'score_base', hint: 'The shared model alone, on the same rows', align: 'right' as const, className: 'whitespace-nowrap', cell: (trial: Trial) => formatNumber(baseScoreOf(trial.metrics)) }] : []),
        { header: 'score_val', hint: 'Selection metric on the validation rows', align: 'right', className: 'whitespace-nowrap', cell: (trial) => formatNumber(trial.scoreVal) },
        ...forecastColumns(trials),
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
  if ('members' in parameters && Array.isArray(parameters.members)) {
    const members = parameters.members as { trial: number; weight: number }[];
    return members.map(({ trial, weight }) => `${formatShare(weight)} model ${trial + 1}`).join(', ');
  }
  return Object.entries(parameters)
    .filter(([name, value]) => name !== 'family' && !off.includes(value) && (Array.isArray(value) || typeof value !== 'object'))
    .map(([name, value]) => `${name.length === 1 ? name : words(name).toLowerCase()} ${settingText(value)}`)
    .join(', ');
}

const longestList = 8;

function settingText(value: unknown): string {
  if (typeof value === 'number') return formatNumber(value);
  if (!Array.isArray(value)) return String(value);
  if (value.length > longestList) return `${value[0]} … ${value.at(-1)} (${value.length})`;
  return value.length === 0 ? 'none' : value.join('–');
}
