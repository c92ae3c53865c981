SELECT l.pid, pg_postmaster_start_time() AS server_since, coalesce(a.usename::text, '?') AS role, a.application_name AS what,
       coalesce(a.client_hostname, host(a.client_addr)) AS host
FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
  AND (l.classid::bigint << 32 | l.objid::bigint) = @extschema@._wab_lock_id('apply')
LIMIT 1
