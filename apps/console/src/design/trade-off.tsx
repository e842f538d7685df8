import { useId } from 'react';
import { formatNumber } from './format.ts';

export interface TradeOffPoint {
  key: string | number;
  label: string;
  /** Less is better; above 0. */
  cost: number;
  /** How much worse than the base; below 0 is better. */
  loss: number;
  /** Ends of its confidence interval. */
  interval: { lower: number; upper: number } | null;
  role: 'base' | 'chosen' | 'other';
}

interface TradeOffProps {
  label: string;
  costLabel: string;
  lossLabel: string;
  formatCost(cost: number): string;
  points: readonly TradeOffPoint[];
  /** The greatest loss that is allowed. */
  limit: number | null;
}

const [width, height] = [760, 340];
const plot = { left: 70, right: 740, top: 18, bottom: 284 };

/** What each candidate costs against what it loses: to the left is cheaper, up is better. The line joins those that no other beats in both. */
export function TradeOff({ label, costLabel, lossLabel, formatCost, points, limit }: TradeOffProps) {
  const clip = useId();
  if (points.length === 0) return null;
  const costs = costDomain(points.map(({ cost }) => cost));
  const losses = lossDomain(points, limit);
  const x = (cost: number) => plot.left + ((Math.log(cost) - Math.log(costs[0])) / (Math.log(costs[1]) - Math.log(costs[0]))) * (plot.right - plot.left);
  const y = (loss: number) => plot.top + ((loss - losses[0]) / (losses[1] - losses[0])) * (plot.bottom - plot.top);
  const line = frontierOf(points);
  return (
    <svg role="img" aria-label={label} viewBox={`0 0 ${width} ${height}`} className="w-full text-[11px]">
      <defs>
        <clipPath id={clip}>
          <rect x={plot.left} y={plot.top} width={plot.right - plot.left} height={plot.bottom - plot.top} />
        </clipPath>
      </defs>
      {ticksOf(losses).map((tick) => (
        <g key={tick}>
          <line x1={plot.left} x2={plot.right} y1={y(tick)} y2={y(tick)} className={tick === 0 ? 'stroke-steel-300' : 'stroke-steel-100'} />
          <text x={plot.left - 8} y={y(tick) + 4} textAnchor="end" className="fill-steel-500 tabular-nums">{signed(-tick)}</text>
        </g>
      ))}
      {logTicksOf(costs).map((tick) => (
        <g key={tick}>
          <line x1={x(tick)} x2={x(tick)} y1={plot.top} y2={plot.bottom} className="stroke-steel-100" />
          <text x={x(tick)} y={plot.bottom + 16} textAnchor="middle" className="fill-steel-500 tabular-nums">{formatCost(tick)}</text>
        </g>
      ))}
      <rect x={plot.left} y={plot.top} width={plot.right - plot.left} height={plot.bottom - plot.top} fill="none" className="stroke-steel-200" />
      <text x={(plot.left + plot.right) / 2} y={height - 8} textAnchor="middle" className="fill-steel-600">{costLabel}</text>
      <text transform={`translate(14 ${(plot.top + plot.bottom) / 2}) rotate(-90)`} textAnchor="middle" className="fill-steel-600">{lossLabel}</text>
      {limit !== null && limit <= losses[1] && (
        <g>
          <line x1={plot.left} x2={plot.right} y1={y(limit)} y2={y(limit)} strokeDasharray="5 4" className="stroke-bad-700" />
          <text x={plot.right - 6} y={y(limit) - 5} textAnchor="end" className="fill-bad-700">at most {formatNumber(limit)} points worse</text>
        </g>
      )}
      <polyline clipPath={`url(#${clip})`} points={line.map(({ cost, loss }) => `${x(cost)},${y(loss)}`).join(' ')} fill="none" strokeWidth={1.5} className="stroke-accent-400" />
      {points.map((point) => (
        <Mark key={point.key} point={point} x={x(point.cost)} y={y} range={losses} limit={limit} text={`${point.label}: ${formatCost(point.cost)}, ${signed(-point.loss)} points`} clip={clip} />
      ))}
    </svg>
  );
}

