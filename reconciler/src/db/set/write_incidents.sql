UPDATE @extschema@.wab_incident_policy p
SET severity = r.severity, begins_after = make_interval(secs => r.begins_after), ends_after = make_interval(secs => r.ends_after),
    alerts = r.alerts
FROM unnest($1::text[], $2::text[], $3::float8[], $4::float8[], $5::boolean[])
         AS r(kind, severity, begins_after, ends_after, alerts)
JOIN @extschema@._wab_incident_defaults d ON d.kind = r.kind
WHERE p.kind = r.kind
  -- Null stands for the default.
  AND (p.severity, p.begins_after, p.ends_after, p.alerts) IS DISTINCT FROM
      (coalesce(r.severity, d.severity), coalesce(make_interval(secs => r.begins_after), d.begins_after),
       coalesce(make_interval(secs => r.ends_after), d.ends_after), coalesce(r.alerts, d.alerts))
