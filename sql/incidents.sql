-- Creates the incidents, which a person acts on. Drift that a program acts on is in wab_drift. An incident is drift of one
-- kind that lasted for a while; short recoveries do not end it, and what began on many bridges together is one incident.

-- The condition on the episodes of an incident is pushed down to the index on the same expression.
CREATE VIEW @extschema@._wab_incident_spans AS
SELECT coalesce(e.incident_id, e.episode_id) AS first_id, e.kind,
       CASE WHEN min(e.subject) = max(e.subject) THEN min(e.customer_ref) END AS customer_ref,
       CASE WHEN min(e.subject) = max(e.subject) THEN min(e.bridge_id) END AS bridge_id,
       count(DISTINCT e.subject) AS bridges, count(*) FILTER (WHERE e.ended_at IS NULL) AS lasting, count(*) AS episodes,
       min(e.began_at) AS began_at, max(e.ended_at) AS last_ended_at
FROM @extschema@.wab_drift_episodes e
GROUP BY coalesce(e.incident_id, e.episode_id), e.kind;

COMMENT ON VIEW @extschema@._wab_incident_spans IS 'The episodes of drift that belong together, one row per incident.';
COMMENT ON COLUMN @extschema@._wab_incident_spans.first_id IS 'The episode_id of its first episode.';
COMMENT ON COLUMN @extschema@._wab_incident_spans.kind IS 'The kind of drift.';
COMMENT ON COLUMN @extschema@._wab_incident_spans.customer_ref IS 'The customer_ref; null for several bridges.';
COMMENT ON COLUMN @extschema@._wab_incident_spans.bridge_id IS 'The bridge; null for several, and for none.';
COMMENT ON COLUMN @extschema@._wab_incident_spans.bridges IS 'Bridges, or tenants without one, that it has or had.';
COMMENT ON COLUMN @extschema@._wab_incident_spans.lasting IS 'Of these, those with the drift now.';
COMMENT ON COLUMN @extschema@._wab_incident_spans.episodes IS 'Episodes of drift.';
COMMENT ON COLUMN @extschema@._wab_incident_spans.began_at IS 'When the first episode began.';
COMMENT ON COLUMN @extschema@._wab_incident_spans.last_ended_at IS 'When the last ended episode ended.';

CREATE VIEW @extschema@.wab_incident_history AS
SELECT s.kind || '-' || s.first_id AS incident_id, p.severity, s.kind, s.customer_ref, s.bridge_id, s.bridges, s.lasting,
       s.episodes, s.began_at,
       CASE WHEN s.lasting = 0 AND (s.last_ended_at <= now() - p.ends_after OR p.ends_after = interval '0')
            THEN s.last_ended_at END AS ended_at,
       s.first_id
FROM @extschema@._wab_incident_spans s JOIN @extschema@.wab_incident_policy p ON p.kind = s.kind
WHERE CASE WHEN s.lasting = 0 THEN s.last_ended_at ELSE now() END >= s.began_at + p.begins_after
   OR (s.lasting > 0 AND p.begins_after = interval '0');

COMMENT ON VIEW @extschema@.wab_incident_history IS
    'All incidents of the remaining history, one row each; those that last have no ended_at.';
COMMENT ON COLUMN @extschema@.wab_incident_history.incident_id IS 'The incident''s own id; it never changes.';
COMMENT ON COLUMN @extschema@.wab_incident_history.severity IS 'critical, warning or info, by wab_incident_policy.';
COMMENT ON COLUMN @extschema@.wab_incident_history.kind IS 'The kind of drift, as in wab_drift.';
COMMENT ON COLUMN @extschema@.wab_incident_history.customer_ref IS
    'The tenant''s id as text, or the customer_ref of the bridge; null for an incident of several bridges.';
COMMENT ON COLUMN @extschema@.wab_incident_history.bridge_id IS 'The bridge; null for several, and for none.';
COMMENT ON COLUMN @extschema@.wab_incident_history.bridges IS 'Bridges, or tenants without one, that it has or had.';
COMMENT ON COLUMN @extschema@.wab_incident_history.lasting IS 'Of these, those with the drift now.';
COMMENT ON COLUMN @extschema@.wab_incident_history.episodes IS
    'How often the drift began: more than one per bridge if it recovered for less than ends_after.';
COMMENT ON COLUMN @extschema@.wab_incident_history.began_at IS 'When the drift was first found.';
COMMENT ON COLUMN @extschema@.wab_incident_history.ended_at IS
    'When the drift was last found to have ended; null until it stayed away for wab_incident_policy.ends_after.';
COMMENT ON COLUMN @extschema@.wab_incident_history.first_id IS
    'Its first row of wab_drift_episodes; the other rows have it as incident_id.';

