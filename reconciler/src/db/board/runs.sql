SELECT r.run_id::pg_catalog.text AS run_id, r.started_at, r.finished_at, r.who, r.steps, r.outcome, r.git_sha, r.ci_url, r.tool
FROM @extschema@.wab_runs r
ORDER BY r.started_at DESC, r.run_id
LIMIT $1::pg_catalog.int8
