SELECT bool_and(has_table_privilege(c.oid, p.privilege)) AND has_function_privilege(
           '@extschema@._wab_store_listing(bigint[], text[], text[], text[], timestamptz[], bigint[], integer, integer, '
           'text, timestamptz, text, integer, boolean)', 'EXECUTE')
FROM unnest(ARRAY['@extschema@.wab_bridges'::regclass, '@extschema@.wab_observations', '@extschema@.wab_bridge_events',
                  '@extschema@.wab_declared', '@extschema@._wab_policy']) c(oid)
CROSS JOIN unnest('{INSERT,UPDATE,DELETE}'::text[]) p(privilege)
