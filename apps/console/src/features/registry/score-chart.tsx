import { formatMoment, formatNumber } from '../../design/format.ts';

export interface ScoreLine {
  label: string;
  /** each over the time from its beginning to its end */
  points: readonly { from: string; to: string; labelledRows: number; value: number }[];
  /** drawn as a dashed level */
  atTraining: number | null;
}

interface ScoreChartProps {
  label: string;
  lines: readonly ScoreLine[];
}

const [width, height] = [960, 240];
const margin = { left: 64, right: 12, top: 10, bottom: 26 };
const colours = ['#0e6a72', '#b7791f', '#4a5660', '#8c3f4d', '#5b6ab0'];

/** A score of each version over time, beside what it had at training. A point stands in the middle of the time that it is about; larger ones are over more rows. */
export function ScoreChart({ label, lines }: ScoreChartProps) {
  const points = lines.flatMap((line) => line.points);
  const values = [...points.map(({ value }) => value), ...lines.flatMap(({ atTraining }) => (atTraining === null ? [] : [atTraining]))];
  if (!points.length) return null;
  const [first, last] = [Math.min(...points.map(({ from }) => Date.parse(from))), Math.max(...points.map(({ to }) => Date.parse(to)))];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const pad = (high - low || Math.abs(high) || 1) * 0.08;
  const mostRows = Math.max(...points.map(({ labelledRows }) => labelledRows));
  const x = (time: number) => (last === first ? width / 2 : margin.left + 8 + ((time - first) * (width - margin.left - margin.right - 16)) / (last - first));
  const middle = ({ from, to }: { from: string; to: string }) => x((Date.parse(from) + Date.parse(to)) / 2);
  const y = (value: number) => height - margin.bottom - ((value - low + pad) * (height - margin.top - margin.bottom)) / (high - low + 2 * pad);
  const levels = [0, 0.5, 1].map((share) => low + share * (high - low));
  return (
    <figure>
      <div className="mb-2 flex flex-wrap gap-x-5 gap-y-1 text-[13px] text-steel-600">
        {lines.map((line, index) => (
          <span key={line.label} className="inline-flex items-center gap-2">
            <span aria-hidden="true" className="h-2.5 w-2.5 rounded-full" style={{ background: colours[index % colours.length] }} />
            {line.label}
          </span>
        ))}
        <span className="inline-flex items-center gap-2">
          <svg width="22" height="6" aria-hidden="true">
            <line x1="0" x2="22" y1="3" y2="3" stroke="#4a5660" strokeWidth="1.6" strokeDasharray="5 3.5" />
          </svg>
          at training
        </span>
      </div>
      <svg role="img" aria-label={label} viewBox={`0 0 ${width} ${height}`} className="w-full">
        {(high === low ? [low] : levels).map((level) => (
          <g key={level}>
            <line x1={margin.left} x2={width - margin.right} y1={y(level)} y2={y(level)} stroke="#e9edef" />
            <text x={margin.left - 8} y={y(level) + 4} textAnchor="end" fontSize="12" fill="#64717c">
              {formatNumber(level)}
            </text>
          </g>
        ))}
        {(last === first ? [first] : [first, last]).map((time, index) => (
          <text key={time} x={x(time)} y={height - 6} textAnchor={last === first ? 'middle' : index === 0 ? 'start' : 'end'} fontSize="12" fill="#64717c">
            {formatMoment(new Date(time).toISOString())}
          </text>
        ))}
        {lines.map((line, index) => {
          const colour = colours[index % colours.length];
          return (
            <g key={line.label}>
              {line.atTraining !== null && <line x1={margin.left} x2={width - margin.right} y1={y(line.atTraining)} y2={y(line.atTraining)} stroke={colour} strokeWidth="1.4" strokeDasharray="6 4" />}
              <polyline points={line.points.map((point) => `${middle(point).toFixed(1)},${y(point.value).toFixed(1)}`).join(' ')} fill="none" stroke={colour} strokeWidth="2" />
              {line.points.map((point) => (
                <circle key={point.from} cx={middle(point)} cy={y(point.value)} r={2.5 + 4 * Math.sqrt(point.labelledRows / mostRows)} fill={colour}>
                  <title>{`${line.label}, ${formatMoment(point.from)} – ${formatMoment(point.to)}: ${formatNumber(point.value)} over ${point.labelledRows} rows`}</title>
                </circle>
              ))}
            </g>
          );
        })}
      </svg>
    </figure>
  );
}
