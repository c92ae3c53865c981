SELECT EXISTS (SELECT FROM @extschema@.wab_drift d
               WHERE d.bridge_id OPERATOR(pg_catalog.=) $1 AND d.wasted)
