import { useQuery } from '@apollo/client/react';
import { useState, type FormEvent } from 'react';
import { useCan } from '../../app/session-context.tsx';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { Facts } from '../../design/facts.tsx';
import { TextField } from '../../design/field.tsx';
import { formatMoment } from '../../design/format.ts';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { Table } from '../../design/table.tsx';
import { DistrustPackageKeyDocument, PackageKeysDocument, TrustPackageKeyDocument } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';

/** Whose word counts: the key that signs this tenant's packages, and those of others that are trusted. */
export function PackageKeysCard() {
  const query = useQuery(PackageKeysDocument);
  const mayTrust = useCan('model:trust');
  const distrust = useVerb(DistrustPackageKeyDocument, { refetchQueries: ['PackageKeys'] });
  return (
    <Card title="Package signatures" description="Every package is signed. Give your key to those who shall trust it; packages of others are taken once their key is trusted here.">
      <Loaded what="the keys" query={query}>
        {({ signingKeys, trustedKeys }) => (
          <div className="space-y-5">
            {signingKeys.length === 0 ? (
              <p className="text-steel-500">Your key is made with the first package.</p>
            ) : (
              <Facts facts={signingKeys.map(({ keyId, publicKey }) => [`Your key ${keyId}`, <code className="font-mono text-xs break-all">{publicKey}</code>])} />
            )}
            <RefusalNotice refusal={distrust.refusal} />
            {trustedKeys.length > 0 && (
              <Table
                caption="Trusted keys"
                rows={trustedKeys}
                keyOf={(key) => key.keyId}
                columns={[
                  { header: 'Trusted', cell: (key) => <span className="font-medium text-steel-900">{key.name}</span> },
                  { header: 'Key', cell: (key) => <code className="font-mono text-xs">{key.keyId}</code> },
                  { header: 'Since', align: 'right', cell: (key) => formatMoment(key.createdAt) },
                  {
                    header: <span className="sr-only">Actions</span>,
                    align: 'right',
                    cell: (key) =>
                      mayTrust && (
                        <Button className="py-1 text-[13px]" aria-label={`Trust ${key.name} no more`} onClick={() => void distrust.run({ input: { keyId: key.keyId } })}>
                          Trust no more
                        </Button>
                      ),
                  },
                ]}
              />
            )}
            {mayTrust && <TrustForm />}
          </div>
        )}
      </Loaded>
    </Card>
  );
}

function TrustForm() {
  const [name, setName] = useState('');
  const [publicKey, setPublicKey] = useState('');
  const trust = useVerb(TrustPackageKeyDocument, { refetchQueries: ['PackageKeys'] });

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (!(await trust.run({ input: { name, publicKey } }))) return;
    setName('');
    setPublicKey('');
  }

  return (
    <form onSubmit={(event) => void submit(event)} className="space-y-3">
      <RefusalNotice refusal={trust.refusal} problems={otherProblems(trust.refusal, (field) => ['name', 'publicKey'].includes(field))} />
      <div className="grid gap-4 md:grid-cols-[1fr_2fr_auto] md:items-end">
        <TextField label="Installation" required value={name} onValue={setName} problem={problemOf(trust.refusal, 'name')} />
        <TextField label="Its public key" required value={publicKey} onValue={setPublicKey} problem={problemOf(trust.refusal, 'publicKey')} />
        <Button type="submit" isPending={trust.isPending}>Trust this key</Button>
      </div>
    </form>
  );
}
