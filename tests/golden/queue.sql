-- Tests the provisioning queue: entries are added, claimed, refused and finished.
CREATE EXTENSION pg_wabridges;
\set queue 'SELECT customer_ref, enqueued_by, attempts, claimed_until > clock_timestamp() AS claimed, last_error, outcome FROM wab_queue ORDER BY enqueued_at'
CREATE TABLE tenants (id uuid PRIMARY KEY, active boolean NOT NULL DEFAULT true, bridge_id bigint, bridge_status text);
SELECT wab_enqueue_provision('00000000-0000-0000-0000-000000000001'), wab_enqueue_provision('00000000-0000-0000-0000-000000000001');
SELECT _wab_claim_queued();
SELECT * FROM wab_bind_tenants('tenants', wanted => 'active', webhook_url => '''https://example.com/'' || id');
INSERT INTO tenants (id, active) VALUES ('00000000-0000-0000-0000-000000000001', true), ('00000000-0000-0000-0000-000000000002', false), ('00000000-0000-0000-0000-000000000003', true);
SELECT wab_enqueue_provision('00000000-0000-0000-0000-000000000002'::uuid), wab_enqueue_provision('nobody'), wab_enqueue_provision(repeat('x', 10000));
BEGIN;
SELECT wab_enqueue_provision('gone');
ROLLBACK;
SELECT wab_enqueue_provision(NULL);
SELECT wab_enqueue_provision('');
-- The drift of a queued tenant tells that it waits.
SELECT customer_ref, detail FROM wab_drift ORDER BY 1;
-- The oldest entry is claimed first; unknown and unwanted tenants are refused; a claimed entry is not claimed again.
SELECT customer_ref, webhook_url, stored_bridge_id FROM _wab_claim_queued();
SELECT customer_ref FROM _wab_claim_queued();
SELECT left(customer_ref, 36), attempts, claimed_until > clock_timestamp() AS claimed, last_error, outcome FROM wab_queue ORDER BY enqueued_at;
-- A failed entry is claimed again later. A recorded bridge finishes the entry, even if another session made the bridge.
SELECT _wab_release_queued(queue_id, 'the provider failed') FROM wab_queue WHERE finished_at IS NULL;
SELECT customer_ref, attempts, claimed_until - clock_timestamp() BETWEEN '30 seconds' AND '1 minute' AS soon, last_error FROM wab_queue WHERE finished_at IS NULL;
-- A claim from a clock that was set back does not keep the entry.
UPDATE wab_queue SET claimed_until = clock_timestamp() + interval '1 day' WHERE finished_at IS NULL;
SELECT left(customer_ref, 36) FROM _wab_claim_queued();
SELECT _wab_record_provision('00000000-0000-0000-0000-000000000001', 1, 'running');
SELECT customer_ref, outcome, last_error FROM wab_queue WHERE outcome = 'provisioned';
SELECT wab_enqueue_provision('00000000-0000-0000-0000-000000000001') AS enqueued_again;
-- The recipe adds a tenant that is wanted and has no bridge, in the transaction that inserts or changes it.
\i sql/signup.sql
\i sql/signup.sql
INSERT INTO tenants (id, active, bridge_id) VALUES ('00000000-0000-0000-0000-000000000004', true, NULL), ('00000000-0000-0000-0000-000000000005', false, NULL), ('00000000-0000-0000-0000-000000000006', true, 6);
UPDATE tenants SET active = true WHERE id = '00000000-0000-0000-0000-000000000002';
SELECT customer_ref FROM wab_queue WHERE finished_at IS NULL ORDER BY 1;
-- Without triggers: what is missing is enqueued by a job, but not what waits or was refused a short while ago.
DROP TRIGGER wab_signup ON tenants;
DROP TRIGGER wab_signup_update ON tenants;
DELETE FROM wab_queue WHERE finished_at IS NULL;
SELECT wab_enqueue_missing();
SELECT bridges FROM wab_observe('{1}', '{00000000-0000-0000-0000-000000000001}', '{running}', '{NULL}', '{NULL}');
SELECT customer_ref FROM wab_missing_bridges ORDER BY 1;
SELECT wab_enqueue_missing(max_tenants => 1), wab_enqueue_missing(max_tenants => 0);
SELECT customer_ref FROM wab_queue WHERE finished_at IS NULL ORDER BY 1;
SELECT wab_enqueue_missing(), wab_enqueue_missing();
SELECT customer_ref FROM wab_queue WHERE finished_at IS NULL ORDER BY 1;
SELECT wab_enqueue_missing(again_after => '0');
SELECT customer_ref FROM wab_queue WHERE finished_at IS NULL ORDER BY 1;
SELECT wab_enqueue_missing(-1);
SELECT wab_enqueue_missing(again_after => NULL);
-- The recipe says so where it cannot make a trigger.
CREATE VIEW rented AS SELECT * FROM tenants;
SELECT bound FROM wab_bind_tenants('rented', wanted => 'active');
\i sql/signup.sql
