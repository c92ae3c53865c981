-- Decides which incidents to send, and writes the document. wab_send_alerts() and wab alert post it, and then record that its
-- receiver has it. What was not recorded is sent again, with the same ids.

CREATE TABLE @extschema@._wab_alert_sender (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    since      timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at    timestamptz,
    failures   integer NOT NULL DEFAULT 0,
    next_at    timestamptz,
    last_error text
);

COMMENT ON TABLE @extschema@._wab_alert_sender IS
    'How sending the alerts went: at most one row. wab_status shows a failure as the job alerts.';
COMMENT ON COLUMN @extschema@._wab_alert_sender.only_row IS 'Always true: there is one sender at a time.';
COMMENT ON COLUMN @extschema@._wab_alert_sender.since IS
    'When alerts were asked for first. Incidents that ended before are not sent.';
COMMENT ON COLUMN @extschema@._wab_alert_sender.sent_at IS 'When everything due was sent last; null before.';
COMMENT ON COLUMN @extschema@._wab_alert_sender.failures IS 'Failures in a row.';
COMMENT ON COLUMN @extschema@._wab_alert_sender.next_at IS 'No attempt is made before; null for at once.';
COMMENT ON COLUMN @extschema@._wab_alert_sender.last_error IS 'Why the last attempt failed.';

