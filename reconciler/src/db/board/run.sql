SELECT r.run_id::pg_catalog.text AS run_id, r.started_at, r.finished_at, r.who, r.steps, r.outcome, r.git_sha, r.ci_url, r.tool,
       r.plan_sha256
FROM @extschema@.wab_runs r
WHERE r.run_id::pg_catalog.text OPERATOR(pg_catalog.=) $1::pg_catalog.text
