-- Tests that the binding follows columns, a table and a schema that are renamed.
CREATE EXTENSION pg_wabridges;
SELECT _wab_bound_column('tenant_id') AS unbound;
CREATE SCHEMA shop;
CREATE TABLE shop.tenants (gone int, id text PRIMARY KEY, bridge_id bigint, bridge_status text, state text, tenant_id text);
ALTER TABLE shop.tenants DROP COLUMN gone;
SELECT * FROM wab_bind_tenants('shop.tenants',
    wanted => 'tenants.state = ''AS wanted'' OR id IN (SELECT t.tenant_id FROM shop.tenants t)',
    webhook_url => 'CASE WHEN tenants.state IS NULL THEN ''https://example.com/'' || id END');
ALTER TABLE shop.tenants RENAME COLUMN id TO "tenant no";
ALTER TABLE shop.tenants RENAME COLUMN bridge_id TO bridge;
ALTER TABLE shop.tenants RENAME COLUMN bridge_status TO wa_status;
ALTER TABLE shop.tenants RENAME COLUMN state TO phase;
ALTER TABLE shop.tenants RENAME TO customers;
ALTER SCHEMA shop RENAME TO store;
SELECT tenants, tenant_id, bridge_id, bridge_status, wanted FROM _wab_binding();
SELECT * FROM wab_bind_tenants();
SELECT tenants, tenant_id, bridge_id, bridge_status, wanted, webhook_url FROM wab_tenant_binding;
INSERT INTO store.customers VALUES ('a', NULL, NULL, 'AS wanted'), ('b', NULL, NULL, 'no'), ('c', NULL, NULL, NULL);
SELECT customer_ref, wanted, webhook_url FROM wab_tenants ORDER BY 1;
-- Without an expression for webhook_url there is none afterwards.
SELECT * FROM wab_bind_tenants('store.customers', tenant_id => 'tenant no', bridge_id => 'bridge', bridge_status => 'wa_status', wanted => 'phase IS NULL', webhook_url => '');
ALTER TABLE store.customers RENAME COLUMN phase TO state;
SELECT * FROM wab_bind_tenants();
SELECT wanted, webhook_url FROM wab_tenant_binding;
-- A bound column that is dropped takes the views with it.
SET client_min_messages = warning;
ALTER TABLE store.customers DROP COLUMN bridge;
ALTER TABLE store.customers DROP COLUMN bridge CASCADE;
SELECT wab_summary();
SELECT * FROM wab_bind_tenants();
DROP TABLE store.customers CASCADE;
SELECT wab_summary();
SELECT * FROM wab_bind_tenants();
