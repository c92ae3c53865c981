SELECT w.observed_at, w.failing_job, w.last_error, w.last_error_at,
       (SELECT EXISTS (SELECT FROM @extschema@.wab_incidents i WHERE i.kind OPERATOR(pg_catalog.=) 'unobserved')) AS is_unobserved
FROM @extschema@.wab_status w
