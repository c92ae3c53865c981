-- Compares customer_refs with the expression that says which of them are this database's.
CREATE EXTENSION pg_wabridges;
CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
INSERT INTO tenants VALUES ('prod-1');
SELECT _wab_customer_refs(), _wab_is_ours('stg-1'), _wab_is_ours(NULL);
SELECT * FROM wab_bind_tenants('tenants', customer_refs => 'prod-.*|demo');
SELECT _wab_customer_refs();
SELECT r.ref, _wab_is_ours(r.ref) FROM (VALUES ('prod-1'), ('demo'), ('demo2'), ('xprod-1'), ('PROD-1'), (E'prod-1\nx'), (E'x\nprod-1'),
    (''), (NULL)) AS r(ref);
SELECT _wab_require_ours('prod-2');
SELECT _wab_require_ours('stg-2');
-- Only bridges inside are stored; the others are counted.
SELECT bridges, appeared FROM wab_observe('{1,2,3}', '{prod-1,stg-2,NULL}', '{running,running,running}', '{connected,qr,NULL}',
    '{NULL,NULL,NULL}');
SELECT bridge_id FROM wab_bridges;
SELECT bridges, statuses, outside, mirrored FROM wab_observations;
-- Another expression takes effect at once, and with the next listing.
SELECT * FROM wab_bind_tenants(customer_refs => '(prod-.*)?');
SELECT bridges, appeared FROM wab_observe('{1,2,3}', '{prod-1,stg-2,NULL}', '{running,running,running}', '{connected,qr,NULL}',
    '{NULL,NULL,NULL}');
SELECT * FROM wab_bind_tenants(customer_refs => 'prod-.*');
SELECT bridge_id FROM wab_bridges;
SELECT bridge_id, event FROM wab_bridge_events;
SELECT * FROM wab_bind_tenants(customer_refs => 'prod-');
SELECT * FROM wab_bind_tenants(customer_refs => 'prod-(');
