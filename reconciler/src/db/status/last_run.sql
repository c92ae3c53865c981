SELECT r.run_id::text, r.started_at, r.finished_at, r.who, r.git_sha, r.ci_url,
       r.plan_sha256, r.steps,
       coalesce(r.outcome, CASE WHEN $1 THEN 'running' ELSE 'interrupted' END) AS outcome
FROM @extschema@.wab_runs r ORDER BY r.started_at DESC LIMIT 1
