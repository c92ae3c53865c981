-- Creates wab_tenant_history(): all that is recorded about one tenant, in one list.

-- They find a tenant's rows among those of all others in milliseconds. Those on wab_bridge_events leave out changes of
-- status, which are nearly all of its rows: the bridge's other events name its tenant.
CREATE INDEX wab_bridge_events_customer_ref ON @extschema@.wab_bridge_events USING hash (customer_ref)
    WHERE event IN ('appeared', 'disappeared', 'customer_ref');
CREATE INDEX wab_bridge_events_moved ON @extschema@.wab_bridge_events USING hash (was) WHERE event = 'customer_ref';
CREATE INDEX wab_drift_episodes_customer_ref ON @extschema@.wab_drift_episodes USING hash (customer_ref);
CREATE INDEX wab_operations_customer_ref ON @extschema@.wab_operations USING hash (customer_ref);
CREATE INDEX wab_queue_customer_ref ON @extschema@.wab_queue USING hash (customer_ref);

CREATE FUNCTION @extschema@.wab_tenant_history(tenant_id text)
RETURNS TABLE (at timestamptz, event text, bridge_id bigint, by_whom text, detail text)
LANGUAGE plpgsql STABLE ROWS 100 SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_column
DECLARE
    ref text := tenant_id;
