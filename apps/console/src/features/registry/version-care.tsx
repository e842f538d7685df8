import { useQuery } from '@apollo/client/react';
import { useState, type FormEvent } from 'react';
import { useCan } from '../../app/session-context.tsx';
import { Badge, type Tone } from '../../design/badge.tsx';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { Field, TextField } from '../../design/field.tsx';
import { formatMoment, words } from '../../design/format.ts';
import { Markdown } from '../../design/markdown.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { DeleteModelVersionDocument, DescribeModelVersionDocument, ModelVersionCareDocument, ReviewModelVersionDocument, type ApprovalStatus, type ModelVersionCareQuery } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';

type Care = Extract<NonNullable<ModelVersionCareQuery['node']>, { __typename?: 'ModelVersion' }>;

const tones: Record<ApprovalStatus, Tone> = { PENDING_APPROVAL: 'neutral', APPROVED: 'good', REJECTED: 'bad' };

/** What people say of a version: its card, its tags, verdicts; and its end. */
export function VersionCare({ versionId, number, isAliased }: { versionId: string; number: number; isAliased: boolean }) {
  const query = useQuery(ModelVersionCareDocument, { variables: { id: versionId } });
  return (
    <Loaded what="the model card" query={query}>
      {({ node }) => (node && 'card' in node ? <CareView care={node as Care} number={number} isAliased={isAliased} /> : null)}
    </Loaded>
  );
}

function CareView({ care, number, isAliased }: { care: Care; number: number; isAliased: boolean }) {
  const mayWrite = useCan('model:write');
  const mayApprove = useCan('model:approve');
  const [isEditing, setEditing] = useState(false);
  return (
    <div className="grid gap-6 xl:grid-cols-2">
      <Card
        title="Model card"
        description={care.isCardWritten ? 'As somebody has written it.' : 'Made from what is known.'}
        actions={mayWrite && !isEditing && <Button onClick={() => setEditing(true)}>Edit</Button>}
      >
        {isEditing ? <CardForm care={care} onDone={() => setEditing(false)} /> : <Markdown text={care.card} />}
      </Card>
      <Card title="Approval" actions={<Badge tone={tones[care.approval]}>{words(care.approval)}</Badge>}>
        <div className="space-y-5">
          {care.reviews.length === 0 && <p className="text-steel-500">Nobody has said anything of version {number} yet.</p>}
          <ul className="space-y-3">
            {care.reviews.map((review, index) => (
              <li key={index} className="text-[13.5px]">
                <Badge tone={tones[review.verdict]}>{words(review.verdict)}</Badge> {review.comment}
                <span className="block text-xs text-steel-500">{review.reviewedBy}, {formatMoment(review.reviewedAt)}</span>
              </li>
            ))}
          </ul>
          {mayApprove && <ReviewForm versionId={care.id} />}
          <TagsForm care={care} mayWrite={mayWrite} />
          {mayWrite && !isAliased && <DeleteForm versionId={care.id} number={number} />}
        </div>
      </Card>
    </div>
  );
}

function CardForm({ care, onDone }: { care: Care; onDone(): void }) {
  const [card, setCard] = useState(care.card);
  const describe = useVerb(DescribeModelVersionDocument, { refetchQueries: ['ModelVersionCare'] });
  const save = async (text: string) => {
    if (await describe.run({ input: { versionId: care.id, card: text } })) onDone();
  };
  return (
    <form
      className="space-y-3"
      onSubmit={(event) => {
        event.preventDefault();
        void save(card);
      }}
    >
      <RefusalNotice refusal={describe.refusal} problems={otherProblems(describe.refusal, (field) => field === 'card')} />
      <Field label="Card" hint="Markdown: headings, lists, tables, bold, links." problem={problemOf(describe.refusal, 'card')}>
        {(described) => <textarea {...described} rows={18} value={card} onChange={(event) => setCard(event.target.value)} className="control font-mono text-[13px]" />}
      </Field>
      <div className="flex justify-end gap-2">
        {care.isCardWritten && <Button onClick={() => void save('')}>Make it anew</Button>}
        <Button onClick={onDone}>Cancel</Button>
        <Button type="submit" kind="primary" isPending={describe.isPending}>Save</Button>
      </div>
    </form>
  );
}

function ReviewForm({ versionId }: { versionId: string }) {
  const [comment, setComment] = useState('');
  const review = useVerb(ReviewModelVersionDocument, { refetchQueries: ['ModelVersionCare', 'Model'] });
  const say = async (verdict: 'APPROVED' | 'REJECTED') => {
    if (await review.run({ input: { versionId, verdict, comment } })) setComment('');
  };
  return (
    <div className="space-y-3">
      <RefusalNotice refusal={review.refusal} problems={otherProblems(review.refusal, (field) => field === 'comment')} />
      <TextField label="Comment" value={comment} onValue={setComment} problem={problemOf(review.refusal, 'comment')} />
      <div className="flex gap-2">
        <Button kind="primary" isPending={review.isPending} onClick={() => void say('APPROVED')}>Approve</Button>
        <Button isPending={review.isPending} onClick={() => void say('REJECTED')}>Reject</Button>
      </div>
    </div>
  );
}

function TagsForm({ care, mayWrite }: { care: Care; mayWrite: boolean }) {
  const [text, setText] = useState(care.tags.join(', '));
  const describe = useVerb(DescribeModelVersionDocument, { refetchQueries: ['ModelVersionCare', 'Model'] });
  if (!mayWrite) return <p className="flex flex-wrap gap-1.5">{care.tags.map((tag) => <Badge key={tag}>{tag}</Badge>)}</p>;
  function submit(event: FormEvent) {
    event.preventDefault();
    void describe.run({ input: { versionId: care.id, tags: text.split(',').map((tag) => tag.trim()).filter(Boolean) } });
  }
  return (
    <form onSubmit={submit} className="grid gap-3 md:grid-cols-[1fr_auto] md:items-start">
      <TextField label="Tags" isOptional hint="Separated by commas, such as line=press-2." value={text} onValue={setText} problem={problemOf(describe.refusal, 'tags')} />
      <Button type="submit" className="md:mt-6.5" isPending={describe.isPending}>Save tags</Button>
    </form>
  );
}

function DeleteForm({ versionId, number }: { versionId: string; number: number }) {
  const [isSure, setSure] = useState(false);
  const remove = useVerb(DeleteModelVersionDocument, { refetchQueries: ['Model', 'ModelLineage'] });
  return (
    <div className="space-y-2 border-t border-steel-100 pt-4">
      <RefusalNotice refusal={remove.refusal} />
      {isSure ? (
        <div className="flex items-center gap-2">
          <span className="text-[13.5px]">Version {number} and its package are then gone for good.</span>
          <Button onClick={() => setSure(false)}>Keep it</Button>
          <Button kind="danger" isPending={remove.isPending} onClick={() => void remove.run({ input: { versionId } })}>Delete it</Button>
        </div>
      ) : (
        <Button onClick={() => setSure(true)}>Delete version {number}</Button>
      )}
    </div>
  );
}
