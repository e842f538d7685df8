-- Whoever delivers leaves out at once what is paused, instead of asking for each receiver.
CREATE POLICY queue_access ON webhook_receivers FOR SELECT TO millrace_system USING (true);
GRANT SELECT (tenant_id, receiver, paused_until) ON webhook_receivers TO millrace_system;
