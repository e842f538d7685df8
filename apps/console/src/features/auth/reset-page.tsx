import { Link } from '@tanstack/react-router';
import { useEffect, useState, type FormEvent } from 'react';
import { Button, buttonClass } from '../../design/button.tsx';
import { Notice } from '../../design/notice.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { ResetPasswordDocument } from '../../gql/graphql.ts';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { Entrance } from './entrance.tsx';
import { useLinkToken } from './link-token.ts';
import { NewPasswordField } from './new-password-field.tsx';

/** Reached by a link from a mail or an operator: `/reset#token=…`. */
export function ResetPage() {
  const token = useLinkToken();
  const [newPassword, setNewPassword] = useState('');
  const [isDone, setDone] = useState(false);
  const reset = useVerb(ResetPasswordDocument);

  useEffect(() => {
    document.title = 'New password · Millrace';
  }, []);

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (await reset.run({ input: { token, newPassword } })) setDone(true);
  }

  const toSignIn = (
    <Link to="/sign-in" search={{}} className={`${buttonClass('primary')} mt-3`}>
      Go to sign-in
    </Link>
  );

  return (
    <Entrance title="New password" lead="All sessions of your login end with it.">
      {isDone ? (
        <Notice tone="good" title="The new password is set">
          <p>Sign in with it. If you have a second factor, its code is asked for as before.</p>
          {toSignIn}
        </Notice>
      ) : token === '' ? (
        <Notice tone="warn" title="The link is not complete">
          <p>Open the whole link that you were given, with everything after the # sign. After a reload of this page it is needed again.</p>
          {toSignIn}
        </Notice>
      ) : (
        <form onSubmit={(event) => void submit(event)} className="space-y-4">
          <RefusalNotice refusal={reset.refusal} problems={otherProblems(reset.refusal, (field) => field === 'newPassword')} />
          <NewPasswordField label="New password" autoFocus value={newPassword} onValue={setNewPassword} problem={problemOf(reset.refusal, 'newPassword')} />
          <Button type="submit" kind="primary" isPending={reset.isPending} className="w-full">
            Set password
          </Button>
        </form>
      )}
    </Entrance>
  );
}
