-- Which version was installed where there is no library to ask: the version of the wab that ran init --sql-only.

CREATE FUNCTION @extschema@.wab_version() RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN '@version@';
COMMENT ON FUNCTION @extschema@.wab_version IS 'The version of wab whose init --sql-only installed this.';
