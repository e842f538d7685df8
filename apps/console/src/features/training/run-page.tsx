import { useQuery, useSubscription } from '@apollo/client/react';
import { Link } from '@tanstack/react-router';
import { useMemo, useRef, useState } from 'react';
import { useCan } from '../../app/session-context.tsx';
import { Badge } from '../../design/badge.tsx';
import { Button, buttonClass } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { CodeBlock } from '../../design/code-block.tsx';
import { Curve } from '../../design/curve.tsx';
import { Facts } from '../../design/facts.tsx';
import { formatClock, formatCount, formatMoment, formatNumber, formatSeconds, words } from '../../design/format.ts';
import { NotFoundPage } from '../../design/not-found-page.tsx';
import { Notice } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { Progress } from '../../design/progress.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { CancelRunDocument, PauseRunDocument, ResumeRunDocument, RunDocument, RunProgressDocument, type RunQuery } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { useVerb } from '../../graphql/use-verb.ts';
import { CoefficientsCard } from './coefficients-view.tsx';
import { CompressionCards } from './compression-view.tsx';
import { AnomalyCards } from './anomaly-view.tsx';
import { EvaluationView, evaluationOf, type Slice } from './evaluation.tsx';
import { ForecastCard } from './forecast-view.tsx';
import { RecommendationCard } from './recommendation-view.tsx';
import { Leaderboard } from './leaderboard.tsx';
import { OptimisationCards } from './optimisation-view.tsx';
import { PersonalisationCard } from './personalisation-view.tsx';
import { SurvivalCard } from './survival-view.tsx';
import { lossCurveOf, mergeMetrics, trialsWithEpochs, type EpochMetric } from './loss-curve.ts';
import { searchCurveOf } from './search-curve.ts';
import { deviceNames, familyName, isFinal, RunState, shareDone, timeUsed, whereabouts } from './run-state.tsx';

type Run = NonNullable<RunQuery['run']>;

const back = (
  <Link to="/runs" className="hover:underline">
    Training runs
  </Link>
);

export function RunPage({ id }: { id: string }) {
  const query = useQuery(RunDocument, { variables: { id } });
  return (
    <Loaded what="the run" query={query}>
      {({ run }) =>
        run ? (
          <RunView run={run} onNews={() => void query.refetch().catch(() => undefined)} />
        ) : (
          <NotFoundPage what="run" above={back} />
        )
      }
    </Loaded>
  );
}

