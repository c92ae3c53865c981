INSERT INTO @extschema@.wab_runs (run_id, who, tool, git_sha, ci_url, plan_sha256, steps)
VALUES ($1, $2, $3, $4, $5, $6, $7)
