-- What keys may be used for and what tenants may use. A key of before may do what it could do: everything.
ALTER TABLE tenants ADD COLUMN requests_per_minute BIGINT NOT NULL DEFAULT 6000;
ALTER TABLE tenants ADD COLUMN accounts_max BIGINT NOT NULL DEFAULT 1000;
-- None of a revoked tenant's keys is accepted.
ALTER TABLE tenants ADD COLUMN revoked_at BIGINT;
ALTER TABLE api_keys ADD COLUMN scopes TEXT NOT NULL DEFAULT 'read,write,operator';
CREATE INDEX api_keys_by_tenant ON api_keys (tenant_id, id);
CREATE INDEX audit_log_by_tenant ON audit_log (tenant_id, at);