function RunView({ run, onNews }: { run: Run; onNews(): void }) {
  const [live, setLive] = useState<readonly EpochMetric[]>([]);
  const [lastStatus, setLastStatus] = useState(run.status);
  const lastRead = useRef(0);
  const isOver = isFinal(run.status);
  const cancel = useVerb(CancelRunDocument);
  const pause = useVerb(PauseRunDocument);
  const resume = useVerb(ResumeRunDocument);
  const mayCancel = useCan('run:cancel');

  const { error: liveError } = useSubscription(RunProgressDocument, {
    variables: { id: run.id },
    skip: isOver,
    onData: ({ data: { data } }) => {
      if (!data) return;
      const { run: news, metrics } = data.runProgress;
      if (metrics.length > 0) setLive((known) => mergeMetrics(known, metrics));
      // events, the leaderboard and the version come with the whole run: read it when something other than epochs happened
      // (a search has a row of its leaderboard to show now and then; a second is soon enough)
      const isSearching = (news.progress?.secondsUsed != null || run.optimisation !== null) && Date.now() - lastRead.current > 1_000;
      if (news.status !== lastStatus || isSearching) {
        setLastStatus(news.status);
        lastRead.current = Date.now();
        onNews();
      }
    },
  });
  const metrics = useMemo(() => mergeMetrics(run.metrics, live), [run.metrics, live]);

  return (
    <Page
      title={run.modelName}
      above={back}
      badge={
        <>
          <RunState status={run.status} />
          {!isOver && run.cancelRequestedAt && <Badge tone="warn">Stopping</Badge>}
          {run.pauseRequestedAt && <Badge tone="warn">Pausing</Badge>}
        </>
      }
      lead={
        <>
          {run.optimisation && <>{optimisationText(run.optimisation)} </>}Learns from{' '}
          <Link to="/datasets/$id" params={{ id: run.datasetVersion.dataset.id }} className="link">
            {run.datasetVersion.dataset.name}
          </Link>
          , version {run.datasetVersion.number} ({formatCount(run.datasetVersion.rowCount)} rows)
        </>
      }
      actions={
        <>
          {mayCancel && (run.status === 'QUEUED' || run.status === 'RUNNING') && (
            <Button
              isPending={pause.isPending}
              disabled={run.pauseRequestedAt !== null || run.cancelRequestedAt !== null}
              onClick={() => void pause.run({ input: { id: run.id } })}
            >
              Pause
            </Button>
          )}
          {mayCancel && run.status === 'PAUSED' && (
            <Button kind="primary" isPending={resume.isPending} onClick={() => void resume.run({ input: { id: run.id } })}>
              Resume
            </Button>
          )}
          {mayCancel && !isOver && (
            <Button
              kind="danger"
              isPending={cancel.isPending}
              disabled={run.cancelRequestedAt !== null}
              onClick={() => void cancel.run({ input: { id: run.id } })}
            >
              Cancel run
            </Button>
          )}
          {isOver && run.status !== 'SUCCEEDED' && (
            <Link to="/runs/new" search={{ dataset: run.datasetVersion.dataset.id }} className={buttonClass()}>
              Start another run
            </Link>
          )}
          {run.modelVersion && (
            <Link to="/models/$id" params={{ id: run.modelVersion.model.id }} className={buttonClass('primary')}>
              Open version {run.modelVersion.number} of {run.modelVersion.model.name}
            </Link>
          )}
        </>
      }
    >
      <RefusalNotice refusal={cancel.refusal ?? pause.refusal ?? resume.refusal} />
      {!isOver && liveError && (
        <Notice tone="warn" title="The live view is interrupted">
          The run goes on. Reload the page to see how far it is.
        </Notice>
      )}
      {run.failure && (
        <Notice tone="bad" title={run.failure.message}>
          {run.failure.remedy}
        </Notice>
      )}
      {!isOver && (
        <Card>
          <Progress label={whereabouts(run)} value={run.status === 'QUEUED' ? 0 : shareDone(run)} text={timeUsed(run)} />
        </Card>
      )}
      <Outcome run={run} metrics={metrics} />
      <div className="grid gap-6 xl:grid-cols-2">
        <Card title="Facts">
          <Facts facts={factsOf(run)} />
          <details className="mt-4 border-t border-steel-100 pt-3">
            <summary className="text-[13px] font-medium text-steel-700">Training configuration</summary>
            <div className="mt-2 max-h-96 overflow-auto">
              <CodeBlock label="As YAML, to keep and to start again" text={run.specYaml} />
            </div>
          </details>
        </Card>
        <Card title="Events">
          <ol className="space-y-2 text-[13.5px]">
            {run.events.map((event) => (
              <li key={event.sequence} className="flex gap-4">
                <time dateTime={event.at} className="shrink-0 text-steel-500 tabular-nums">
                  {formatClock(event.at)}
                </time>
                <span className="min-w-0">
                  <span className="font-medium text-steel-900">{words(event.type)}</span>
                  <span className="break-words text-steel-500"> {eventNote(event.data)}</span>
                </span>
              </li>
            ))}
          </ol>
        </Card>
      </div>
    </Page>
  );
}

/** What the chosen model has learnt: its loss curve, and when the run is done, the leaderboard and its scores. */
function Outcome({ run, metrics }: { run: Run; metrics: readonly EpochMetric[] }) {
  const [chosen, setChosen] = useState<number | null>(null);
  const reporting = trialsWithEpochs(metrics);
  const best = run.trials.find((trial) => trial.best);
  const current = chosen ?? best?.number ?? run.progress?.trial ?? reporting.at(-1) ?? 0;
  const drawn = reporting.includes(current) ? current : reporting.at(-1);
  const trial = run.trials.find(({ number }) => number === current);
  const scores = (trial?.metrics ?? {}) as { test?: unknown; baseline?: unknown; slices?: readonly Slice[] };
  const evaluation = evaluationOf(scores.test);
  const searched = searchCurveOf(run.trials);
  const curve = drawn === undefined ? null : lossCurveOf(metrics, drawn);
  const curveName = drawn === undefined ? '' : nameOfTrial(run, drawn);

  return (
    <>
      <CompressionCards trials={run.trials} />
      {run.optimisation && <OptimisationCards trials={run.trials} optimisation={run.optimisation} chosen={current} onChoose={setChosen} />}
      {!run.optimisation && run.trials.length > 0 && (
        <Card title="Leaderboard" description="Choose a model to see its scores." isFlush>
          <Leaderboard trials={run.trials} chosen={current} onChoose={setChosen} />
        </Card>
      )}
      {trial && evaluation && (
        <Card title={`Scores of ${familyName(trial.family)}`} description="On test rows that took no part in training.">
          <EvaluationView evaluation={evaluation} baseline={evaluationOf(scores.baseline)} slices={scores.slices ?? []} />
        </Card>
      )}
      {searched && (
        <Card title="Search" description={`Best score_val over time, ${searched.trials} trials`}>
          <Curve
            label={`Best score over time: ${formatNumber(searched.best.at(-1))} after ${formatSeconds(searched.seconds.at(-1))}`}
            xLabel="Seconds"
            x={searched.seconds}
            lines={[{ label: 'Best so far', values: searched.best }]}
          />
        </Card>
      )}
      {trial && <PersonalisationCard name={familyName(trial.family)} metrics={trial.metrics} scoreTest={trial.scoreTest} />}
      {trial && <CoefficientsCard key={trial.number} name={familyName(trial.family)} metrics={trial.metrics} />}
      {trial && <AnomalyCards name={familyName(trial.family)} metrics={trial.metrics} />}
      {trial && <ForecastCard name={familyName(trial.family)} metrics={trial.metrics} />}
      {trial && <RecommendationCard name={familyName(trial.family)} metrics={trial.metrics} />}
      {trial && <SurvivalCard name={familyName(trial.family)} metrics={trial.metrics} />}
      {curve && curve.epochs.length > 0 && (
        <Card title="Loss" description={curveName}>
          <Curve
            label={`Loss by epoch, ${curveName}: ${curve.epochs.length} epochs`}
            xLabel="Epoch"
            x={curve.epochs}
            lines={[
              { label: 'Training', values: curve.train },
              ...(curve.validation ? [{ label: 'Validation', values: curve.validation, isDashed: true }] : []),
            ]}
          />
        </Card>
      )}
    </>
  );
}