-- A fleet that nobody observes has no drift that begins. This incident needs no job: whoever asks finds it.
CREATE VIEW @extschema@._wab_unobserved AS
SELECT 'unobserved-' || floor(extract(epoch FROM o.at))::bigint AS incident_id, o.at + p.unobserved_after AS began_at, o.at
FROM @extschema@.wab_policy p
CROSS JOIN LATERAL (
    SELECT coalesce((SELECT max(l.observed_at) FROM @extschema@.wab_observations l WHERE l.observed_at <= now()),
                    (SELECT b.bound_at FROM @extschema@.wab_tenant_binding b))) AS o(at)
WHERE now() - o.at > p.unobserved_after;

COMMENT ON VIEW @extschema@._wab_unobserved IS
    'One row while there was no observation for longer than wab_policy.unobserved_after.';
COMMENT ON COLUMN @extschema@._wab_unobserved.incident_id IS 'The id of that incident, as in wab_incidents.';
COMMENT ON COLUMN @extschema@._wab_unobserved.began_at IS 'When the time was over.';
COMMENT ON COLUMN @extschema@._wab_unobserved.at IS 'The last observation; before the first, when the tenants table was bound.';

CREATE VIEW @extschema@.wab_incidents AS
SELECT i.incident_id, i.severity, i.kind, i.customer_ref, i.bridge_id, i.bridges, i.lasting, i.episodes, i.began_at,
       CASE WHEN i.lasting = 0 THEN 'recovering' WHEN z.until IS NOT NULL THEN 'snoozed'
            WHEN a.acknowledged_at IS NOT NULL THEN 'acknowledged' ELSE 'open' END AS state,
       CASE WHEN i.bridges > 1 AND i.kind <> 'unobserved'
            THEN format('see the bridges: SELECT * FROM wab_incident_bridges WHERE incident_id = %L', i.incident_id)
            ELSE replace(replace(p.next_step, '{tenant}', coalesce(quote_literal(i.customer_ref), '...')),
                         '{bridge}', coalesce(i.bridge_id::text, '...')) END AS next_step,
       z.until AS snoozed_until, z.snoozed_by, z.reason AS snooze_reason, a.acknowledged_at, a.acknowledged_by, a.note
FROM (SELECT h.incident_id, h.severity, h.kind, h.customer_ref, h.bridge_id, h.bridges, h.lasting, h.episodes, h.began_at
      FROM @extschema@.wab_incident_history h
      WHERE h.ended_at IS NULL
        AND h.first_id = ANY (ARRAY(
            SELECT coalesce(e.incident_id, e.episode_id) FROM @extschema@.wab_drift_episodes e WHERE e.ended_at IS NULL
            UNION
            SELECT coalesce(e.incident_id, e.episode_id) FROM @extschema@.wab_drift_episodes e
            WHERE e.ended_at > now() - (SELECT max(l.ends_after) FROM @extschema@.wab_incident_policy l)))
      UNION ALL
      SELECT u.incident_id, l.severity, l.kind, NULL::text AS customer_ref, NULL::bigint AS bridge_id,
             (SELECT count(*) FROM @extschema@.wab_bridges) AS bridges, 1::bigint AS lasting, 1::bigint AS episodes, u.began_at
      FROM @extschema@._wab_unobserved u JOIN @extschema@.wab_incident_policy l ON l.kind = 'unobserved'
     ) i
JOIN @extschema@.wab_incident_policy p ON p.kind = i.kind
LEFT JOIN LATERAL (
    SELECT s.until, s.snoozed_by, s.reason
    FROM (SELECT o.kind, o.until, o.snoozed_by, o.reason FROM @extschema@.wab_snoozes o WHERE o.customer_ref = i.customer_ref
          UNION ALL
          SELECT l.kind, l.until, l.snoozed_by, l.reason FROM @extschema@.wab_snoozes l WHERE l.customer_ref IS NULL) s
    WHERE s.until > now() AND (s.kind IS NULL OR s.kind = i.kind)
    ORDER BY s.until DESC LIMIT 1) z ON true
LEFT JOIN LATERAL (
    SELECT k.acknowledged_at, k.acknowledged_by, k.note FROM @extschema@.wab_acknowledgements k
    WHERE k.incident_id = i.incident_id ORDER BY k.acknowledged_at DESC LIMIT 1) a ON true;

COMMENT ON VIEW @extschema@.wab_incidents IS
    'What a person should act on: one row per incident that lasts. wab_incident_policy says when drift is an incident; '
    'wab_incident_bridges has the bridges of each.';
