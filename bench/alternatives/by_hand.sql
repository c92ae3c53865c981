-- Counts drift by kind with the joins and conditions of wab_drift on the bare tables, as a user would write this one query.
-- The delays are those of the scene, longer than a measurement. Kinds that the scene has not switched on are left out: outside,
-- phone_unexpected and silent.
SELECT k.kind, k.count FROM (
    SELECT count(*) FILTER (WHERE coalesce(t.status = 'active', false) AND b.bridge_id IS NULL) AS missing,
           count(*) FILTER (WHERE t.id IS NOT NULL AND b.bridge_id IS NOT NULL AND b.bridge_id IS DISTINCT FROM t.bridge_id) AS unbound,
           count(*) FILTER (WHERE t.id IS NOT NULL AND b.status <> 'unknown' AND b.status IS DISTINCT FROM t.bridge_status) AS status_drift,
           count(*) FILTER (WHERE b.bridge_id IS NOT NULL AND t.id IS NULL AND d.kind IS NULL) AS orphaned,
           count(*) FILTER (WHERE b.bridge_id IS NOT NULL AND t.status <> 'active' AND d.kind IS NULL) AS churned,
           count(*) FILTER (WHERE b.duplicated) AS duplicate,
           count(*) FILTER (WHERE t.status = 'active' AND b.status = 'disconnected' AND b.status_since < now() - interval '1 year') AS disconnected,
           count(*) FILTER (WHERE t.status = 'active' AND b.status = 'awaiting_scan' AND b.status_since < now() - interval '1 year') AS awaiting_scan,
           count(*) FILTER (WHERE t.status <> 'active' AND b.bridge_id IS NULL AND d.kind IS NULL AND (t.bridge_id IS NOT NULL
                                  OR t.bridge_status IN ('paired', 'awaiting_scan', 'disconnected'))) AS stale_binding,
           count(*) FILTER (WHERE b.status = 'unknown' AND b.raw_status IS NOT NULL) AS unmapped_status,
           count(*) FILTER (WHERE b.state <> 'running') AS state,
           count(*) FILTER (WHERE b.webhook_url <> coalesce('https://hooks.example.com/' || wab_url_encode(t.id), d.webhook_url)) AS webhook,
           count(*) FILTER (WHERE t.status = 'active' AND b.status_since > now() - interval '1 hour'
                                  AND (SELECT count(*) FROM wab_bridge_events e WHERE e.bridge_id = b.bridge_id AND e.event = 'status'
                                         AND e.was <> e.became AND e.at > now() - interval '1 hour') >= 5) AS flapping,
           count(*) FILTER (WHERE t.status = 'active' AND b.status = 'paired'
                                  AND b.bridge_id IN (SELECT p.bridge_id FROM wab_phones p WHERE p.previous_phone IS NOT NULL
                                                        AND p.phone_since > now() - interval '7 days')) AS phone_changed,
           count(*) FILTER (WHERE b.status = 'paired'
                                  AND b.bridge_id IN (SELECT p.bridge_id FROM wab_phones p JOIN wab_phones o
                                                        ON o.phone_hash = p.phone_hash AND o.bridge_id <> p.bridge_id)) AS phone_shared
    FROM tenants t
    FULL JOIN wab_bridges b ON b.customer_ref = t.id
    FULL JOIN wab_declared d ON d.customer_ref = coalesce(t.id, b.customer_ref)
) c, LATERAL (VALUES ('missing', c.missing), ('unbound', c.unbound), ('status_drift', c.status_drift), ('orphaned', c.orphaned),
                     ('churned', c.churned), ('duplicate', c.duplicate), ('stale_binding', c.stale_binding), ('unmapped_status', c.unmapped_status), ('disconnected', c.disconnected),
                     ('awaiting_scan', c.awaiting_scan), ('state', c.state), ('webhook', c.webhook),
                     ('flapping', c.flapping), ('phone_changed', c.phone_changed), ('phone_shared', c.phone_shared)) AS k(kind, count)
WHERE k.count > 0
