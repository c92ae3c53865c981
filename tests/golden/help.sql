-- What there is to call and to query.
CREATE EXTENSION pg_wabridges;
CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
SELECT * FROM wab_bind_tenants('tenants');
-- Whoever may connect may ask. Functions that call the provider are there with the extension only.
CREATE ROLE reader_of_help;
SET ROLE reader_of_help;
SELECT * FROM wab_help() WHERE topic IN ('setup', 'drift', 'history') AND name <> 'wab_version';
RESET ROLE;
DROP ROLE reader_of_help;
-- Each has a topic, a purpose in a few words and an example.
SELECT name FROM wab_help() WHERE (purpose <> '' AND example <> '' AND topic <> '') IS NOT TRUE;
SELECT name FROM wab_help() GROUP BY 1 HAVING count(*) > 1;
