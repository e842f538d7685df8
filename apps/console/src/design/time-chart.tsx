import { formatNumber } from './format.ts';

type Values = readonly (number | null)[];

interface TimeChartProps {
  label: string;
  /** ISO 8601, evenly spaced */
  times: readonly string[];
  lines: readonly { label: string; values: Values; isDashed?: boolean }[];
  /** drawn as an area */
  band: { label: string; lower: Values; upper: Values };
}

const [width, height] = [960, 300];
const margin = { left: 64, right: 12, top: 10, bottom: 26 };
const colours = ['#4a5660', '#b7791f', '#0e6a72'];
const days = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeZone: 'UTC' });
const hours = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' });

/** Values over time with an interval around some of them. Its figures stand in a table as well, for those who cannot see it. */
export function TimeChart({ label, times, lines, band }: TimeChartProps) {
  const all = [...lines.flatMap(({ values }) => values), ...band.lower, ...band.upper].filter((value) => value !== null);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const ticks = ticksBetween(low, high);
  const [bottom, top] = [Math.min(low, ticks[0]!), Math.max(high, ticks.at(-1)!)];
  const x = (index: number) => margin.left + (index * (width - margin.left - margin.right)) / Math.max(1, times.length - 1);
  const y = (value: number) => height - margin.bottom - ((value - bottom) * (height - margin.top - margin.bottom)) / (top - bottom || 1);
  const dated = times.every((time) => time.endsWith('T00:00:00.000Z')) ? days : hours;
  const pathOf = (values: Values) =>
    values.reduce((path, value, index) => (value === null ? path : `${path}${index > 0 && values[index - 1] !== null ? 'L' : 'M'}${x(index).toFixed(1)} ${y(value).toFixed(1)}`), '');
  const inBand = times.map((_, index) => index).filter((index) => band.lower[index] != null && band.upper[index] != null);
  const area = [...inBand.map((index) => [index, band.upper[index]!] as const), ...inBand.toReversed().map((index) => [index, band.lower[index]!] as const)]
    .map(([index, value]) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`)
    .join(' ');
  const labels = [0, 0.25, 0.5, 0.75, 1].map((share) => Math.round(share * (times.length - 1)));

  return (
    <figure>
      <div className="mb-2 flex flex-wrap gap-x-5 gap-y-1 text-[13px] text-steel-600">
        {lines.map((line, index) => (
          <span key={line.label} className="inline-flex items-center gap-2">
            <svg width="22" height="6" aria-hidden="true">
              <line x1="0" x2="22" y1="3" y2="3" stroke={colours[index % colours.length]} strokeWidth="2.4" strokeDasharray={line.isDashed ? '5 3.5' : undefined} />
            </svg>
            {line.label}
          </span>
        ))}
        <span className="inline-flex items-center gap-2">
          <span aria-hidden="true" className="h-3 w-5 rounded-sm" style={{ background: '#0e6a7233' }} />
          {band.label}
        </span>
      </div>
      <svg role="img" aria-label={label} viewBox={`0 0 ${width} ${height}`} className="w-full">
        {ticks.map((tick) => (
          <g key={tick}>
            <line x1={margin.left} x2={width - margin.right} y1={y(tick)} y2={y(tick)} stroke="#e9edef" />
            <text x={margin.left - 8} y={y(tick) + 4} textAnchor="end" fontSize="12" fill="#64717c">
              {formatNumber(tick)}
            </text>
          </g>
        ))}
        {labels.map((index, at) => (
          <text key={at} x={x(index)} y={height - 6} textAnchor={at === 0 ? 'start' : at === labels.length - 1 ? 'end' : 'middle'} fontSize="12" fill="#64717c">
            {dated.format(new Date(times[index]!))}
          </text>
        ))}
        <polygon points={area} fill="#0e6a72" fillOpacity="0.2" />
        {lines.map((line, index) => (
          <path key={line.label} d={pathOf(line.values)} fill="none" stroke={colours[index % colours.length]} strokeWidth="2" strokeDasharray={line.isDashed ? '6 4' : undefined} />
        ))}
      </svg>
      <details className="mt-2 text-[13px]">
        <summary className="text-steel-600">Figures</summary>
        <div className="mt-2 max-h-72 overflow-auto" tabIndex={0}>
          <table className="w-full text-right tabular-nums">
            <thead>
              <tr>
                <th scope="col" className="text-left">Time</th>
                {[...lines.map((line) => line.label), `${band.label} from`, 'to'].map((header) => (
                  <th key={header} scope="col">{header}</th>
                ))}
              </tr>
            </thead>
            <tbody>
              {times.map((time, index) => (
                <tr key={time}>
                  <th scope="row" className="text-left font-normal">{dated.format(new Date(time))}</th>
                  {[...lines.map((line) => line.values[index]), band.lower[index], band.upper[index]].map((value, column) => (
                    <td key={column}>{formatNumber(value)}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}

/** Round numbers, about five, that span the values. */
function ticksBetween(low: number, high: number): number[] {
  if (!(high > low)) return [low];
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.floor(low / step);
  return Array.from({ length: Math.ceil(high / step) - first + 1 }, (_, index) => (first + index) * step);
}
