SELECT EXISTS (SELECT FROM @extschema@.wab_drift d
               WHERE d.bridge_id = $1 AND d.wasted)