-- What an incoming webhook of Slack reads as markup.
CREATE FUNCTION @extschema@._wab_plain_text(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT regexp_replace(replace(replace(replace(left(value, 120), '&', '&amp;'), '<', '&lt;'), '>', '&gt;'),
                          '[[:cntrl:]]+', ' ', 'g');
$$;
COMMENT ON FUNCTION @extschema@._wab_plain_text IS
    'A text as Slack shows it unchanged: the first 120 characters, with &, < and > escaped, and without line ends.';

-- Browsers take a path of dots for another folder, and a receiver may cut a long link.
CREATE FUNCTION @extschema@._wab_board_link(customer_ref text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT rtrim(p.board_url, '/')
           || CASE WHEN octet_length(customer_ref) <= 256 AND customer_ref NOT IN ('', '.', '..')
                   THEN '/tenants/' || @extschema@.wab_url_encode(customer_ref) ELSE '/incidents' END
    FROM @extschema@.wab_policy p;
$$;
COMMENT ON FUNCTION @extschema@._wab_board_link IS
    'The page of wab serve about this tenant, or that of all incidents; null while wab_policy.board_url is.';

CREATE FUNCTION @extschema@._wab_incident_text(incident jsonb) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('%s %s: %s, since %s UTC. %s (%s)', upper(incident ->> 'severity'), incident ->> 'kind',
        CASE WHEN incident ->> 'kind' = 'unobserved' THEN 'nobody observes the fleet'
             WHEN (incident ->> 'bridges')::bigint > 1 THEN (incident ->> 'bridges') || ' bridges'
             ELSE concat_ws(', ', 'tenant ' || @extschema@._wab_plain_text(incident ->> 'customer_ref'),
                            'bridge ' || (incident ->> 'bridge_id')) END,
        to_char((incident ->> 'began_at')::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
        @extschema@._wab_plain_text(incident ->> 'next_step'), incident ->> 'incident_id') || coalesce(' ' || (incident ->> 'link'), '');
$$;
COMMENT ON FUNCTION @extschema@._wab_incident_text IS 'One incident of the document as a line for people.';

-- An incident is due when it began, and again when it ended. One that began and ended between two attempts is due once, with
-- both times. A snoozed one is due when the snooze is over, if it lasts until then.
CREATE FUNCTION @extschema@._wab_due_alerts(at_most integer DEFAULT 100)
RETURNS TABLE (document jsonb, began text[], ended text[], alone text[])
LANGUAGE sql STABLE ROWS 1 SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
AS $$
    WITH sender AS MATERIALIZED (
        SELECT min(s.since) AS since, coalesce(min(s.sent_at), min(s.since)) AS sent_at
        FROM @extschema@._wab_alert_sender s
    ), policy AS MATERIALIZED (
        SELECT p.kind, p.severity, p.ends_after FROM @extschema@.wab_incident_policy p WHERE p.alerts
    ), present AS MATERIALIZED (
        SELECT i.* FROM @extschema@.wab_incidents i
    ), ending AS MATERIALIZED (
        -- A full join is never a nested loop, however wrong the estimates are.
        SELECT a.incident_id, split_part(a.incident_id, '-', 1) AS kind, a.began_sent_at
        FROM (SELECT o.incident_id, o.began_sent_at FROM @extschema@.wab_alerts o WHERE o.ended_sent_at IS NULL) a
        FULL JOIN present i ON i.incident_id = a.incident_id
        WHERE i.incident_id IS NULL
    ), past AS MATERIALIZED (
        SELECT h.* FROM @extschema@.wab_incident_history h JOIN policy p ON p.kind = h.kind
        WHERE h.ended_at IS NOT NULL AND h.first_id = ANY (ARRAY(
            SELECT coalesce(e.incident_id, e.episode_id) FROM @extschema@.wab_drift_episodes e
            WHERE e.ended_at > (SELECT s.sent_at FROM sender s) - (SELECT max(p.ends_after) FROM policy p)
            UNION
            SELECT split_part(g.incident_id, '-', 2)::bigint FROM ending g WHERE g.kind <> 'unobserved'))
    ), told AS MATERIALIZED (
        SELECT g.incident_id, g.kind, g.began_sent_at, h.severity, h.customer_ref, h.bridge_id, h.bridges, h.began_at, h.ended_at
        FROM ending g FULL JOIN past h ON h.incident_id = g.incident_id
    ), due AS (
        SELECT i.incident_id, i.severity, i.kind, i.customer_ref, i.bridge_id, i.bridges, i.began_at,
               NULL::timestamptz AS ended_at, i.next_step, true AS begins
        FROM present i JOIN policy p ON p.kind = i.kind
        WHERE i.snoozed_until IS NULL AND i.state <> 'recovering'
          AND NOT EXISTS (SELECT FROM @extschema@.wab_alerts a WHERE a.incident_id = i.incident_id)
        UNION ALL
        SELECT h.incident_id, h.severity, h.kind, h.customer_ref, h.bridge_id, h.bridges, h.began_at, h.ended_at, NULL, true
        FROM past h
        WHERE h.ended_at > (SELECT s.since FROM sender s)
          AND NOT EXISTS (SELECT FROM @extschema@.wab_alerts a WHERE a.incident_id = h.incident_id)
          AND NOT EXISTS (SELECT FROM (SELECT o.kind, o.until, o.snoozed_at FROM @extschema@.wab_snoozes o
                                       WHERE o.customer_ref = h.customer_ref
                                       UNION ALL
                                       SELECT l.kind, l.until, l.snoozed_at FROM @extschema@.wab_snoozes l
                                       WHERE l.customer_ref IS NULL) s
                          WHERE s.until > h.began_at AND s.snoozed_at < h.ended_at
                            AND (s.kind IS NULL OR s.kind = h.kind))
        UNION ALL
        SELECT t.incident_id, coalesce(p.severity, t.severity, 'info'), t.kind, t.customer_ref, t.bridge_id, t.bridges,
               coalesce(t.began_at, t.began_sent_at), coalesce(t.ended_at, now()), NULL, false
        FROM told t LEFT JOIN policy p ON p.kind = t.kind
        WHERE t.incident_id IS NOT NULL
    ), ranked AS MATERIALIZED (
        -- An id may have 10,000 bytes.
        SELECT d.*, to_jsonb(d) - 'begins' || jsonb_build_object('customer_ref', left(d.customer_ref, 256),
                                                                 'next_step', left(d.next_step, 400),
                                                                 'link', @extschema@._wab_board_link(d.customer_ref)) AS one,
               row_number() OVER (PARTITION BY d.ended_at IS NULL
                                  ORDER BY array_position('{critical,warning,info}'::text[], d.severity), d.bridges DESC,
                                           d.began_at, d.incident_id) AS nth
        FROM due d
    ), counted AS (
        SELECT count(*) FILTER (WHERE r.begins) AS began, count(*) FILTER (WHERE r.ended_at IS NOT NULL) AS ended,
               count(*) FILTER (WHERE r.nth > at_most) AS omitted, count(*) FILTER (WHERE r.nth > 20) AS unsaid,
               array_agg(r.incident_id) FILTER (WHERE r.begins) AS began_ids,
               array_agg(r.incident_id) FILTER (WHERE r.ended_at IS NOT NULL) AS ended_ids,
               array_agg(r.incident_id) FILTER (WHERE r.begins AND r.bridges = 1) AS alone_ids,
               jsonb_agg(r.one ORDER BY r.nth) FILTER (WHERE r.ended_at IS NULL AND r.nth <= at_most) AS open,
               jsonb_agg(r.one ORDER BY r.nth) FILTER (WHERE r.ended_at IS NOT NULL AND r.nth <= at_most) AS closed,
               string_agg(CASE WHEN r.ended_at IS NOT NULL THEN 'ENDED ' ELSE '' END || @extschema@._wab_incident_text(r.one),
                          E'\n' ORDER BY r.ended_at IS NOT NULL, r.nth) FILTER (WHERE r.nth <= 20) AS lines
        FROM ranked r
    ), kinds AS (
        SELECT jsonb_object_agg(k.kind, jsonb_build_object('began', k.began, 'ended', k.ended)) AS counts
        FROM (SELECT r.kind, count(*) FILTER (WHERE r.begins) AS began, count(*) FILTER (WHERE r.ended_at IS NOT NULL) AS ended
              FROM ranked r GROUP BY r.kind) k
    )
    SELECT jsonb_build_object(
               'text', concat_ws(E'\n', format('WA Bridges: %s began, %s ended', c.began, c.ended), c.lines,
                   CASE WHEN c.unsaid > 0 THEN format('and %s more: SELECT * FROM wab_incidents', c.unsaid) END),
               'source', 'pg_wabridges', 'at', clock_timestamp(), 'began', coalesce(c.open, '[]'),
               'ended', coalesce(c.closed, '[]'), 'kinds', coalesce(k.counts, '{}'), 'omitted', c.omitted),
           coalesce(c.began_ids, '{}'), coalesce(c.ended_ids, '{}'), coalesce(c.alone_ids, '{}')
    FROM counted c CROSS JOIN kinds k;
$$;
COMMENT ON FUNCTION @extschema@._wab_due_alerts IS
    'The incidents that began and ended since they were last sent: the document to post, with at most this many that last '
    'and that ended in full, and the ids of all of them; alone: the ids of those that began on one bridge.';

CREATE FUNCTION @extschema@._wab_begin_alerts() RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(@extschema@._wab_lock_id('alerts')) THEN
        RETURN 'busy';
    END IF;
    INSERT INTO @extschema@._wab_alert_sender DEFAULT VALUES ON CONFLICT DO NOTHING;
    IF EXISTS (SELECT FROM @extschema@._wab_alert_sender s
               WHERE s.next_at > clock_timestamp() AND s.next_at < clock_timestamp() + interval '1 hour') THEN
        -- The job runs during the pause, which may take so long that wab_status would take the job for late.
        UPDATE @extschema@.wab_jobs j SET failed_at = clock_timestamp() WHERE j.job = 'alerts' AND j.failures > 0;
        RETURN 'waiting';
    END IF;
    RETURN 'ready';
END
$$;
COMMENT ON FUNCTION @extschema@._wab_begin_alerts IS
    'Before sending: busy if another session sends, waiting until the pause after a failure is over, or ready. Then no other '
    'session sends until this transaction ends. A call during the pause counts in wab_jobs as a run, so that the job is not late.';

-- The receiver may take long to answer, and drift is recorded meanwhile. Without the lock, drift could be recorded between these
-- statements.
CREATE FUNCTION @extschema@._wab_alerts_sent(began text[], ended text[], alone text[] DEFAULT '{}') RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    first_ids bigint[] := ARRAY(SELECT split_part(i.incident_id, '-', 2)::bigint FROM unnest(began) AS i(incident_id));
    grown     text[];
BEGIN
    IF began || ended = '{}' THEN
        UPDATE @extschema@._wab_alert_sender SET sent_at = now(), failures = 0, next_at = NULL, last_error = NULL;
        PERFORM @extschema@._wab_note_job('alerts');
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    -- An incident that was sent stays as it is, so one that became part of another incident meanwhile is its own again.
    UPDATE @extschema@.wab_drift_episodes e SET incident_id = NULL
    WHERE e.episode_id = ANY (first_ids) AND e.kind || '-' || e.episode_id = ANY (began) AND e.incident_id <> e.episode_id;
    -- The document named one bridge of these incidents, which have several now.
    grown := ARRAY(
        SELECT a.incident_id FROM unnest(alone) AS a(incident_id)
        JOIN @extschema@.wab_drift_episodes e
          ON coalesce(e.incident_id, e.episode_id) = split_part(a.incident_id, '-', 2)::bigint
         AND e.kind = split_part(a.incident_id, '-', 1)
        GROUP BY a.incident_id HAVING count(DISTINCT e.subject) > 1);
    INSERT INTO @extschema@.wab_alerts (incident_id, began_sent_at)
    SELECT b.incident_id, clock_timestamp() FROM unnest(began) AS b(incident_id)
    WHERE b.incident_id <> ALL (grown) ON CONFLICT DO NOTHING;
    -- An incident that the document ended, and that lasts again, begins again for the receiver.
    DELETE FROM @extschema@.wab_alerts a USING @extschema@.wab_drift_episodes e
    WHERE a.incident_id = ANY (ended) AND e.ended_at IS NULL
      AND a.incident_id = e.kind || '-' || coalesce(e.incident_id, e.episode_id);
    UPDATE @extschema@.wab_alerts a SET ended_sent_at = clock_timestamp()
    WHERE a.incident_id = ANY (ended) AND a.ended_sent_at IS NULL;
    -- The document was made after this transaction began.
    UPDATE @extschema@._wab_alert_sender SET sent_at = now(), failures = 0, next_at = NULL, last_error = NULL;
    PERFORM @extschema@._wab_note_job('alerts');
END
$$;
COMMENT ON FUNCTION @extschema@._wab_alerts_sent IS
    'Records that the receiver has these beginnings and ends of incidents. Since the document was made, one that ended may '
    'have begun again, and one of a single bridge may have got others: these are due again.';

CREATE FUNCTION @extschema@._wab_alerts_failed(error text) RETURNS timestamptz
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    SELECT @extschema@._wab_note_job('alerts', '08006', 'the alerts could not be sent', error);
    UPDATE @extschema@._wab_alert_sender s
    SET failures = s.failures + 1, last_error = error,
        next_at = clock_timestamp() + least(interval '10 minutes', interval '30 seconds' * power(2, least(s.failures, 10)))
    RETURNING s.next_at;
$$;
COMMENT ON FUNCTION @extschema@._wab_alerts_failed IS
    'Records why the document could not be sent; returns when to try again: after 30 seconds, then after twice as long each '
    'time, at most 10 minutes.';
