-- Both times are late by the delay of their own statement. Without greatest() a short step could end before it began.
UPDATE @extschema@.wab_operations
SET finished_at = greatest(started_at, clock_timestamp() - make_interval(secs => $6)), outcome = $3, detail = $4,
    bridge_id = coalesce($5, bridge_id)
WHERE run_id = $1 AND step = $2
