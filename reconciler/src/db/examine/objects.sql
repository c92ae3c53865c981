SELECT (SELECT e.extversion FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
        WHERE e.extname = 'pg_wabridges' AND n.nspname = $1) AS extension,
       to_regprocedure(format('%I.wab_version()', $1::text)) IS NOT NULL AS says_version
