-- A server that meets a secret under a retired pepper puts it under the present one. That is the same secret: the one
-- before it must stay what it is, so the trigger that keeps it must not take this for a rotation.
GRANT UPDATE (secret_hmac, previous_hmac) ON api_keys TO millrace_system;

DROP TRIGGER keep_previous_secret ON api_keys;
CREATE TRIGGER keep_previous_secret BEFORE UPDATE OF secret_hmac ON api_keys
  FOR EACH ROW WHEN (NEW.secret_hmac IS DISTINCT FROM OLD.secret_hmac AND current_user <> 'millrace_system')
  EXECUTE FUNCTION keep_previous_secret();
