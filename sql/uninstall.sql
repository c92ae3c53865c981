-- Removes the product from this database: the jobs of sql/cron.sql that run in it, the trigger of sql/signup.sql, and
-- the extension or, without it, the objects of wab init --sql-only. All history is lost, and so are your own views over
-- ours.
-- Your tenants table keeps its columns. Every bridge at the provider stays, and costs money.
-- The roles of sql/roles.sql may have rights in other databases too, so they are left: in each database DROP OWNED BY
-- wab_enqueuer, wab_operator, wab_reader, wab_receiver, wab_support, then once DROP ROLE with the same list.

DO $$
DECLARE
    -- The extension's schema, or a visible one, or the only one that has the objects.
    ours regnamespace := (
        SELECT CASE WHEN pg_catalog.bool_or(e.oid IS NOT NULL OR pg_catalog.pg_table_is_visible(c.oid))
                         OR pg_catalog.count(*) OPERATOR(pg_catalog.=) 1
                    THEN (pg_catalog.array_agg(c.relnamespace
                          ORDER BY e.oid, pg_catalog.pg_table_is_visible(c.oid) DESC))[1] END
        FROM pg_catalog.pg_class c
        LEFT JOIN pg_catalog.pg_extension e ON e.extname OPERATOR(pg_catalog.=) 'pg_wabridges'
                                           AND e.extnamespace OPERATOR(pg_catalog.=) c.relnamespace
        WHERE c.relname OPERATOR(pg_catalog.=) 'wab_tenant_binding' AND c.relkind OPERATOR(pg_catalog.=) 'r');
    path   text := pg_catalog.current_setting('search_path');
    object text;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    IF ours IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '55000',
            MESSAGE = 'this database has no wab_ objects, or has them in several schemas',
            HINT = 'Run it in the database of the fleet; if several schemas have them, name one: SET search_path.';
    END IF;
    IF to_regclass('cron.job') IS NOT NULL THEN
        PERFORM cron.unschedule(j.jobid) FROM cron.job j
        WHERE j.jobname LIKE 'wab-%' AND j.database = current_database();
    END IF;
    IF EXISTS (SELECT FROM pg_extension e WHERE e.extname = 'pg_wabridges') THEN
        DROP EXTENSION pg_wabridges CASCADE;
    END IF;
    -- The rest: the objects of wab init --sql-only, or a view wab_tenants that an older version bound.
    FOREACH object IN ARRAY ARRAY(
        SELECT format('%s IF EXISTS %s', CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, c.oid::regclass)
        FROM pg_class c WHERE c.relnamespace = ours AND c.relname ~ '^_?wab_' AND c.relkind IN ('r', 'v')
        UNION ALL
        SELECT format('ROUTINE IF EXISTS %s', p.oid::regprocedure) FROM pg_proc p
        WHERE p.pronamespace = ours AND p.proname ~ '^_?wab_'
        UNION ALL
        SELECT format('TYPE IF EXISTS %s', t.oid::regtype) FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid
        WHERE t.typnamespace = ours AND t.typname ~ '^_?wab_' AND c.relkind = 'c')
    LOOP
        EXECUTE format('DROP %s CASCADE', object);
    END LOOP;
    PERFORM set_config('search_path', path, true);
END
$$;
