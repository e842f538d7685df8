/** What every error state needs; the console's refusals have this shape. */
interface ShownRefusal {
  message: string;
  remedy: string | null;
  problems: readonly { field: string; message: string; remedy: string | null; row: number | null }[];
  requestId?: string;
}

interface RefusalNoticeProps {
  refusal: ShownRefusal | null;
  /** The problems to list here; default: all. A form shows those of its fields beside the fields. */
  problems?: ShownRefusal['problems'];
}

/** What went wrong, what to do about it, and each problem with its own remedy. */
export function RefusalNotice({ refusal, problems }: RefusalNoticeProps) {
  if (!refusal) return null;
  // With a single problem the refusal itself says it: then it need not be said twice.
  const isSingle = refusal.problems.length <= 1;
  const listed = (problems ?? refusal.problems).filter((problem) => problem.message !== refusal.message || !isSingle);
  return (
    <div role="alert" className="rounded-md border border-bad-200 bg-bad-50 px-4 py-3">
      <p className="font-medium text-bad-700">{isSingle ? refusal.message : `${refusal.problems.length} things need to be mended.`}</p>
      {isSingle && refusal.remedy && <p className="mt-0.5 text-[13.5px] text-steel-700">{refusal.remedy}</p>}
      {!isSingle && listed.length < refusal.problems.length && (
        <p className="mt-0.5 text-[13.5px] text-steel-700">Those of the fields below are marked there.</p>
      )}
      {listed.length > 0 && (
        <ul className="mt-2 space-y-1.5 border-t border-bad-200 pt-2 text-[13.5px] text-steel-800">
          {listed.map((problem, index) => (
            <li key={index}>
              <span className="font-medium">{placeOf(problem)}</span>
              {problem.message} {problem.remedy && <span className="text-steel-600">{problem.remedy}</span>}
            </li>
          ))}
        </ul>
      )}
      {refusal.requestId && <p className="mt-2 font-mono text-xs text-steel-600">Request id: {refusal.requestId}</p>}
    </div>
  );
}

function placeOf(problem: { field: string; row: number | null }): string {
  const places = [problem.field, ...(problem.row === null ? [] : [`line ${problem.row}`])].filter((place) => place !== '');
  return places.length === 0 ? '' : `${places.join(', ')}: `;
}