COMMENT ON COLUMN @extschema@.wab_incidents.incident_id IS 'The incident''s own id; it never changes.';
COMMENT ON COLUMN @extschema@.wab_incidents.severity IS 'critical, warning or info, by wab_incident_policy.';
COMMENT ON COLUMN @extschema@.wab_incidents.kind IS
    'The kind of drift, as in wab_drift; or unobserved: there was no observation for longer than '
    'wab_policy.unobserved_after.';
COMMENT ON COLUMN @extschema@.wab_incidents.customer_ref IS
    'The tenant''s id as text, or the customer_ref of the bridge; null for an incident of several bridges.';
COMMENT ON COLUMN @extschema@.wab_incidents.bridge_id IS 'The bridge; null for several, and for none.';
COMMENT ON COLUMN @extschema@.wab_incidents.bridges IS
    'Bridges, or tenants without one, that it has or had: more than 1 if the drift began on many together.';
COMMENT ON COLUMN @extschema@.wab_incidents.lasting IS 'Of these, those with the drift now.';
COMMENT ON COLUMN @extschema@.wab_incidents.episodes IS
    'How often the drift began: more than one per bridge if it recovered for less than wab_incident_policy.ends_after.';
COMMENT ON COLUMN @extschema@.wab_incidents.began_at IS 'When the drift was first found.';
COMMENT ON COLUMN @extschema@.wab_incidents.state IS
    'open; acknowledged: a person takes care of it; snoozed: it sends no alert before snoozed_until; recovering: the drift '
    'is gone, but not yet for wab_incident_policy.ends_after.';
COMMENT ON COLUMN @extschema@.wab_incidents.next_step IS 'What a person does about it, by wab_incident_policy.';
COMMENT ON COLUMN @extschema@.wab_incidents.snoozed_until IS 'When the longest present snooze ends; null without one.';
COMMENT ON COLUMN @extschema@.wab_incidents.snoozed_by IS 'The role that snoozed it.';
COMMENT ON COLUMN @extschema@.wab_incidents.snooze_reason IS 'Why it is snoozed.';
COMMENT ON COLUMN @extschema@.wab_incidents.acknowledged_at IS 'When it was last acknowledged; null if it was not.';
COMMENT ON COLUMN @extschema@.wab_incidents.acknowledged_by IS 'Who acknowledged it.';
COMMENT ON COLUMN @extschema@.wab_incidents.note IS 'What that person wrote.';

CREATE VIEW @extschema@.wab_incident_bridges AS
SELECT e.kind || '-' || coalesce(e.incident_id, e.episode_id) AS incident_id, e.kind, e.customer_ref, e.bridge_id,
       min(e.began_at) AS began_at, count(*) AS episodes, bool_or(e.ended_at IS NULL) AS lasts
FROM @extschema@.wab_drift_episodes e
WHERE coalesce(e.incident_id, e.episode_id) IN (
    SELECT coalesce(o.incident_id, o.episode_id) FROM @extschema@.wab_drift_episodes o WHERE o.ended_at IS NULL)
GROUP BY coalesce(e.incident_id, e.episode_id), e.kind, e.subject, e.customer_ref, e.bridge_id;

COMMENT ON VIEW @extschema@.wab_incident_bridges IS
    'The bridges, or tenants without one, of each incident with present drift, one row each.';
COMMENT ON COLUMN @extschema@.wab_incident_bridges.incident_id IS 'As in wab_incidents.';
COMMENT ON COLUMN @extschema@.wab_incident_bridges.kind IS 'The kind of drift, as in wab_drift.';
COMMENT ON COLUMN @extschema@.wab_incident_bridges.customer_ref IS
    'The tenant''s id as text, or the customer_ref of the bridge.';
COMMENT ON COLUMN @extschema@.wab_incident_bridges.bridge_id IS 'The bridge; null for a tenant without one.';
COMMENT ON COLUMN @extschema@.wab_incident_bridges.began_at IS 'When its drift was first found.';
COMMENT ON COLUMN @extschema@.wab_incident_bridges.episodes IS 'How often the drift began.';
COMMENT ON COLUMN @extschema@.wab_incident_bridges.lasts IS 'Whether it has the drift now.';

-- Since PostgreSQL 15 a view can read with the rights of the caller; before 15 it reads with those of its owner.
DO $$
DECLARE
    name text;
BEGIN
    IF pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.>=) 150000 THEN
        FOREACH name IN ARRAY '{_wab_incident_defaults,wab_incident_policy,_wab_incident_spans,wab_incident_history,_wab_unobserved,wab_incidents,
                                wab_incident_bridges}'::text[]
        LOOP
            EXECUTE pg_catalog.format('ALTER VIEW @extschema@.%I SET (security_invoker = true)', name);
        END LOOP;
    END IF;
END
$$;

