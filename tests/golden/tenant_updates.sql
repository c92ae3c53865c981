-- Tests which rows of the tenants table each update reaches: linked and unlinked bridges, and statuses.
CREATE EXTENSION pg_wabridges;
CREATE TABLE tenants (id text PRIMARY KEY, status text NOT NULL DEFAULT 'active', bridge_id bigint, bridge_status text);
INSERT INTO tenants VALUES ('a'), ('b'), ('c');
INSERT INTO tenants VALUES ('left', 'gone', 9, 'paired'), ('left too', 'gone', NULL, 'disconnected');
SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''');
SELECT bridges FROM wab_observe('{1,2,3}', '{a,b,c}', '{running,running,running}', '{connected,qr,NULL}', '{NULL,NULL,NULL}');
SELECT * FROM _wab_link_bridges('{a,b,c,nobody}', '{1,2,3,4}');
SELECT * FROM tenants ORDER BY id;
-- The statuses of some tenants, of some bridges, and of all. That of bridge 3 was never observed.
SELECT * FROM _wab_write_statuses('{b,left}');
SELECT * FROM tenants ORDER BY id;
SELECT * FROM _wab_write_statuses_of('{1,3}');
SELECT * FROM tenants ORDER BY id;
UPDATE tenants SET bridge_status = 'unknown';
SELECT * FROM _wab_write_statuses();
SELECT * FROM tenants ORDER BY id;
-- Rows of tenants that left are cleared, and only those that hold a bridge or a status.
UPDATE tenants SET bridge_status = 'paired' WHERE id = 'left';
SELECT * FROM _wab_unlink_bridges('{a,left}');
SELECT * FROM tenants ORDER BY id;
UPDATE tenants SET bridge_id = 9 WHERE id LIKE 'left%';
SELECT * FROM _wab_unlink_bridges();
SELECT * FROM tenants ORDER BY id;
-- Rows that a trigger keeps are reported.
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER keeps BEFORE UPDATE ON tenants FOR EACH ROW EXECUTE FUNCTION keep();
SELECT * FROM _wab_link_bridges('{a}', '{5}');
SELECT bridges FROM wab_observe('{1,2,3}', '{a,b,c}', '{running,running,running}', '{connected,connected,NULL}', '{NULL,NULL,NULL}');
SELECT * FROM _wab_write_statuses();
-- A warning names ten rows at most.
SELECT _wab_warn_unwritten('{1,2}', '{kept,frozen}');
SELECT _wab_warn_unwritten('{}', '{}');
SELECT _wab_warn_unwritten(array_agg(n::text), array_agg('kept'::text)) FROM generate_series(1, 12) n;
