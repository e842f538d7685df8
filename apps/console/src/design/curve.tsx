import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

export interface CurveLine {
  label: string;
  /** Drawn with dashes: a second line of the same kind. */
  isDashed?: boolean;
  values: readonly (number | null)[];
}

interface CurveProps {
  label: string;
  xLabel: string;
  x: readonly number[];
  lines: readonly CurveLine[];
  height?: number;
}

const colours = ['#0e6a72', '#4a5660'];

/** Lines over a common axis, redrawn in place as values arrive. Zoom by dragging, back by a double click. */
export function Curve({ label, xLabel, x, lines, height = 280 }: CurveProps) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const names = lines.map((line) => `${line.label}|${line.isDashed === true}`).join('\n');
  const data: uPlot.AlignedData = [[...x], ...lines.map((line) => [...line.values])];
  const latest = useRef(data);
  latest.current = data;

  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const made = new uPlot(
      {
        width: Math.max(320, element.clientWidth),
        height,
        scales: { x: { time: false } },
        cursor: { y: false },
        axes: [
          {
            stroke: '#64717c',
            grid: { stroke: '#e9edef', width: 1 },
            ticks: { stroke: '#dae0e4' },
            label: xLabel,
            labelSize: 20,
            labelFont: '12px sans-serif',
            font: '12px sans-serif',
            space: 60,
            // there is no half of an epoch
            incrs: [1, 2, 5].flatMap((step) => [step, step * 10, step * 100, step * 1_000, step * 10_000]).sort((a, b) => a - b),
          },
          { stroke: '#64717c', grid: { stroke: '#e9edef', width: 1 }, ticks: { show: false }, size: 58, font: '12px sans-serif' },
        ],
        series: [
          {},
          ...names.split('\n').map((entry, index) => {
            const [name, isDashed] = entry.split('|');
            return {
              label: name ?? '',
              stroke: colours[index % colours.length] ?? '#0e6a72',
              width: 2,
              points: { show: false },
              ...(isDashed === 'true' ? { dash: [6, 4] } : {}),
            };
          }),
        ],
      },
      latest.current,
      element,
    );
    plot.current = made;
    const watcher = new ResizeObserver(() => made.setSize({ width: Math.max(320, element.clientWidth), height }));
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [names, xLabel, height]);

  useEffect(() => {
    plot.current?.setData(latest.current);
  });

  return (
    <figure>
      <div className="mb-2 flex flex-wrap gap-x-5 gap-y-1 text-[13px] text-steel-600">
        {lines.map((line, index) => (
          <span key={line.label} className="inline-flex items-center gap-2">
            <svg width="22" height="6" aria-hidden="true">
              <line
                x1="0"
                x2="22"
                y1="3"
                y2="3"
                stroke={colours[index % colours.length]}
                strokeWidth="2.4"
                strokeDasharray={line.isDashed ? '5 3.5' : undefined}
              />
            </svg>
            {line.label}
          </span>
        ))}
      </div>
      <div ref={host} role="img" aria-label={label} />
    </figure>
  );
}
