import type { Signature } from '@millrace/packaging';
import type { VersionOptimisation } from './version-optimisation.ts';

/** What a card is made from. */
export interface CardFacts {
  modelName: string;
  description: string;
  number: number;
  family: string;
  source: 'RUN' | 'PACKAGE' | 'ONNX';
  approval: 'PENDING_APPROVAL' | 'APPROVED' | 'REJECTED';
  metrics: unknown;
  signature: unknown;
  agreement: unknown;
  /** of a version made from another */
  optimisation: unknown;
  dataset: { name: string; number: number; rows: number } | null;
  /** as people write them */
  filename: string | null;
  sizeBytes: bigint;
  packageSha256: string;
  createdAt: Date;
}

/** A model card in Markdown, from nothing but what is known: for people to go on writing. */
export function writeModelCard(facts: CardFacts): string {
  const signature = facts.signature as Partial<Signature>;
  const { output, inputs = [], task = 'regression' } = signature;
  const { rows, ...measured } = (facts.metrics ?? {}) as Record<string, unknown>;
  const scores = Object.entries(measured).filter((entry): entry is [string, number] => typeof entry[1] === 'number');
  const answer = output ? (output.classes ? `one of ${output.classes.map(code).join(', ')}` : output.type === 'items' ? `up to ${output.count} of ${code(output.name)}, best first` : `the number ${code(output.name)}`) : 'an answer';
  const origin =
    facts.source === 'RUN'
      ? facts.dataset && `Trained on version ${facts.dataset.number} of the data set ${code(facts.dataset.name)} (${facts.dataset.rows} rows).`
      : `Imported from ${code(facts.filename ?? 'a file')}${facts.source === 'PACKAGE' ? ', the package of another installation' : ', made elsewhere'}.`;
  const lines = [
    `# ${plain(facts.modelName)}, version ${facts.number}`,
    facts.description ? plain(facts.description) : '_What it is for: not written yet._',
    '## What it does',
    `From ${inputs.length} ${inputs.length === 1 ? 'column' : 'columns'} it gives ${answer} (${task}, family ${code(facts.family)}).`,
    table(['Input', 'Type', 'Values'], inputs.map((input) => [code(input.name), `${input.type}${input.required ? '' : ', may be missing'}`, input.type === 'list' ? input.choices.slice(0, 20).map(code).join(', ') : input.type === 'image' ? `${input.width} × ${input.height}${input.shortSide === undefined ? '' : ` from the middle, the shorter side at ${input.shortSide}`}` : input.categories ? input.categories.slice(0, 20).map(code).join(', ') : `${input.min} to ${input.max}`])),
    '## What it was made from',
    [origin || 'Not known.', madeFrom(facts)].filter(Boolean).join(' '),
    '## How good it is',
    scores.length ? `On ${typeof rows === 'number' ? `${rows} ` : ''}rows that took no part in training:` : 'It has no scores here.',
    ...(scores.length ? [table(['Score', 'Value'], scores.map(([name, value]) => [name, String(Number(value.toPrecision(6)))]))] : []),
    '## Limits',
    'Rows with values outside of the ranges above are answered with a warning. What follows from an answer is for people to decide.',
    '## Package',
    `${facts.sizeBytes} bytes, SHA-256 ${code(facts.packageSha256)}, made ${facts.createdAt.toISOString().slice(0, 10)}; ${approvalText[facts.approval]}.`,
  ];
  return lines.join('\n\n');
}

function madeFrom({ optimisation }: CardFacts): string {
  if (!optimisation) return '';
  const { parent, steps, loss, metric } = optimisation as VersionOptimisation;
  const lost = loss ? `: ${Number(loss.loss.toPrecision(3))} points of ${code(metric)} worse, ${Number(loss.lower.toPrecision(3))} to ${Number(loss.upper.toPrecision(3))} with ${loss.coverage * 100} % confidence` : '';
  return `Made from version ${parent.number} by ${steps.map(({ method }) => code(method)).join(', ')}${lost}.`;
}

const approvalText = { PENDING_APPROVAL: 'not reviewed yet', APPROVED: 'approved', REJECTED: 'rejected' } as const;

function table(header: string[], rows: string[][]): string {
  return [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Names are others' words: they stand in the card as they are and mean nothing in it. */
const plain = (text: string): string => text.replace(/[\r\n]+/g, ' ').replace(/[\\`*_{}[\]<>#|]/g, '\\$&');
const code = (text: string): string => `\`${text.replace(/[\r\n`|]+/g, ' ')}\``;
