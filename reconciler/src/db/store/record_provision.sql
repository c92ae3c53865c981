SELECT @extschema@._wab_record_provision($1, $2, $3, $4,
    CASE WHEN NOT EXISTS (SELECT FROM @extschema@.wab_bridges b WHERE b.bridge_id = $2) THEN $5 END,
    coalesce(clock_timestamp() - make_interval(secs => $6), statement_timestamp()))
