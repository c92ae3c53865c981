-- Tests the trial writes on tenant rows, which are rolled back.
CREATE EXTENSION pg_wabridges;
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE TABLE tenants (id text PRIMARY KEY, number integer, mood mood, born date, token uuid, notes jsonb,
                      bridge_id bigint CONSTRAINT small CHECK (bridge_id < 1000), bridge_status text);
SELECT jsonb_pretty(_wab_sample_row('tenants'));
SELECT * FROM wab_bind_tenants('tenants');
SELECT _wab_trial_bridge_id(NULL), _wab_trial_bridge_id(7);
SELECT _wab_try_checks('{paired}'), _wab_try_row('nobody');
INSERT INTO tenants (id) VALUES ('a'), ('b'), ('c');
SELECT _wab_try_row('a') IS NULL AS fine, _wab_require_row('a');
SELECT _wab_check_writing();
-- One status, then one row, then every row cannot be written.
ALTER TABLE tenants ADD CONSTRAINT words CHECK (bridge_status <> 'unknown');
SELECT _wab_try_checks('{paired,unknown}'), _wab_try_row('a'), _wab_try_row('a', '{unknown}');
SELECT _wab_check_writing();
ALTER TABLE tenants DROP CONSTRAINT words, ADD CONSTRAINT not_a CHECK (id <> 'a' OR bridge_id IS NULL);
SELECT _wab_require_row('a');
SELECT _wab_check_writing();
CREATE RULE frozen AS ON UPDATE TO tenants DO INSTEAD NOTHING;
SELECT _wab_check_writing();
SELECT id, bridge_id, bridge_status FROM tenants ORDER BY 1;
