SELECT p.kind, format('%s, begins after %s, ends after %s, %s', p.severity, p.begins_after, p.ends_after,
                      CASE WHEN p.alerts THEN 'alerts' ELSE 'no alerts' END)
FROM @extschema@.wab_incident_policy p WHERE p.kind = ANY ($1) ORDER BY p.kind
