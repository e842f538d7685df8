/** What the sign-in page says for `/sign-in?sso=<code>`: why single sign-on has not let somebody in. */
const tellAdministrator = 'Tell whoever manages single sign-on in your tenant.';
const again = 'Begin the sign-in anew.';

const refusals: Record<string, readonly [message: string, remedy: string]> = {
  confirm: ['Another page has sent you here to sign in with your company.', 'If you want to, enter your email and press “Sign in with your company”.'],
  not_set_up: ['No tenant lets this email address in by single sign-on.', 'Check the address, or sign in with your password.'],
  busy: ['Too many people are signing in through your company’s provider at this moment.', 'Try again in a minute.'],
  too_many_attempts: ['Too many sign-ins were begun from your network.', 'Try again in some minutes, or sign in with your password.'],
  email_unverified: ['Your company’s provider gives no email address for you, or does not vouch for it.', tellAdministrator],
  domain_unverified: ['Your email address lies in none of the domains that your tenant has proved to be its own.', tellAdministrator],
  email_taken: ['Another account of your company’s provider comes in with this email address already.', tellAdministrator],
  no_role: ['You are in no group that has a role here.', 'Ask whoever manages the groups of your company to add you to one.'],
  owner_by_password: ['Owners of this tenant sign in with their password.', 'Enter email and password here.'],
  state_mismatch: ['This sign-in was not begun in this browser, or lies too far back.', again],
  issuer_mismatch: ['The answer comes from another provider than the one that was asked.', again],
  denied: ['The sign-in was cancelled or denied at your company’s provider.', 'Try again, or ask whoever manages it whether you may use this application.'],
  provider_error: ['Your company’s provider refused the sign-in.', `Try again later. ${tellAdministrator}`],
  code_refused: ['Your company’s provider no longer accepts this sign-in: it was completed before, or took too long.', again],
  client_refused: ['Your company’s provider does not accept this installation’s client ID and secret.', `${tellAdministrator} The secret may have expired.`],
  token_expired: ['The answer of your company’s provider has expired.', `${again} If it happens again, the clocks of the two servers differ.`],
  nonce_mismatch: ['The answer of your company’s provider belongs to another sign-in.', again],
  audience_mismatch: ['The answer of your company’s provider was made for another application.', tellAdministrator],
  token_invalid: ['The answer of your company’s provider is not signed as it must be, or is incomplete.', `${again} ${tellAdministrator}`],
  userinfo_refused: ['Your company’s provider did not tell who signed in.', tellAdministrator],
  groups_unfit: ['Your company’s provider did not list all of your groups as names.', tellAdministrator],
  unreachable: ['Your company’s provider could not be reached.', 'Try again later.'],
  misconfigured: ['Your company’s provider is not set up as it must be.', tellAdministrator],
};

/** Codes come in an address, which anybody can write: an unknown one is never shown. */
export function ssoRefusal(code: string): { message: string; remedy: string } {
  const [message, remedy] = Object.hasOwn(refusals, code) ? refusals[code]! : ['Single sign-on did not let you in.', again];
  return { message, remedy };
}
