-- Tests how long a writer waits for a locked tenant row. Rows that are locked: e2e, together.rs.
CREATE EXTENSION pg_wabridges;
CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
INSERT INTO tenants VALUES ('a', 1), ('b', 2);
SELECT FROM wab_bind_tenants('tenants');
-- Without the lock "observe", as long as the session wants; with it, half of deadlock_timeout, or less.
SELECT _wab_row_patience();
BEGIN;
SELECT FROM pg_advisory_xact_lock(_wab_lock_id('observe'));
SELECT _wab_row_patience();
SET LOCAL lock_timeout = '50ms';
SELECT _wab_row_patience();
SET LOCAL lock_timeout = '1h';
SELECT _wab_row_patience();
SET LOCAL deadlock_timeout = '1ms';
SELECT _wab_row_patience();
-- Writing leaves the session's lock_timeout as it was.
SELECT * FROM _wab_write_rows('{a}', '{3}', '{paired}');
SHOW lock_timeout;
COMMIT;
-- The function locks the two rows, because no other transaction has. It can lock no row of a view that groups, and returns none.
SELECT _wab_lock_free_rows('{a,b,c}');
CREATE VIEW grouped AS SELECT id, max(bridge_id) AS bridge_id, max(bridge_status) AS bridge_status FROM tenants GROUP BY id;
UPDATE wab_tenant_binding SET tenants = 'grouped';
SELECT _wab_lock_free_rows('{a,b,c}');