/** `Makes version 3 as small as possible, at most 0.5 points worse.` */
function optimisationText({ base, target, maxLoss }: NonNullable<Run['optimisation']>) {
  const aim = target === 'SIZE' ? ' as small as possible' : target === 'LATENCY' ? ' as fast as possible' : ' smaller or faster by chosen steps';
  return (
    <>
      Makes {base ? <Link to="/models/$id" params={{ id: base.model.id }} className="link">version {base.number}</Link> : 'a version that is deleted'}
      {aim}{maxLoss == null ? '' : `, at most ${formatNumber(maxLoss)} points worse`}.
    </>
  );
}

function nameOfTrial(run: Run, number: number): string {
  const family = run.trials.find((trial) => trial.number === number)?.family ?? (run.progress?.trial === number ? run.progress.family : null);
  return family ? `Model ${number + 1}, ${familyName(family)}` : `Model ${number + 1}`;
}

function factsOf(run: Run) {
  const backends: Record<string, string> = { cuda: 'CUDA (GPU)', wasm: 'WebAssembly', cpu: 'Plain JavaScript' };
  return [
    ['Compute backend', run.backend ? (backends[run.backend] ?? run.backend) : 'not chosen yet'],
    ['Compute time', `${formatSeconds(run.computeSeconds)}${run.gpuSeconds > 0 ? `, ${formatSeconds(run.gpuSeconds)} of it on a GPU` : ''}`],
    ['Device', deviceNames[run.device]],
    ['Priority', formatCount(run.priority)],
    ['At most', `${formatCount(run.limits.memoryMb)} MB of memory, ${formatCount(run.limits.minutes)} minutes`],
    ['Attempt', `${run.attempt} of at most ${run.maxAttempts}`],
    ...(run.acknowledgedLeaks.length > 0 ? ([['Acknowledged leaks', run.acknowledgedLeaks.join(', ')]] as const) : []),
    ...rowFacts(run),
    ['Submitted', formatMoment(run.createdAt)],
    ['Started', formatMoment(run.startedAt)],
    ['Finished', formatMoment(run.finishedAt)],
    ['Run id', <code className="font-mono text-xs break-all">{run.id}</code>],
  ] as const;
}

/** How the rows were divided: runs with one digest on one data set version were scored on the same rows. */
function rowFacts(run: Run) {
  const { rows } = (run.trials[0]?.metrics ?? {}) as { rows?: { train: number; validation: number; test: number; testSha256: string } };
  if (!rows) return [];
  const held = rows.validation > 0 ? `, ${formatCount(rows.validation)} to compare on` : '';
  return [
    ['Rows', `${formatCount(rows.train)} to learn from${held}, ${formatCount(rows.test)} to test on`],
    ['Test rows', <code title={rows.testSha256} className="font-mono text-xs">{rows.testSha256.slice(0, 16)}…</code>],
  ] as const;
}

function eventNote(data: unknown): string {
  if (typeof data !== 'object' || data === null) return '';
  return Object.entries(data)
    .filter(([, value]) => typeof value !== 'object')
    .map(([name, value]) => `${words(name).toLowerCase()} ${String(value)}`)
    .join(', ');
}