-- A tenant is known by its row, its bridge, or a declaration.
CREATE FUNCTION @extschema@._wab_require_tenant(customer_ref text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
BEGIN
    IF EXISTS (SELECT FROM @extschema@.wab_bridges b WHERE b.customer_ref = customer_ref)
       OR EXISTS (SELECT FROM @extschema@.wab_declared d WHERE d.customer_ref = customer_ref) THEN
        RETURN;
    ELSIF to_regclass('@extschema@.wab_tenants') IS NOT NULL
          AND EXISTS (SELECT FROM @extschema@._wab_stored_rows(ARRAY[customer_ref])) THEN
        RETURN;
    END IF;
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'no such tenant',
        DETAIL = format('tenant_id: %s', left(customer_ref, 200)),
        HINT = 'Neither the tenants table nor a bridge nor wab_declared has this id: SELECT * FROM wab_fleet;';
END
$$;
COMMENT ON FUNCTION @extschema@._wab_require_tenant IS
    'Raises 22023 unless a row of the tenants table, a live bridge or wab_declared has this customer_ref.';

CREATE FUNCTION @extschema@.wab_snooze(tenant_id text, kind text, until timestamptz, reason text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    snooze_id bigint;
BEGIN
    IF num_nonnulls(tenant_id, kind) = 0 OR until IS NULL OR coalesce(btrim(reason), '') = '' THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'wab_snooze() takes a tenant_id or a kind, until, and a reason',
            HINT = 'SELECT wab_snooze(''acme'', ''disconnected'', now() + interval ''2 hours'', ''new phone on its way'');';
    ELSIF until <= now() OR NOT isfinite(until) THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wab_snooze(): until is a time in the future',
            DETAIL = format('until: %s', until), HINT = 'To end a snooze: SELECT wab_unsnooze(...);';
    ELSIF kind IS NOT NULL AND NOT EXISTS (SELECT FROM @extschema@.wab_incident_policy p WHERE p.kind = kind) THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wab_snooze(): there is no such kind of incident',
            DETAIL = format('kind: %s', left(kind, 200)), HINT = 'SELECT kind FROM wab_incident_policy;';
    END IF;
    IF tenant_id IS NOT NULL THEN
        PERFORM @extschema@._wab_require_all_rows();
        PERFORM @extschema@._wab_require_tenant(tenant_id);
    END IF;
    INSERT INTO @extschema@.wab_snoozes AS s (customer_ref, kind, until, reason) VALUES (tenant_id, kind, until, reason)
    RETURNING s.snooze_id INTO snooze_id;
    RETURN snooze_id;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_snooze(text, text, timestamptz, text) IS
    'Sends no alert about a tenant''s incidents of this kind until then. A null kind stands for all kinds, a null tenant_id '
    'for all tenants and for incidents of many bridges. wab_incidents still shows them, with who snoozed them and why. '
    'Returns the snooze_id.';

CREATE FUNCTION @extschema@.wab_snooze(tenant_id anynonarray, kind text, until timestamptz, reason text) RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$ SELECT @extschema@.wab_snooze($1::text, $2, $3, $4); $$;
COMMENT ON FUNCTION @extschema@.wab_snooze(anynonarray, text, timestamptz, text) IS
    'wab_snooze() for tenant ids of another type, such as integer or uuid.';

CREATE FUNCTION @extschema@.wab_unsnooze(snooze_id bigint) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    UPDATE @extschema@.wab_snoozes s SET until = greatest(now(), s.snoozed_at)
    WHERE s.snooze_id = snooze_id AND s.until > now();
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_unsnooze IS
    'Ends a snooze now. Returns false if there is no such snooze, or it ended already.';

CREATE FUNCTION @extschema@.wab_acknowledge(incident_id text, note text DEFAULT NULL, by_whom text DEFAULT session_user)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    IF incident_id IS NULL OR coalesce(btrim(by_whom), '') = '' THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'wab_acknowledge(): incident_id and by_whom may not be null',
            HINT = 'SELECT wab_acknowledge(''disconnected-12'', ''calling them'');';
    ELSIF NOT EXISTS (SELECT FROM @extschema@.wab_incidents i WHERE i.incident_id = incident_id) THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'there is no such incident',
            DETAIL = format('incident_id: %s', left(incident_id, 200)),
            HINT = 'It may have ended: SELECT * FROM wab_incidents; SELECT * FROM wab_incident_history;';
    END IF;
    INSERT INTO @extschema@.wab_acknowledgements (incident_id, acknowledged_by, note) VALUES (incident_id, by_whom, note);
END
$$;
COMMENT ON FUNCTION @extschema@.wab_acknowledge IS
    'Records who takes care of an incident, and a note. by_whom is a person''s name; by default the role.';
