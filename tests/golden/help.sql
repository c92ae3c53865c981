-- Tests wab_help(), which lists the functions and views for users.
CREATE EXTENSION pg_wabridges;
CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
SELECT * FROM wab_bind_tenants('tenants');
-- Every role may call it. The list leaves out functions that only the extension has, because this test runs without it too.
CREATE ROLE reader_of_help;
SET ROLE reader_of_help;
SELECT * FROM wab_help() WHERE topic IN ('setup', 'drift', 'history') AND name <> 'wab_version';
RESET ROLE;
DROP ROLE reader_of_help;
-- Each entry has a topic, a short purpose and an example.
SELECT name FROM wab_help() WHERE (purpose <> '' AND example <> '' AND topic <> '') IS NOT TRUE;
SELECT name FROM wab_help() GROUP BY 1 HAVING count(*) > 1;