interface MarkProps {
  point: TradeOffPoint;
  x: number;
  y(loss: number): number;
  range: readonly [number, number];
  limit: number | null;
  text: string;
  clip: string;
}

function Mark({ point, x, y, range, limit, text, clip }: MarkProps) {
  const { role, loss, interval } = point;
  const isOff = loss > range[1];
  const at = y(Math.min(loss, range[1]));
  const tone = role === 'chosen' ? 'fill-accent-600 stroke-accent-800' : role === 'base' ? 'fill-steel-700 stroke-steel-900' : limit !== null && loss > limit ? 'fill-bad-50 stroke-bad-700' : 'fill-white stroke-accent-600';
  return (
    <g>
      <title>{text}</title>
      {interval && !isOff && (
        <path
          clipPath={`url(#${clip})`} fill="none" className="stroke-steel-400"
          d={`M${x},${y(interval.lower)}V${y(interval.upper)}M${x - 4},${y(interval.lower)}h8M${x - 4},${y(interval.upper)}h8`}
        />
      )}
      {role === 'base' ? <rect x={x - 5} y={at - 5} width={10} height={10} className={tone} />
      : isOff ? <path d={`M${x - 5},${at - 10}h10l-5,8z`} className={tone} />
      : <circle cx={x} cy={at} r={role === 'chosen' ? 7 : 4.5} strokeWidth={1.5} className={tone} />}
      {role !== 'other' && <text x={x > plot.right - 70 ? x - 11 : x + 11} y={at - 8} textAnchor={x > plot.right - 70 ? 'end' : 'start'} className="fill-steel-800 font-medium">{role === 'base' ? 'Base' : 'Chosen'}</text>}
    </g>
  );
}

/** Those that no other beats in both, cheapest first. */
export function frontierOf<P extends Pick<TradeOffPoint, 'cost' | 'loss'>>(points: readonly P[]): P[] {
  const ordered = [...points].sort((a, b) => a.cost - b.cost || a.loss - b.loss);
  let least = Infinity;
  return ordered.filter(({ loss }) => {
    if (loss >= least) return false;
    least = loss;
    return true;
  });
}

function costDomain(costs: readonly number[]): [number, number] {
  const [low, high] = [Math.min(...costs), Math.max(...costs)];
  return [low / 1.25, high * 1.25];
}

/** What is far beyond the limit would squeeze all the rest: it stands at the edge. */
function lossDomain(points: readonly TradeOffPoint[], limit: number | null): [number, number] {
  const far = Math.max(2, 4 * (limit ?? 2.5));
  const worst = Math.max(limit ?? 0, ...points.map(({ loss }) => Math.min(loss, far)), 0.1);
  const best = Math.min(0, ...points.map(({ loss, interval }) => Math.max(loss <= far ? (interval?.lower ?? loss) : 0, -far)));
  const room = (worst - best) * 0.1;
  return [best - room, worst + room];
}

function ticksOf([low, high]: readonly [number, number]): number[] {
  const raw = (high - low) / 5;
  const step = [1, 2, 5, 10].map((factor) => factor * 10 ** Math.floor(Math.log10(raw))).find((candidate) => candidate >= raw)!;
  const ticks: number[] = [];
  for (let index = Math.ceil(low / step); index * step <= high; index++) ticks.push(Number((index * step).toPrecision(6)));
  return ticks;
}

/** 1, 2 and 5 of each power of ten; fewer where there are many, finer where there are few. */
function logTicksOf([low, high]: readonly [number, number]): number[] {
  const within = (factors: readonly number[]) => {
    const ticks: number[] = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
      for (const factor of factors) if (factor * 10 ** power >= low && factor * 10 ** power <= high) ticks.push(factor * 10 ** power);
    }
    return ticks;
  };
  const choices = [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 6, 8]].map(within);
  return choices.find((ticks) => ticks.length >= 4) ?? choices.at(-1)!;
}

const signed = (value: number): string => (value === 0 ? '0' : `${value > 0 ? '+' : '−'}${formatNumber(Math.abs(value))}`);
