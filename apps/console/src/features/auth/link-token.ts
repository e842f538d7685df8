import { useState } from 'react';

/**
 * The token of a link, `…#token=…` (after the #, so that no server log holds it). It is taken out of the address bar at
 * once: whoever looks over the shoulder, or at the history later, finds nothing to use.
 */
export function useLinkToken(): string {
  const [token] = useState(takeToken);
  return token;
}

/** React may ask twice for a first state: the second time the address bar is empty already. */
let taken: { path: string; token: string } | null = null;

function takeToken(): string {
  const { pathname, search, hash } = window.location;
  const token = new URLSearchParams(hash.slice(1)).get('token');
  if (token !== null) {
    taken = { path: pathname, token };
    window.history.replaceState(window.history.state, '', pathname + search);
  }
  return taken?.path === pathname ? taken.token : '';
}

/** A link that carries a token, as it is given to the person whom it is for. */
export function linkWith(path: '/invitation' | '/reset', token: string): string {
  return `${window.location.origin}${path}#token=${token}`;
}
