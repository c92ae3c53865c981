SELECT @extschema@._wab_record_phone($1, $2, $3, $4, clock_timestamp() - make_interval(secs => $5))
