-- Remembers, in an installation without the extension, which functions the schema has before: plain.sql sets the
-- privileges of the others.

DO $$
BEGIN
    PERFORM pg_catalog.set_config('wab_plain.functions_before', coalesce((
        SELECT pg_catalog.array_agg(p.oid)::pg_catalog.text FROM pg_catalog.pg_proc p
        WHERE p.pronamespace OPERATOR(pg_catalog.=) pg_catalog.to_regnamespace('@extschema@')), '{}'), true);
END
$$;
