import type { EmbeddingStorage, ScoreRule } from '../recommending/fitted-recommender.ts';
import { roundToFloat16 } from './quantise.ts';

export type EmbeddingRule = Extract<ScoreRule, { type: 'factors' | 'towers' }>;

const largestLevel = 127;

/**
 * The vectors of users and items in fewer bits. In int8 each row has a scale of its own, by its largest number (as embeddings are
 * kept row by row in Guan et al. 2019): users and items of whom much is known have longer vectors than others. What is small, the hidden layer of a
 * tower and the biases, stays in float32.
 */
export function quantiseEmbeddings(rule: EmbeddingRule, to: 'float16' | 'int8'): EmbeddingRule {
  if (rule.type === 'factors') {
    const [users, items] = [kept(rule.users, rule.rank, to), kept(rule.items, rule.rank, to)];
    return { ...rule, users: users.values, items: items.values, storage: storageOf(to, users.scales, items.scales, new Float32Array()) };
  }
  const [users, items, features] = [kept(rule.identities, rule.rank, to), kept(rule.items, rule.rank, to), kept(rule.features, rule.width, to)];
  return { ...rule, identities: users.values, items: items.values, features: features.values, storage: storageOf(to, users.scales, items.scales, features.scales) };
}

const storageOf = (to: 'float16' | 'int8', users: Float32Array, items: Float32Array, features: Float32Array): EmbeddingStorage => (to === 'float16' ? to : { users, items, features });

function kept(values: Float32Array, width: number, to: 'float16' | 'int8'): { values: Float32Array; scales: Float32Array } {
  if (to === 'float16') return { values: values.map(roundToFloat16), scales: new Float32Array() };
  const scales = Float32Array.from({ length: width === 0 ? 0 : values.length / width }, (_, row) => {
    const largest = values.subarray(row * width, (row + 1) * width).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    return largest > 0 ? largest / largestLevel : 1;
  });
  const level = (value: number, scale: number) => Math.max(-largestLevel, Math.min(largestLevel, Math.round(value / scale)));
  return { values: values.map((value, at) => level(value, scales[Math.floor(at / width)]!) * scales[Math.floor(at / width)]!), scales };
}
