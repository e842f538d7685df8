import { useState } from 'react';
import { Button } from '../../design/button.tsx';

/** Leads to the OpenID provider of whichever tenant owns the domain of the address. */
export function CompanySignIn({ email }: { email: string }) {
  const [isMissing, setMissing] = useState(false);
  function go() {
    const address = email.trim();
    if (!address.includes('@')) return setMissing(true);
    window.location.assign(`/auth/sso?${new URLSearchParams({ email: address }).toString()}`);
  }
  return (
    <div className="mt-6 border-t border-steel-200 pt-5">
      <Button className="w-full" onClick={go}>
        Sign in with your company
      </Button>
      {isMissing && !email.includes('@') && (
        <p role="alert" className="mt-1.5 text-[13px] text-bad-700">
          Enter your email above first: it tells which company you belong to.
        </p>
      )}
    </div>
  );
}
