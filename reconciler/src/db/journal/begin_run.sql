INSERT INTO @extschema@.wab_runs (run_id, who, tool, git_sha, ci_url, plan_sha256, steps, started_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp() - make_interval(secs => $8))
ON CONFLICT (run_id) DO NOTHING
