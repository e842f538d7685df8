-- Who became a member by single sign-on is known by their e-mail address alone, and an account with that address may have
-- been made, with a password of its own, by whoever held a link of another tenant. No password leads into such a membership.
ALTER TABLE memberships ADD COLUMN by_sso BOOLEAN NOT NULL DEFAULT false;
