-- Each is the end of an index, or a table of a few rows. Drift that a change in the tenants table makes is seen with the next
-- observation, or when a page is loaded again.
SELECT pg_catalog.concat_ws(' ',
    (SELECT pg_catalog.max(o.observed_at) FROM @extschema@.wab_observations o),
    (SELECT pg_catalog.max(e.event_id) FROM @extschema@.wab_bridge_events e),
    (SELECT pg_catalog.max(d.episode_id) FROM @extschema@.wab_drift_episodes d),
    (SELECT pg_catalog.max(d.ended_at) FROM @extschema@.wab_drift_episodes d WHERE d.ended_at IS NOT NULL),
    (SELECT pg_catalog.max(n.nudge_id) FROM @extschema@.wab_nudges n),
    (SELECT pg_catalog.max(c.code_id) FROM @extschema@.wab_pairing_codes c),
    (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', j.job, j.succeeded_at, j.failed_at), ' ' ORDER BY j.job)
     FROM @extschema@.wab_jobs j),
    (SELECT pg_catalog.count(*) FROM @extschema@.wab_queue q WHERE q.finished_at IS NULL),
    (SELECT pg_catalog.concat_ws(' ', pg_catalog.max(r.started_at), pg_catalog.max(r.finished_at)) FROM @extschema@.wab_runs r),
    (SELECT pg_catalog.concat_ws(' ', pg_catalog.max(s.snooze_id), pg_catalog.max(s.until)) FROM @extschema@.wab_snoozes s),
    (SELECT pg_catalog.max(a.acknowledged_at) FROM @extschema@.wab_acknowledgements a)
) AS changes
