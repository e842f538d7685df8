import type { TrainingSpec } from '@millrace/configuration';
import { scoreRows } from '../families/families.ts';
import type { Pacer } from '../pacer.ts';
import type { FittedEstimator, FittedPipeline, Heads } from '../pipeline.ts';
import type { PreparedData } from '../prepared-data.ts';
import { findColumn } from '../table.ts';
import { answersOf, headInputs } from './apply-heads.ts';
import { fitHead, type Head, type HeadRows, lossesOf, noHead } from './fit-heads.ts';
import type { GroupRows } from './head-rows.ts';

/** How a group's head did on the rows that neither it nor the shared model learned from. */
export interface GroupProof {
  group: string;
  /** to learn from, and to prove it on */
  fitRows: number;
  proofRows: number;
  /** Mean loss on the proof rows: squared error in the target's unit, or cross-entropy. */
  base: number;
  head: number;
  isKept: boolean;
}

export interface Personalised {
  pipeline: FittedPipeline;
  /** Of all heads: chosen on the proof rows of all groups together. */
  shrinkage: number;
  proofs: GroupProof[];
}

const shrinkages = [0.3, 1, 3, 10, 30, 100, 300, 1000];

/**
 * Gives each group a head over a trained pipeline, learned from rows that this has not seen. The shrinkage is that with the
 * least loss on all proof rows. A head is used only where on its group's proof rows it is better than the shared model by
 * half a standard error of the gain; so on these rows the result is never worse, neither in a group nor in all. Null
 * when the pacer said stop.
 */
export async function personalise(
  pipeline: FittedPipeline, data: PreparedData, spec: TrainingSpec, groups: string[], kept: readonly GroupRows[], pacer: Pacer,
): Promise<Personalised | null> {
  const { column, inputs: names } = spec.personalisation!;
  const { target } = pipeline;
  const inputs = standardised(data, names, kept);
  const rowsOf = async (rows: Int32Array): Promise<HeadRows | null> => {
    const scores = await scoreRows(pipeline, data.table, rows, pacer);
    return scores && {
      rows: rows.length, answers: answersOf(scores, target), inputs: headInputs(inputs, data.table, rows),
      truth: Float64Array.from(rows, (row) => (target.type === 'number' ? (data.truth[row]! - target.mean) / target.scale : data.truth[row]!)),
    };
  };
  const parts: { group: string; fit: HeadRows; proof: HeadRows; base: Float64Array }[] = [];
  for (const { group, ...rows } of kept) {
    const [fit, proof] = [await rowsOf(rows.fit), await rowsOf(rows.proof)];
    if (!fit || !proof) return null;
    parts.push({ group, fit, proof, base: lossesOf(proof, target, noHead(inputs.length + 1, outputsOf(proof))) });
  }

  let best: { shrinkage: number; loss: number; heads: Head[] } | null = null;
  for (const shrinkage of shrinkages) {
    const heads: Head[] = [];
    let loss = 0;
    for (const { fit, proof } of parts) {
      const head = await fitHead(fit, target, shrinkage, pacer);
      if (!head) return null;
      heads.push(head);
      loss += sumOf(lossesOf(proof, target, head));
    }
    if (!best || loss < best.loss) best = { shrinkage, loss, heads };
  }

  const width = inputs.length + 1;
  const outputs = target.type === 'number' ? 1 : target.classes.length;
  const heads: Heads = { column, groups, kept: new Uint8Array(groups.length), inputs, slopes: new Float64Array(groups.length), weights: new Float64Array(groups.length * width * outputs) };
  const unit = target.type === 'number' ? 2 * target.scale ** 2 : 1;
  const proofs = parts.map(({ group, fit, proof, base }, at): GroupProof => {
    const head = best!.heads[at]!;
    const losses = lossesOf(proof, target, head);
    const isKept = isClearlyBetter(base, losses);
    if (isKept) {
      const place = groups.indexOf(group);
      heads.kept[place] = 1;
      heads.slopes[place] = head.slope;
      heads.weights.set(head.weights, place * width * outputs);
    }
    return { group, fitRows: fit.rows, proofRows: proof.rows, base: (unit * sumOf(base)) / base.length, head: (unit * sumOf(losses)) / base.length, isKept };
  });
  return { pipeline: { ...withGroup(pipeline, column), heads }, shrinkage: best!.shrinkage, proofs };
}

const outputsOf = ({ answers, rows }: HeadRows) => answers.length / rows;
const sumOf = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0);

/**
 * Standard errors by which a gain must be above 0. A whole one keeps more groups from a head that would help them than from one
 * that would not, and none lets chance in where groups do not differ (`npm run bench -- personalisation`).
 */
const errorsOfProof = 0.5;

function isClearlyBetter(base: Float64Array, head: Float64Array): boolean {
  const gains = base.map((loss, row) => loss - head[row]!);
  const mean = sumOf(gains) / gains.length;
  const variance = sumOf(gains.map((gain) => (gain - mean) ** 2)) / Math.max(1, gains.length - 1);
  return mean > errorsOfProof * Math.sqrt(variance / gains.length);
}

/** Mean and deviation over the rows that heads are learned from. */
function standardised({ table }: PreparedData, names: readonly string[], kept: readonly GroupRows[]): Heads['inputs'] {
  return names.map((name) => {
    const column = findColumn(table, name)!.values as Float64Array;
    const values = kept.flatMap(({ fit }) => Array.from(fit, (row) => column[row]!)).filter((value) => !Number.isNaN(value));
    const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
    const scale = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length));
    return { name, mean, scale: scale || 1 };
  });
}

/** The pipeline with the group among its features, of which its estimator reads nothing. */
function withGroup({ features, target, estimator }: FittedPipeline, column: string): FittedPipeline {
  const group = { name: column, type: 'category' as const, categories: [], missingAllowed: true };
  const blind = <Estimator extends FittedEstimator>(own: Estimator): Estimator => ('codes' in own ? { ...own, codes: [...own.codes, new Int32Array()] } : own);
  if (estimator.family !== 'ensemble') return { features: [...features, group], target, estimator: blind(estimator) };
  const members = estimator.members.map((member) => ({ ...member, features: [...member.features, group], estimator: blind(member.estimator) }));
  return { features: [...features, group], target, estimator: { family: 'ensemble', members } };
}
