-- The objects of 0.2.0, which work with this library too, lack the function. A role that may only call one function of a
-- session need not read the bridges.
SELECT pg_catalog.has_function_privilege(pg_catalog.to_regprocedure('@extschema@._wab_require_one_bridge(text)'), 'EXECUTE')
   AND pg_catalog.has_table_privilege('@extschema@.wab_bridges', 'SELECT')
