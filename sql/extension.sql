-- What only the extension needs: which rows a dump takes along, who may call what, the overloads of Rust functions.

CREATE FUNCTION @extschema@.wab_provision(tenant_id anynonarray, webhook_url text DEFAULT NULL)
RETURNS TABLE (tenant_id text, bridge_id bigint, state text, outcome text)
LANGUAGE sql VOLATILE COST 1000000 ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.tenant_id, p.bridge_id, p.state, p.outcome FROM @extschema@.wab_provision($1::text, $2) p;
$$;

COMMENT ON FUNCTION @extschema@.wab_provision(anynonarray, text) IS 'wab_provision() for tenant ids of another type, such as integer or uuid.';
COMMENT ON FUNCTION @extschema@.wab_provision(text, text) IS 'Provisions a wanted tenant''s bridge, or finds the one it has, and writes bridge_id and status on the tenant row. A ROLLBACK does not undo the provider''s part: the next refresh shows the bridge as unbound and a second call returns it.';
COMMENT ON FUNCTION @extschema@.wab_version() IS 'The version of the compiled library; pg_extension.extversion is that of the SQL.';
COMMENT ON FUNCTION @extschema@.wab_list_instances() IS 'Asks the provider for the whole fleet, one row per bridge. Stores nothing.';
COMMENT ON FUNCTION @extschema@.wab_get_instance(bigint) IS 'Asks the provider about one bridge, its container''s manager included. Stores nothing.';
COMMENT ON FUNCTION @extschema@.wab_delete_instance(bigint, text) IS 'Deletes a bridge at the provider, for good, if the live bridge carries exactly this customer_ref. A ROLLBACK does not undo it.';
COMMENT ON FUNCTION @extschema@.wab_refresh(interval, boolean) IS 'Asks the provider for the whole fleet and stores it. Skipped when the last observation is younger than max_age or another refresh is under way. force believes an empty or shrunken list.';
COMMENT ON FUNCTION @extschema@.wab_poll_status(integer) IS 'Asks up to max_calls bridges for their status: never asked first, then disconnected, then stalest.';
COMMENT ON FUNCTION @extschema@.wab_reconcile(integer) IS 'Refreshes, asks for the statuses that the list did not bring, writes bridge_status on the tenant rows, returns the drift. Never provisions, never deletes.';

ALTER FUNCTION @extschema@.wab_list_instances() COST 1000000 ROWS 1000;
ALTER FUNCTION @extschema@.wab_get_instance(bigint) COST 1000000 ROWS 1;
ALTER FUNCTION @extschema@.wab_provision(text, text) COST 1000000 ROWS 1;
ALTER FUNCTION @extschema@.wab_delete_instance(bigint, text) COST 1000000 ROWS 1;
ALTER FUNCTION @extschema@.wab_refresh(interval, boolean) COST 1000000 ROWS 1;
ALTER FUNCTION @extschema@.wab_poll_status(integer) COST 1000000 ROWS 1;
ALTER FUNCTION @extschema@.wab_reconcile(integer) COST 1000000 ROWS 100;

-- PUBLIC keeps what is pure or only reads what the caller may read: the functions that the views call.
DO $$
DECLARE
    member regprocedure;
BEGIN
    FOR member IN
        SELECT d.objid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid OPERATOR(pg_catalog.=) d.refobjid
        JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) d.objid
        WHERE e.extname OPERATOR(pg_catalog.=) 'pg_wabridges' AND d.deptype OPERATOR(pg_catalog.=) 'e'
          AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
          AND p.proname OPERATOR(pg_catalog.<>) ALL ('{wab_normalize_status,wab_url_encode,wab_lock_id,wab_serves,wab_version}'::pg_catalog.name[])
    LOOP
        EXECUTE pg_catalog.format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', member);
    END LOOP;
END
$$;

SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_bridges', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_bridge_events', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_observations', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_policy', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_declared', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_tenant_binding', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_runs', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_operations', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_summaries', '');
