import { useState, type FormEvent } from 'react';
import { useSession } from '../../app/session-context.tsx';
import { Badge } from '../../design/badge.tsx';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { CodeBlock } from '../../design/code-block.tsx';
import { Dialog } from '../../design/dialog.tsx';
import { TextField } from '../../design/field.tsx';
import { FormButtons } from '../../design/form-buttons.tsx';
import { Notice } from '../../design/notice.tsx';
import { QrCode } from '../../design/qr-code.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { BeginSecondFactorDocument, ConfirmSecondFactorDocument, RemoveSecondFactorDocument } from '../../gql/graphql.ts';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';

export function SecondFactorCard({ isOn }: { isOn: boolean }) {
  const [isBeginning, setBeginning] = useState(false);
  const [begun, setBegun] = useState<BegunSecondFactor | null>(null);
  const [isRemoving, setRemoving] = useState(false);

  return (
    <Card
      title={
        <span className="flex items-center gap-2.5">
          Second factor {isOn ? <Badge tone="good">On</Badge> : <Badge tone="warn">Off</Badge>}
        </span>
      }
      description="A code from an app on your phone, asked for beside your password."
    >
      <div className="space-y-4">
        <p className="text-steel-600">
          {isOn
            ? 'Whoever learns your password still cannot come in. Keep your recovery codes for the day when the phone is lost.'
            : 'Without it your password alone opens your login.'}
        </p>
        {isOn ? (
          <Button kind="danger" onClick={() => setRemoving(true)}>
            Remove the second factor
          </Button>
        ) : (
          <Button kind="primary" onClick={() => setBeginning(true)}>
            Set up a second factor
          </Button>
        )}
      </div>
      <PasswordDialog isOpen={isBeginning} onClose={() => setBeginning(false)} onBegun={setBegun} />
      {begun && <SetUpDialog {...begun} onClose={() => setBegun(null)} />}
      <RemoveDialog isOpen={isRemoving} onClose={() => setRemoving(false)} />
    </Card>
  );
}

interface BegunSecondFactor {
  secret: string;
  uri: string;
}

function PasswordDialog({ isOpen, onClose, onBegun }: { isOpen: boolean; onClose(): void; onBegun(begun: BegunSecondFactor): void }) {
  const [password, setPassword] = useState('');
  const begin = useVerb(BeginSecondFactorDocument);

  function close() {
    setPassword('');
    begin.reset();
    onClose();
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    const begun = await begin.run({ input: { password } });
    if (!begun) return;
    close();
    onBegun(begun);
  }

  return (
    <Dialog title="Your password" isOpen={isOpen} onClose={close}>
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        <RefusalNotice refusal={begin.refusal} />
        <p>So that nobody sets up a second factor in a session that you have left open.</p>
        <TextField label="Password" type="password" autoComplete="current-password" required autoFocus value={password} onValue={setPassword} />
        <FormButtons verb="Go on" isPending={begin.isPending} onCancel={close} />
      </form>
    </Dialog>
  );
}

function SetUpDialog({ secret, uri, onClose }: BegunSecondFactor & { onClose(): void }) {
  const [code, setCode] = useState('');
  const [recoveryCodes, setRecoveryCodes] = useState<readonly string[] | null>(null);
  const session = useSession();
  const confirm = useVerb(ConfirmSecondFactorDocument, { refetchQueries: ['Sessions'] });

  async function submit(event: FormEvent) {
    event.preventDefault();
    const confirmed = await confirm.run({ input: { code: code.trim() } });
    if (confirmed) setRecoveryCodes(confirmed.recoveryCodes);
  }

  function close() {
    if (recoveryCodes) void session.look().catch(() => undefined);
    onClose();
  }

  if (recoveryCodes) {
    return (
      <Dialog title="Your recovery codes" isOpen onClose={close}>
        <div className="space-y-4">
          <Notice tone="warn" title="Keep them now: they will not be shown again">
            Each signs you in once, in place of a code from the app. Print them, or put them into a password manager.
          </Notice>
          <CodeBlock label="Recovery codes" text={recoveryCodes.join('\n')} isWrapped />
          <div className="flex justify-end">
            <Button kind="primary" onClick={close}>
              I have kept them
            </Button>
          </div>
        </div>
      </Dialog>
    );
  }

  return (
    <Dialog title="Set up a second factor" isOpen onClose={close}>
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        <RefusalNotice refusal={confirm.refusal} problems={otherProblems(confirm.refusal, (field) => field === 'code')} />
        <p>Scan this with an authenticator app, then enter the six digits that it shows.</p>
        <div className="flex justify-center">
          <QrCode text={uri} label="QR code for your authenticator app" />
        </div>
        <CodeBlock label="Secret, to type in by hand" text={secret} isWrapped />
        <TextField
          label="Code from the app"
          autoComplete="one-time-code"
          inputMode="numeric"
          required
          autoFocus
          value={code}
          onValue={setCode}
          problem={problemOf(confirm.refusal, 'code')}
        />
        <FormButtons verb="Turn it on" isPending={confirm.isPending} onCancel={close} />
      </form>
    </Dialog>
  );
}

function RemoveDialog({ isOpen, onClose }: { isOpen: boolean; onClose(): void }) {
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const session = useSession();
  const remove = useVerb(RemoveSecondFactorDocument, { refetchQueries: ['Sessions'] });

  function close() {
    setPassword('');
    setCode('');
    remove.reset();
    onClose();
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (!(await remove.run({ input: { password, code: code.trim() } }))) return;
    close();
    await session.look().catch(() => undefined);
  }

  return (
    <Dialog title="Remove the second factor" isOpen={isOpen} onClose={close}>
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        <RefusalNotice refusal={remove.refusal} />
        <p>Your password alone opens your login afterwards. Your other sessions end.</p>
        <TextField label="Password" type="password" autoComplete="current-password" required value={password} onValue={setPassword} />
        <TextField
          label="Code"
          autoComplete="one-time-code"
          required
          value={code}
          onValue={setCode}
          hint="Six digits from the app, or a recovery code."
        />
        <div className="flex justify-end gap-2">
          <Button onClick={close}>Keep it</Button>
          <Button type="submit" kind="danger" isPending={remove.isPending}>
            Remove
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
