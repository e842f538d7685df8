import type { Signature, SignatureInput } from '@millrace/packaging';
import { isError } from './champion-gate.ts';

/** What of a version is compared. */
export interface ComparedVersion {
  number: number;
  family: string;
  metrics: unknown;
  signature: unknown;
  parameters: unknown;
  datasetVersionId: string | null;
  sizeBytes: bigint;
  sizeGzBytes: bigint;
}

export interface ComparedScore {
  name: string;
  left: number | null;
  right: number | null;
  /** which of the two is better; null when they are equal or one is missing */
  better: 'LEFT' | 'RIGHT' | null;
}

export interface ComparedValue {
  name: string;
  left: string | null;
  right: string | null;
}

export interface VersionComparison {
  scores: ComparedScore[];
  /** of inputs and output, only what differs */
  signature: ComparedValue[];
  /** of the model's settings, only what differs */
  parameters: ComparedValue[];
  sameData: boolean;
}

/** Two versions side by side: scores, and whatever else is not the same. */
export function compareVersions(left: ComparedVersion, right: ComparedVersion): VersionComparison {
  const scores = unionOf(numbersOf(left.metrics), numbersOf(right.metrics)).map(([name, a, b]): ComparedScore => {
    const isTie = a === null || b === null || a === b;
    return { name, left: a, right: b, better: isTie ? null : a < b === isError(name) ? 'LEFT' : 'RIGHT' };
  });
  return {
    scores,
    signature: differences(describeSignature(left.signature as Signature), describeSignature(right.signature as Signature)),
    parameters: differences(flatten({ family: left.family, ...record(left.parameters) }), flatten({ family: right.family, ...record(right.parameters) })),
    sameData: left.datasetVersionId !== null && left.datasetVersionId === right.datasetVersionId,
  };
}

function describeSignature(signature: Partial<Signature>): Map<string, string> {
  const described = new Map<string, string>();
  for (const input of signature.inputs ?? []) described.set(`input ${input.name}`, describeInput(input));
  const { output } = signature;
  if (output) described.set(`output ${output.name}`, output.classes ? `${output.type}: ${output.classes.join(', ')}` : output.type);
  return described;
}

function describeInput(input: SignatureInput): string {
  const range = input.type === 'image' ? `${input.width} × ${input.height}, ${input.channels} channels${input.shortSide === undefined ? '' : `, cut from ${input.shortSide}`}` : input.type === 'list' ? input.choices.join(', ') : input.categories ? input.categories.join(', ') : `${input.min} to ${input.max}`;
  return `${input.type}${input.required ? '' : ', may be missing'}: ${range}`;
}

const record = (value: unknown): Record<string, unknown> => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {});

function numbersOf(metrics: unknown): Map<string, number> {
  return new Map(Object.entries(record(metrics)).filter((entry): entry is [string, number] => typeof entry[1] === 'number'));
}

/** `{a: {b: 1}}` as `a.b`. */
function flatten(value: Record<string, unknown>, path = ''): Map<string, string> {
  const flat = new Map<string, string>();
  for (const [key, item] of Object.entries(value)) {
    const name = path ? `${path}.${key}` : key;
    if (typeof item === 'object' && item !== null && !Array.isArray(item)) for (const [inner, text] of flatten(item as Record<string, unknown>, name)) flat.set(inner, text);
    else if (item !== undefined) flat.set(name, typeof item === 'string' ? item : JSON.stringify(item));
  }
  return flat;
}

function unionOf<T>(left: Map<string, T>, right: Map<string, T>): [string, T | null, T | null][] {
  return [...new Set([...left.keys(), ...right.keys()])].map((name) => [name, left.get(name) ?? null, right.get(name) ?? null]);
}

const differences = (left: Map<string, string>, right: Map<string, string>): ComparedValue[] =>
  unionOf(left, right).filter(([, a, b]) => a !== b).map(([name, a, b]) => ({ name, left: a, right: b }));
