import { useMemo } from 'react';
import { encode } from 'uqr';

/** For a camera to read. Drawn here, so that its content goes to nobody else. */
export function QrCode({ text, label }: { text: string; label: string }) {
  const { size, data } = useMemo(() => encode(text, { border: 2 }), [text]);
  const path = data.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : []))).join('');
  return (
    <svg role="img" aria-label={label} viewBox={`0 0 ${size} ${size}`} shapeRendering="crispEdges" className="size-52 rounded-md border border-steel-200 bg-white text-steel-900">
      <path d={path} fill="currentColor" />
    </svg>
  );
}