BEGIN
    IF coalesce(ref, '') = '' THEN
        RAISE EXCEPTION USING ERRCODE = CASE WHEN ref IS NULL THEN '22004' ELSE '22023' END,
            MESSAGE = 'wab_tenant_history(): tenant_id may be neither null nor empty',
            HINT = 'Name the tenant, such as: SELECT * FROM wab_tenant_history(''acme'');';
    END IF;
    RETURN QUERY
    WITH bridge AS (
        SELECT b.bridge_id FROM @extschema@.wab_bridges b WHERE b.customer_ref = ref
        UNION
        SELECT e.bridge_id FROM @extschema@.wab_bridge_events e
        WHERE e.customer_ref = ref AND e.event IN ('appeared', 'disappeared', 'customer_ref')
        UNION
        SELECT e.bridge_id FROM @extschema@.wab_bridge_events e WHERE e.was = ref AND e.event = 'customer_ref'
    ), observed AS (
        SELECT e.at, e.bridge_id, e.was, e.became, e.reported,
               CASE WHEN e.event = 'status' AND e.since IS NOT NULL THEN 'status mapped' ELSE e.event END AS event,
               bool_or(e.became = 'paired' OR e.was = 'paired') OVER (ORDER BY e.at, e.event_id
                   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) IS TRUE AS was_paired
        FROM bridge b JOIN @extschema@.wab_bridge_events e ON e.bridge_id = b.bridge_id
        WHERE CASE e.event WHEN 'customer_ref' THEN ref IN (e.was, e.became)
                           WHEN 'status' THEN e.customer_ref = ref AND e.was <> e.became
                           ELSE e.customer_ref = ref END
    ), entry AS (
        SELECT q.enqueued_at AS at, 1 AS nth, 'enqueued' AS event, NULL::bigint AS bridge_id,
               q.enqueued_by::text AS by_whom, NULL AS detail
        FROM @extschema@.wab_queue q WHERE q.customer_ref = ref
        UNION ALL
        SELECT q.finished_at, 2, 'refused', NULL, NULL, q.last_error
        FROM @extschema@.wab_queue q WHERE q.customer_ref = ref AND q.outcome = 'refused'
        UNION ALL
        SELECT c.called_at, 3,
               CASE WHEN c.outcome LIKE 'failed%' THEN c.call || ' failed'
                    ELSE CASE c.call WHEN 'provision' THEN 'provisioned' WHEN 'pair' THEN 'pairing code'
                                     WHEN 'logout' THEN 'logged out' WHEN 'delete' THEN 'deleted' END END,
               c.bridge_id, c.called_by::text, concat_ws(', ', c.outcome, 'with ' || nullif(c.application_name, ''))
        FROM @extschema@.wab_calls c WHERE c.customer_ref = ref
        UNION ALL
        SELECT coalesce(o.finished_at, o.started_at), 3,
               CASE WHEN o.outcome = 'done'
                    THEN CASE o.kind WHEN 'provision' THEN 'provisioned' WHEN 'delete' THEN 'deleted' WHEN 'link' THEN 'linked'
                                     WHEN 'unlink' THEN 'unlinked' WHEN 'set_status' THEN 'status written' ELSE o.kind END
                    ELSE concat_ws(' ', o.kind, coalesce(nullif(o.outcome, 'unknown'), 'interrupted')) END,
               o.bridge_id, r.who, concat_ws(', ', o.detail, 'step ' || o.step || ' of a run of ' || r.tool, r.ci_url)
        FROM @extschema@.wab_operations o JOIN @extschema@.wab_runs r ON r.run_id = o.run_id
        WHERE o.customer_ref = ref
        UNION ALL
        SELECT w.nudged_at, 3, 'nudged', NULL, w.nudged_by, w.channel FROM @extschema@.wab_nudges w WHERE w.customer_ref = ref
        UNION ALL
        -- wab pair; that of wab_pair() is among the calls.
        SELECT p.requested_at, 3, 'pairing code', NULL, p.requested_by, 'code'
        FROM @extschema@.wab_pairing_codes p
        WHERE p.customer_ref = ref
          AND NOT EXISTS (SELECT FROM @extschema@.wab_calls c
                          WHERE c.customer_ref = ref AND c.call = 'pair' AND c.called_by = p.requested_by
                            AND p.requested_at BETWEEN c.called_at - interval '5 seconds' AND c.answered_at + interval '5 seconds')
        UNION ALL
        SELECT l.made_at, 3, 'pairing link', l.bridge_id, l.made_by, format('until %s', l.valid_until)
        FROM @extschema@.wab_pairing_links l WHERE l.customer_ref = ref
        UNION ALL
        SELECT l.revoked_at, 3, 'pairing link revoked', l.bridge_id, l.revoked_by, format('of %s', l.made_at)
        FROM @extschema@.wab_pairing_links l WHERE l.customer_ref = ref AND l.revoked_at IS NOT NULL
        UNION ALL
        SELECT s.snoozed_at, 3, 'snoozed', NULL, s.snoozed_by,
               concat_ws(', ', s.kind, format('until %s', s.until), s.reason)
        FROM @extschema@.wab_snoozes s WHERE s.customer_ref = ref
        UNION ALL
        SELECT a.acknowledged_at, 3, 'acknowledged', NULL, a.acknowledged_by, concat_ws(', ', a.incident_id, a.note)
        FROM @extschema@.wab_acknowledgements a
        WHERE a.incident_id IN (SELECT d.kind || '-' || coalesce(d.incident_id, d.episode_id)
                                FROM @extschema@.wab_drift_episodes d WHERE d.customer_ref = ref)
        UNION ALL
        SELECT o.at, 4,
               CASE o.event WHEN 'disappeared' THEN 'removed'
                            WHEN 'customer_ref' THEN 'moved'
                            WHEN 'status' THEN
                                CASE o.became WHEN 'disconnected' THEN 'lost'
                                              WHEN 'paired' THEN CASE WHEN o.was_paired THEN 're-paired' ELSE 'paired' END
                                              WHEN 'awaiting_scan' THEN 'awaiting scan'
                                              ELSE o.became END
                            ELSE o.event END,
               -- A person confirmed the webhook; of any other event, reported is what the provider said.
               o.bridge_id, CASE o.event WHEN 'webhook' THEN o.reported END,
               CASE o.event WHEN 'webhook' THEN format('%s, was %s', o.became, coalesce(o.was, 'none'))
                            WHEN 'customer_ref' THEN
                                CASE WHEN o.became = ref THEN 'from ' || coalesce(o.was, 'no customer_ref')
                                     ELSE 'to ' || coalesce(o.became, 'no customer_ref') END
                            WHEN 'appeared' THEN o.became
                            WHEN 'disappeared' THEN 'was ' || o.was
                            ELSE format('%s, was %s', coalesce(o.reported, o.became, 'none'), coalesce(o.was, 'none')) END
        FROM observed o
        UNION ALL
        -- status_drift lasts from each change of status until it is written on the tenant row.
        SELECT x.at, 5, x.event, d.bridge_id, NULL, d.kind
        FROM @extschema@.wab_drift_episodes d
        CROSS JOIN LATERAL (VALUES (d.began_at, 'drift'), (d.ended_at, 'drift ended')) AS x(at, event)
        WHERE d.customer_ref = ref AND d.kind <> 'status_drift' AND x.at IS NOT NULL
    )
    SELECT n.at, n.event, n.bridge_id, n.by_whom, n.detail FROM entry n ORDER BY n.at, n.nth, n.bridge_id, n.event;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_tenant_history(text) IS
    'All that is recorded about one tenant, in the order of time: enqueued, provisioned and by whom, paired, lost, '
    're-paired, status mapped (wab_status_words changed), nudged, pairing codes, pairing links made and revoked, snoozed, '
    'acknowledged, moved to or from another customer_ref, removed, steps of wab apply, and the drift. by_whom is the '
    'session_user of an SQL call, or the user and host of a run; null for what was observed. Returns no row for a tenant '
    'of which nothing is recorded.';

CREATE FUNCTION @extschema@.wab_tenant_history(tenant_id anynonarray)
RETURNS TABLE (at timestamptz, event text, bridge_id bigint, by_whom text, detail text)
LANGUAGE sql STABLE ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$ SELECT h.at, h.event, h.bridge_id, h.by_whom, h.detail FROM @extschema@.wab_tenant_history($1::text) h; $$;
COMMENT ON FUNCTION @extschema@.wab_tenant_history(anynonarray) IS
    'wab_tenant_history() for tenant ids of another type, such as integer or uuid.';
