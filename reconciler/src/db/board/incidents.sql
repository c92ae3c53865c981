SELECT i.severity, i.kind, i.customer_ref, i.bridge_id, i.bridges, i.lasting, i.episodes, i.began_at, i.state, i.next_step,
       i.snoozed_until, i.snoozed_by, i.snooze_reason, i.acknowledged_by, i.note, i.incident_id
FROM @extschema@.wab_incidents i
ORDER BY i.state OPERATOR(pg_catalog.<>) 'open',
         pg_catalog.array_position('{critical,warning,info}'::pg_catalog.text[], i.severity), i.began_at, i.incident_id
LIMIT $1::pg_catalog.int8
