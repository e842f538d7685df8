-- An account is one person's in all tenants, and whoever made it chose its first password: nobody has proved that they
-- read the mailbox. Somebody whom the tenant's own provider makes a member of it, though the account was there already,
-- is let in by that provider alone: whoever knows the account's password gets in where they did before, and no further.
ALTER TABLE memberships ADD COLUMN sso_only boolean NOT NULL DEFAULT false;
