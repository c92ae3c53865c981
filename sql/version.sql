-- Creates wab_version() for installations without the library: it returns the version of the wab that ran
-- init --sql-only.

CREATE FUNCTION @extschema@.wab_version() RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN '@version@';
COMMENT ON FUNCTION @extschema@.wab_version IS
    'The version of the wab that installed these objects with init --sql-only.';
