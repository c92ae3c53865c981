-- Whether this server has the run, and the numbers of its steps that have an outcome here.
SELECT EXISTS (SELECT FROM @extschema@.wab_runs r WHERE r.run_id = $1),
       ARRAY(SELECT o.step FROM @extschema@.wab_operations o WHERE o.run_id = $1 AND o.finished_at IS NOT NULL)
