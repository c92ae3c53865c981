-- Tests the writer of tenant rows: what it writes, exchanges, leaves alone, and reports.
CREATE EXTENSION pg_wabridges;
CREATE TABLE tenants (id integer PRIMARY KEY, bridge_id bigint UNIQUE, bridge_status text NOT NULL DEFAULT 'unknown');
INSERT INTO tenants SELECT generate_series(1, 5);
SELECT _wab_binding_path();
SELECT * FROM wab_bind_tenants('tenants');
SELECT _wab_binding_path();
SELECT * FROM wab_bind_tenants('tenants', resolved_in => 'evil, pg_catalog, public');
SELECT _wab_binding_path();
-- Both columns, one column, the same values again, and clearing.
SELECT * FROM _wab_write_rows('{1,2,3}', '{11,12,13}', '{paired,paired,disconnected}');
SELECT * FROM _wab_link_bridges('{3}', '{14}');
SELECT xmin AS before FROM tenants WHERE id = 1 \gset
SELECT * FROM _wab_write_rows('{1}', '{11}', '{paired}');
SELECT xmin = :'before' AS untouched FROM tenants WHERE id = 1;
SELECT * FROM _wab_write_rows('{3}', '{NULL}', '{NULL}');
SELECT * FROM tenants ORDER BY id;
-- Ids that rows hold for each other, an id that another row holds, and a tenant without a row.
SELECT * FROM _wab_link_bridges('{1,2,3,4,x}', '{12,11,13,15,16}');
SELECT * FROM tenants ORDER BY id;
SELECT * FROM _wab_link_bridges('{5,4}', '{11,16}');
SELECT * FROM _wab_stored_rows('{5,4}');
SELECT * FROM _wab_stored_rows(NULL, '{11,12}') ORDER BY 1;
-- Rows that are kept or refused.
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id = 1 THEN RETURN NULL; ELSIF NEW.id = 2 THEN RAISE 'frozen'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keeps BEFORE UPDATE ON tenants FOR EACH ROW EXECUTE FUNCTION keep();
SELECT _wab_kept_by();
SELECT * FROM _wab_write_rows('{1,2,3}', NULL, '{disconnected,disconnected,disconnected}');
SELECT * FROM tenants ORDER BY id;
