import { renderToStaticMarkup } from 'react-dom/server';
import { formatMoment } from '../../design/format.ts';
import { ScoreChart } from './score-chart.tsx';

it('a point says from when to when it is, and stands in the middle of it; the axis ends where the last one does', () => {
  const points = [
    { from: '2026-01-01T00:00:00Z', to: '2026-01-08T00:00:00Z', labelledRows: 4, value: 0.5 },
    { from: '2026-01-15T00:00:00Z', to: '2026-01-20T12:00:00Z', labelledRows: 4, value: 0.75 },
  ];
  const page = renderToStaticMarkup(<ScoreChart label="Accuracy" lines={[{ label: 'Version 1', points, atTraining: null }]} />);
  for (const { from, to } of points) expect(page).toContain(`Version 1, ${formatMoment(from)} – ${formatMoment(to)}: `);
  expect(page).toContain(`>${formatMoment(points[1]!.to)}</text>`);
  const places = [...page.matchAll(/<circle cx="([\d.]+)"/g)].map(([, x]) => Number(x));
  const [left, right] = [64 + 8, 960 - 12 - 8];
  const days = [3.5, (14 + 19.5) / 2].map((day) => left + ((right - left) * day) / 19.5);
  expect(places).toEqual(days.map((x) => expect.closeTo(x, 6)));
});
