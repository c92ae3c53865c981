-- Tests that the views can be dropped and created again with the grants on them, and previewed as temporary views.
CREATE EXTENSION pg_wabridges;
CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text, active boolean);
INSERT INTO tenants VALUES ('a', NULL, NULL, true), ('b', NULL, NULL, false);
SELECT wab_unbind_tenants();
SELECT * FROM wab_bind_tenants('tenants', wanted => 'active', webhook_url => '''https://example.com/'' || id');
CREATE ROLE analyst;
CREATE ROLE gone;
GRANT SELECT ON wab_drift TO analyst WITH GRANT OPTION;
GRANT SELECT ON wab_fleet TO PUBLIC, gone;
GRANT SELECT (customer_ref, wanted), UPDATE (bridge_status) ON wab_tenants TO analyst;
CREATE VIEW grants AS SELECT g - 'grantable' AS grant FROM jsonb_array_elements(_wab_view_grants()) g ORDER BY 1;
SELECT * FROM grants;
-- Views of yours are named.
CREATE VIEW mine AS SELECT kind FROM wab_drift;
SELECT wab_unbind_tenants();
DROP VIEW mine;
-- What hinders a migration of the tenants table is gone between the two calls.
BEGIN;
SELECT wab_unbind_tenants();
ALTER TABLE tenants ALTER COLUMN id TYPE varchar(64);
SELECT * FROM wab_bind_tenants();
COMMIT;
SELECT * FROM grants;
SELECT wanted, webhook_url, grants FROM wab_tenant_binding;
SELECT wab_unbind_tenants();
REVOKE ALL ON SCHEMA public FROM gone;
DROP ROLE gone;
SELECT to_regclass('wab_drift'), (SELECT count(*) FROM jsonb_array_elements((SELECT grants FROM wab_tenant_binding)));
SELECT wab_summary();
-- Another type of id needs other views; the grants come back.
ALTER TABLE tenants RENAME TO old_tenants;
CREATE TABLE tenants (id integer, bridge_id bigint, bridge_status text);
SELECT * FROM wab_bind_tenants('tenants');
SELECT * FROM wab_bind_tenants('old_tenants');
SELECT * FROM grants;
-- What is left out stays as it was bound to this table.
SELECT * FROM wab_bind_tenants('old_tenants', wanted => 'active', webhook_url => '''https://example.com/'' || id');
SELECT * FROM wab_bind_tenants('old_tenants');
SELECT wanted, webhook_url FROM wab_tenant_binding;
SELECT * FROM wab_bind_tenants(webhook_url => '''https://example.org/'' || id');
SELECT wanted, webhook_url FROM wab_tenant_binding;
SELECT * FROM wab_bind_tenants('old_tenants', wanted => 'true', webhook_url => '');
SELECT wanted, webhook_url FROM wab_tenant_binding;
-- A preview changes no view that others see.
BEGIN;
SELECT _wab_preview_views('tenants', 'id', 'bridge_id', 'bridge_status', 'id > 1', '', 'public', NULL, NULL, NULL);
SELECT pg_typeof(tenant_id), count(*) FROM pg_temp.wab_tenants GROUP BY 1;
INSERT INTO tenants VALUES (1), (2);
SELECT kind, tenant_id FROM pg_temp.wab_drift ORDER BY 1, 2;
SELECT kind, tenant_id FROM public.wab_drift ORDER BY 1, 2;
SELECT count(*) AS locked FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE l.pid = pg_backend_pid() AND c.relnamespace = 'public'::regnamespace AND l.mode <> 'AccessShareLock' AND c.relkind = 'v';
ROLLBACK;
SELECT to_regclass('pg_temp.wab_drift');
DROP OWNED BY analyst;
DROP ROLE analyst;
