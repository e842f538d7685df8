-- Answers that have run out are swept for all tenants, those that send nothing more among them. The system role sees of one that it exists and when it ran out, and no other.
CREATE POLICY sweep_sees ON idempotency_answers FOR SELECT TO millrace_system USING (expires_at < now());
CREATE POLICY sweep_only ON idempotency_answers FOR DELETE TO millrace_system USING (expires_at < now());
GRANT SELECT (tenant_id, key, expires_at), DELETE ON idempotency_answers TO millrace_system;
