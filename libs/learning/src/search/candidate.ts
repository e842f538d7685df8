import { completeSettings, type ModelFamily, type ModelSettings, type TrainingSpec } from '@millrace/configuration';
import { familyNames, familyOf } from '../families/families.ts';
import { createRandom } from '../random.ts';
import { perturbPoint, type Point, samplePoint, type TableFacts, type TrainerPatch, type Value } from './search-space.ts';

/** What a trial of a search tries: enough, with the table and the configuration, to do it again bit for bit. */
export interface Candidate {
  number: number;
  family: ModelFamily;
  settings: ModelSettings;
  /** What it changes in the configuration's trainer. */
  trainer: TrainerPatch;
  seed: number;
  /** Listed in the configuration, of a family's portfolio, drawn from its space, or near the family's best so far. */
  origin: 'given' | 'portfolio' | 'random' | 'neighbour';
}

/** What is known of an earlier candidate when the next one is drawn. */
export interface Tried {
  candidate: Candidate;
  /** Higher is better; -Infinity where there is no figure; null as long as not all folds are done. */
  merit: number | null;
}

const streamOfSeeds = 102;
const streamOfDraws = 103;
const mostRedraws = 20;

/**
 * The candidates to begin with: those of the configuration, then the portfolios of the families, cheap and strong ones
 * first. A portfolio found beforehand beats the first draws at random by far (Feurer et al. 2022, Auto-sklearn 2.0;
 * Erickson et al. 2020, AutoGluon-Tabular); to begin with what is cheap is FLAML's rule (Wang et al. 2021).
 */
export function firstCandidates(spec: TrainingSpec, facts: TableFacts, seed: number): Candidate[] {
  const listed = spec.models.map((settings) => ({ settings, trainer: {}, origin: 'given' as const }));
  const portfolio = familiesOf(spec)
    .flatMap((family) => familyOf(family).search?.portfolio(facts).map((entry) => ({ family, ...entry })) ?? [{ family, order: 4, point: { settings: {} } }])
    .sort((a, b) => a.order - b.order)
    .map(({ family, point }) => ({ ...fromPoint(spec, family, point), origin: 'portfolio' as const }));
  const distinct = new Map([...listed, ...portfolio].map((entry) => [keyOf(entry), entry]).reverse() as [string, Omit<Candidate, 'number' | 'seed' | 'family'>][]);
  return [...distinct.values()].reverse().map((entry, number) => withSeed(entry, number, seed));
}

/**
 * The next candidate after the portfolio, or null when nothing new turns up. The family is drawn with odds by the rank
 * of its best so far (1, 1/2, 1/3, …). Half of the draws are from its whole space (Bergstra & Bengio 2012), half are
 * neighbours of its best. Depends on the numbers of the candidates and their merits alone.
 */
export function nextCandidate(spec: TrainingSpec, facts: TableFacts, seed: number, tried: readonly Tried[]): Candidate | null {
  const number = tried.length;
  const random = createRandom(seed, streamOfDraws, number);
  const known = new Set(tried.map(({ candidate }) => keyOf(candidate)));
  const families = familiesOf(spec).filter((family) => familyOf(family).search?.space);
  const bestOf = (family: ModelFamily) =>
    tried.filter(({ candidate, merit }) => candidate.family === family && merit !== null).sort((a, b) => b.merit! - a.merit!)[0] ?? null;
  const ranked = families
    .map((family) => ({ family, best: bestOf(family) }))
    .sort((a, b) => (b.best?.merit ?? -Infinity) - (a.best?.merit ?? -Infinity) || familyNames.indexOf(a.family) - familyNames.indexOf(b.family));
  for (let redraw = 0; redraw < mostRedraws && ranked.length > 0; redraw++) {
    const { family, best } = ranked[drawRank(ranked.length, random.uniform())]!;
    const space = familyOf(family).search!.space!(facts);
    const isNeighbour = random.uniform() < 0.5 && best !== null;
    const point = isNeighbour ? perturbPoint(space, pointOf(best.candidate), random) : samplePoint(space, random);
    const entry = { ...fromPoint(spec, family, point), origin: isNeighbour ? ('neighbour' as const) : ('random' as const) };
    if (!known.has(keyOf(entry))) return withSeed(entry, number, seed);
  }
  return null;
}

/** The configuration as a candidate's fit sees it. */
export function specFor(spec: TrainingSpec, { trainer: patch }: Pick<Candidate, 'trainer'>): TrainingSpec {
  const { l1, l2, patience, ...own } = patch;
  const { regularization, earlyStop } = spec.trainer;
  return {
    ...spec,
    trainer: {
      ...spec.trainer,
      ...own,
      regularization: { l1: l1 ?? regularization.l1, l2: l2 ?? regularization.l2 },
      // The held-out rows of a fold are there to stop by, whatever the configuration says of a single training.
      earlyStop: { patience: patience ?? earlyStop?.patience ?? 15, minDelta: earlyStop?.minDelta ?? 0 },
    },
  };
}

/** Those that the configuration lists, where it lists none all that read columns; a baseline is on every leaderboard. */
function familiesOf(spec: TrainingSpec): ModelFamily[] {
  const listed = new Set(spec.models.map(({ family }) => family));
  return familyNames.filter((family) => (listed.size === 0 && family !== 'convolutional') || listed.has(family) || family === 'baseline');
}

/** What the configuration says of a family and the point leaves open, such as monotone constraints, holds for every candidate. */
function fromPoint(spec: TrainingSpec, family: ModelFamily, { settings, trainer = {} }: Point) {
  const listed = spec.models.find((model) => model.family === family);
  return { settings: completeSettings({ ...listed, family, ...settings }), trainer };
}

function pointOf({ settings, trainer }: Candidate): Point {
  const { family: _family, ...own } = settings;
  return { settings: own as Record<string, Value>, trainer };
}

function withSeed(entry: Pick<Candidate, 'settings' | 'trainer' | 'origin'>, number: number, seed: number): Candidate {
  return { number, family: entry.settings.family, ...entry, seed: createRandom(seed, streamOfSeeds, number).uint32() };
}

const keyOf = ({ settings, trainer }: { settings: ModelSettings; trainer: TrainerPatch }) => JSON.stringify([settings, trainer]);

function drawRank(count: number, draw: number): number {
  const odds = Array.from({ length: count }, (_, rank) => 1 / (rank + 1));
  let left = draw * odds.reduce((sum, share) => sum + share, 0);
  const chosen = odds.findIndex((share) => (left -= share) < 0);
  return chosen === -1 ? count - 1 : chosen;
}
