-- Tests wab_bind_tenants(): its checks, its messages and its quoting of names.
CREATE EXTENSION pg_wabridges;
SELECT * FROM wab_bind_tenants();
SELECT * FROM wab_bind_tenants('nowhere');
CREATE TABLE tenants (id text, status text, slug text);
INSERT INTO tenants VALUES ('a', 'active', 's'), ('b', 'left', 's');
SELECT * FROM wab_bind_tenants('tenants', tenant_id => 'uid');
SELECT * FROM wab_bind_tenants('tenants');
SELECT * FROM wab_bind_tenants('tenants', bridge_id => 'slug');
SELECT * FROM wab_bind_tenants('tenants', tenant_id => 'slug', add_columns => true);
\d tenants
SELECT * FROM wab_bind_tenants('tenants', add_columns => true, wanted => 'status =');
SELECT * FROM wab_bind_tenants('tenants', add_columns => true, wanted => 'stat = 1');
SELECT * FROM wab_bind_tenants('tenants', add_columns => true, wanted => 'status');
SELECT * FROM wab_bind_tenants('tenants', add_columns => true, wanted => 'true); DROP TABLE tenants; SELECT (true');
SELECT * FROM wab_bind_tenants('tenants', add_columns => true, wanted => 'count(*) > 0');
SELECT * FROM wab_bind_tenants('tenants', add_columns => true, webhook_url => '1 + 1');
SELECT * FROM wab_bind_tenants('tenants', add_columns => NULL);
SELECT to_regclass('wab_drift') AS still_unbound;
SELECT * FROM wab_bind_tenants('tenants', add_columns => true, wanted => 'status = ''active'' -- who pays', webhook_url => '''https://example.com/'' || id');
SELECT * FROM wab_tenants ORDER BY 1;
UPDATE wab_tenants SET bridge_id = 7 WHERE tenant_id = 'a';
SELECT * FROM wab_tenants ORDER BY 1;
-- A user's view over wab_drift survives a second binding to a table with the same column types.
CREATE VIEW mine AS SELECT kind FROM wab_drift;
SELECT * FROM wab_bind_tenants('tenants', wanted => 'true');
SELECT * FROM wab_bind_tenants();
-- Columns with types that are too small are refused.
CREATE TABLE narrow (id text, bridge_id integer, bridge_status varchar(10), wide bigint);
SELECT * FROM wab_bind_tenants('narrow');
SELECT * FROM wab_bind_tenants('narrow', bridge_id => 'wide');
-- Names that need quoting, and another type of id; the user must first drop views that depend on the old ones.
CREATE SCHEMA "my app";
CREATE TABLE "my app"."Te""nants" ("I d" integer PRIMARY KEY, "Bridge's id" bigint, "st;at" varchar(20));
INSERT INTO "my app"."Te""nants" VALUES (1), (2);
SELECT * FROM wab_bind_tenants('"my app"."Te""nants"', tenant_id => 'I d', bridge_id => 'Bridge''s id', bridge_status => 'st;at', wanted => '"I d" = 1');
DROP VIEW mine;
SELECT * FROM wab_bind_tenants('"my app"."Te""nants"', tenant_id => 'I d', bridge_id => 'Bridge''s id', bridge_status => 'st;at', wanted => '"I d" = 1');
SELECT tenant_id, pg_typeof(tenant_id), customer_ref, wanted FROM wab_tenants ORDER BY 1;
SELECT kind, tenant_id, detail FROM wab_drift;
SELECT tenants, tenant_id, bridge_id, bridge_status, wanted FROM wab_tenant_binding;
-- Parts of an expression that only look like one, and a table of our own, are refused. A grace beyond the calendar means never.
SELECT * FROM wab_bind_tenants(wanted => 'false) OR (true');
SELECT * FROM wab_bind_tenants(wanted => 'null), (true');
SELECT * FROM wab_bind_tenants('wab_bridges', tenant_id => 'customer_ref', bridge_status => 'status');
SELECT * FROM wab_bind_tenants(0::regclass);
SELECT * FROM wab_bind_tenants('pg_class_oid_index');
CREATE TEMPORARY TABLE passing (id text, bridge_id bigint, bridge_status text);
SELECT * FROM wab_bind_tenants('passing');
UPDATE wab_policy SET awaiting_scan_after = '99999 years';
SELECT count(*) >= 0 AS readable FROM wab_drift;
UPDATE wab_policy SET awaiting_scan_after = NULL;
-- Rows without an id are ignored; a duplicate id is an error.
CREATE TABLE loose (id text, bridge_id bigint, bridge_status text);
INSERT INTO loose VALUES ('x'), (NULL);
SELECT * FROM wab_bind_tenants('loose');
INSERT INTO loose VALUES ('x');
SELECT * FROM wab_bind_tenants('loose');
SET client_min_messages = warning;
DROP TABLE loose CASCADE;
SELECT * FROM wab_bind_tenants();
