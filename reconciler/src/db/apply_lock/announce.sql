SELECT pg_catalog.pg_backend_pid() AS pid, pg_catalog.clock_timestamp() AS taken_at,
       pg_catalog.pg_postmaster_start_time() AS server_since,
       pg_catalog.set_config('application_name', pg_catalog.left($1, 36) ||
    pg_catalog.to_char(pg_catalog.timezone('UTC', pg_catalog.clock_timestamp()), '" since "YYYY-MM-DD HH24:MI" UTC"'), true)
