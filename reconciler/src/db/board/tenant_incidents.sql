SELECT h.severity, h.kind, h.bridge_id, h.bridges, h.episodes, h.began_at, h.ended_at, h.incident_id
FROM @extschema@.wab_incident_history h
WHERE h.first_id OPERATOR(pg_catalog.=) ANY (ARRAY(
    SELECT coalesce(e.incident_id, e.episode_id) FROM @extschema@.wab_drift_episodes e
    WHERE e.customer_ref OPERATOR(pg_catalog.=) $1::pg_catalog.text))
ORDER BY h.began_at DESC
LIMIT 50
