SELECT p.kind,
       extract(epoch FROM clock_timestamp() - coalesce(p.finished_at, p.started_at))::float8 AS ago
FROM @extschema@.wab_operations p
WHERE p.kind IN ('provision', 'delete')
  AND coalesce(p.finished_at, p.started_at) > clock_timestamp() - make_interval(secs => $1)
UNION ALL
SELECT 'pair', extract(epoch FROM clock_timestamp() - c.requested_at)::float8
FROM @extschema@.wab_pairing_codes c
WHERE c.requested_at > clock_timestamp() - make_interval(secs => $1)
