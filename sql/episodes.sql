-- Records when each drift begins and ends (an episode), which episodes are one incident, and notifies the channel wab_drift.

-- The plan of the whole drift suits the present number of rows: PostgreSQL makes it at each call, because EXECUTE keeps none.
-- That of a few bridges goes by index, takes far longer to make than to run, and is kept; so are those of the functions that
-- the view calls per row. JIT is off: compiling takes longer than the query. hash_mem_multiplier is high because the one hash
-- table should fit in memory. A role that may not read all tenants gets one row of nulls.
CREATE FUNCTION @extschema@._wab_drift_rows(bridge_ids bigint[] DEFAULT NULL, customer_refs text[] DEFAULT '{}')
RETURNS TABLE (kind text, tenant_id text, bridge_id bigint, customer_ref text, stored text, observed text, detail text,
               wasted boolean)
LANGUAGE plpgsql STABLE ROWS 100 SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET hash_mem_multiplier = 64 SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    few     constant integer := 1000;
    columns constant text := 'SELECT d.kind, d.tenant_id::pg_catalog.text, d.bridge_id, d.customer_ref, d.stored, d.observed,
                                     d.detail, d.wasted FROM @extschema@.wab_drift d';
BEGIN
    PERFORM set_config('search_path', @extschema@._wab_binding_path(), true);
    IF bridge_ids IS NULL THEN
        RETURN QUERY EXECUTE columns;
    ELSIF pg_catalog.cardinality(bridge_ids) OPERATOR(pg_catalog.>) few THEN
        RETURN QUERY EXECUTE columns || ' WHERE d.bridge_id OPERATOR(pg_catalog.=) ANY ($1)' USING bridge_ids;
    ELSIF pg_catalog.cardinality(bridge_ids) OPERATOR(pg_catalog.>) 0 THEN
        RETURN QUERY
        SELECT d.kind, d.tenant_id::pg_catalog.text, d.bridge_id, d.customer_ref, d.stored, d.observed, d.detail,
               d.wasted
        FROM @extschema@.wab_drift d
        WHERE d.bridge_id OPERATOR(pg_catalog.=) ANY (_wab_drift_rows.bridge_ids);
    END IF;
    IF pg_catalog.cardinality(customer_refs) OPERATOR(pg_catalog.>) few THEN
        RETURN QUERY EXECUTE columns || ' WHERE d.bridge_id IS NULL AND d.customer_ref OPERATOR(pg_catalog.=) ANY ($1)'
            USING customer_refs;
    ELSIF pg_catalog.cardinality(customer_refs) OPERATOR(pg_catalog.>) 0 THEN
        -- By tenant_ref, the rows are found by index; a comparison with customer_ref does not pass the full joins.
        RETURN QUERY
        SELECT d.kind, k.tenant_id::pg_catalog.text, k.bridge_id, k.customer_ref, d.stored, d.observed, d.detail, d.wasted
        FROM @extschema@._wab_kinds k CROSS JOIN LATERAL pg_catalog.unnest(k.differences) d
        WHERE d.kind IS NOT NULL AND k.bridge_id IS NULL
          AND k.tenant_ref OPERATOR(pg_catalog.=) ANY (_wab_drift_rows.customer_refs);
        IF EXISTS (SELECT FROM @extschema@.wab_declared e
                   WHERE e.kind OPERATOR(pg_catalog.=) 'extra'
                     AND e.customer_ref OPERATOR(pg_catalog.=) ANY (_wab_drift_rows.customer_refs)) THEN
            RETURN QUERY EXECUTE columns || ' WHERE d.bridge_id IS NULL AND d.tenant_id IS NULL
                                                AND d.customer_ref OPERATOR(pg_catalog.=) ANY ($1)' USING customer_refs;
        END IF;
    END IF;
-- An expression of the binding may call a function that raises anything.
EXCEPTION WHEN OTHERS THEN
    IF SQLSTATE = '55P03' OR NOT @extschema@._wab_is_about_data(SQLSTATE) THEN
        RAISE;
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_drift_rows IS
    'The rows of wab_drift, all or those of these bridges, and those of these customer_refs without a bridge. One row '
    'of nulls means that wab_drift cannot be read; SELECT * FROM wab_drift shows the error.';

CREATE FUNCTION @extschema@._wab_record_drift() RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off SET hash_mem_multiplier = 64
AS $$
DECLARE
    kinds  text[];
    ids    bigint[];
    refs   text[];
    wasted boolean[];
    reason text;
    state  text;
    hints  text;
BEGIN
    IF to_regclass('@extschema@.wab_drift') IS NULL THEN
        RETURN 0;
    END IF;
    BEGIN
        PERFORM @extschema@._wab_require_all_rows();
        PERFORM set_config('search_path', @extschema@._wab_binding_path(), true);
        SELECT pg_catalog.array_agg(d.kind), pg_catalog.array_agg(d.bridge_id), pg_catalog.array_agg(d.customer_ref),
               pg_catalog.array_agg(d.wasted)
        INTO kinds, ids, refs, wasted
        FROM @extschema@.wab_drift d;
    -- The observation is kept although the drift cannot be read: this role lacks SELECT on the tenants, or an expression of the
    -- binding fails.
    EXCEPTION WHEN OTHERS THEN
        IF SQLSTATE = '55P03' OR NOT @extschema@._wab_is_about_data(SQLSTATE) THEN
            RAISE;
        END IF;
        GET STACKED DIAGNOSTICS reason = MESSAGE_TEXT, state = RETURNED_SQLSTATE, hints = PG_EXCEPTION_HINT;
        RAISE WARNING USING MESSAGE = 'the drift could not be recorded', DETAIL = @extschema@._wab_shown_message(state, reason),
            HINT = 'The observation is stored. '
                   || coalesce(nullif(hints, ''), 'SELECT * FROM wab_drift shows the error.');
        RETURN 0;
    END;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    RETURN @extschema@._wab_note_drift(kinds, ids, refs, wasted);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_record_drift IS
    'Stores in wab_drift_episodes which drift began and ended since the last call; returns how many rows changed. If '
    'any did, notifies the channel wab_drift with a JSON object: at; counts by kind in began, ended and drift (present); '
    'and the first 150 ids of the rows of wab_drift_episodes in began_episodes and ended_episodes.';

-- A bridge that was disconnected again is drift only after its grace, but was not well since its status began.
CREATE FUNCTION @extschema@._wab_continued_incident(kind text, subject text, bridge_id bigint, at timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off SET enable_seqscan = off
AS $$
BEGIN
    RETURN (
        -- By the index on the subject; that on ended_at has the order, but all subjects.
        WITH past AS MATERIALIZED (
            SELECT e.kind, e.ended_at, coalesce(e.incident_id, e.episode_id) AS incident_id
            FROM @extschema@.wab_drift_episodes e
            WHERE e.subject = _wab_continued_incident.subject AND e.kind = _wab_continued_incident.kind
              AND e.ended_at IS NOT NULL
              -- Whoever was told that it ended must hear of what begins now.
              AND NOT EXISTS (SELECT FROM @extschema@.wab_alerts a
                              WHERE a.incident_id = e.kind || '-' || coalesce(e.incident_id, e.episode_id)
                                AND a.ended_sent_at IS NOT NULL)
        )
        SELECT e.incident_id
        FROM past e
        JOIN @extschema@.wab_incident_policy p ON p.kind = e.kind
        LEFT JOIN @extschema@.wab_bridges b ON b.bridge_id = _wab_continued_incident.bridge_id
        WHERE e.ended_at > coalesce(least(at, CASE WHEN e.kind = 'unmapped_status' THEN b.status_since
                                                   WHEN e.kind IN ('disconnected', 'awaiting_scan')
                                                   THEN coalesce(b.unpaired_since, b.status_since)
                                                   WHEN e.kind = 'state' THEN b.state_since END), at) - p.ends_after
        ORDER BY e.ended_at DESC LIMIT 1);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_continued_incident IS
    'The incident that goes on with drift that begins at this time: that of the last drift of this kind, if this bridge or '
    'tenant was well for less than wab_incident_policy.ends_after, and no alert told its end. Null if there is none.';

-- Amid a restart of the provider thousands of webhooks begin drift. Each joins its incident by this function, which does not count
-- those before it.
CREATE FUNCTION @extschema@._wab_mass_incident(kind text, at timestamptz) RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off SET enable_seqscan = off
AS $$
    SELECT f.episode_id
    FROM @extschema@.wab_policy p
    JOIN @extschema@.wab_drift_episodes e ON e.ended_at IS NULL AND e.began_at > at - p.mass_window
    JOIN @extschema@.wab_drift_episodes f ON f.episode_id = e.incident_id AND f.began_at > at - p.mass_window
    WHERE e.kind = _wab_mass_incident.kind AND e.subject <> f.subject
      AND NOT EXISTS (SELECT FROM @extschema@.wab_alerts a
                      WHERE a.incident_id = f.kind || '-' || f.episode_id AND a.ended_sent_at IS NOT NULL)
    LIMIT 1
$$;
COMMENT ON FUNCTION @extschema@._wab_mass_incident IS
    'The lasting incident of many bridges with this kind of drift that began within wab_policy.mass_window, if no alert told '
    'its end. Drift of this kind that begins now belongs to it. Null if there is none.';

-- What turns bad together, such as in a restart of the provider, is one incident if it is a share of the bridges whose status
-- was learnt meanwhile: a poll asks only a few. An incident that was sent or acknowledged stays as it is: its receiver hears of
-- its end, and the others do not count as acknowledged.
CREATE FUNCTION @extschema@._wab_merge_incidents(at timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off SET enable_seqscan = off
AS $$
BEGIN
    WITH policy AS MATERIALIZED (
        SELECT at - p.mass_window AS since, p.mass_share, p.mass_bridges FROM @extschema@.wab_policy p
    ), recent AS MATERIALIZED (
        SELECT o.kind, o.subject, o.episode_id, o.incident_id FROM @extschema@.wab_drift_episodes o
        WHERE o.ended_at IS NULL AND o.began_at > (SELECT p.since FROM policy p)
        UNION ALL
        SELECT c.kind, c.subject, c.episode_id, c.incident_id FROM @extschema@.wab_drift_episodes c
        WHERE c.ended_at > (SELECT p.since FROM policy p) AND c.began_at > (SELECT p.since FROM policy p)
    ), many AS MATERIALIZED (
        -- Of thousands, PostgreSQL finds the distinct ones by hashing; within an aggregate it would sort them.
        SELECT r.kind FROM (SELECT DISTINCT d.kind, d.subject FROM recent d) r
        GROUP BY r.kind
        HAVING count(*) >= greatest(
            (SELECT p.mass_bridges FROM policy p),
            (SELECT p.mass_share FROM policy p) * (
                -- The count stops where the recent ones are too small a share, so that a webhook does not read the whole fleet.
                SELECT count(*) FROM (
                    SELECT FROM @extschema@.wab_bridges b
                    WHERE (SELECT count(*) FROM recent) >= (SELECT p.mass_bridges FROM policy p)
                      AND (b.status_listed OR b.status_observed_at > (SELECT p.since FROM policy p))
                    LIMIT (SELECT count(*) FROM recent) / (SELECT nullif(p.mass_share, 0) FROM policy p) + 1) b))
    ), alone AS MATERIALIZED (
        SELECT r.kind, r.episode_id FROM recent r JOIN many m ON m.kind = r.kind
        WHERE r.incident_id IS NULL
          AND NOT EXISTS (SELECT FROM @extschema@.wab_drift_episodes o
                          WHERE coalesce(o.incident_id, o.episode_id) = r.episode_id AND o.episode_id <> r.episode_id)
          AND NOT EXISTS (SELECT FROM @extschema@.wab_alerts a WHERE a.incident_id = r.kind || '-' || r.episode_id)
          AND NOT EXISTS (SELECT FROM @extschema@.wab_acknowledgements k
                          WHERE k.incident_id = r.kind || '-' || r.episode_id)
    ), ones AS MATERIALIZED (
        -- An incident of many bridges takes in those that follow.
        SELECT i.kind, min(i.incident_id) AS incident_id
        FROM (SELECT r.kind, r.incident_id, min(r.subject) AS subject FROM recent r
              WHERE r.incident_id IS NOT NULL GROUP BY r.kind, r.incident_id) i
        WHERE EXISTS (SELECT FROM @extschema@.wab_drift_episodes o
                      WHERE coalesce(o.incident_id, o.episode_id) = i.incident_id AND o.subject <> i.subject)
          AND NOT EXISTS (SELECT FROM @extschema@.wab_alerts a
                          WHERE a.incident_id = i.kind || '-' || i.incident_id AND a.ended_sent_at IS NOT NULL)
        GROUP BY i.kind
    ), firsts AS MATERIALIZED (
        SELECT a.kind, coalesce(min(o.incident_id), min(a.episode_id)) AS first_id
        FROM alone a LEFT JOIN ones o ON o.kind = a.kind GROUP BY a.kind
    )
    UPDATE @extschema@.wab_drift_episodes e SET incident_id = f.first_id
    FROM alone a JOIN firsts f ON f.kind = a.kind
    WHERE e.episode_id = a.episode_id AND a.episode_id <> f.first_id;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_merge_incidents IS
    'Makes one incident of the episodes of one kind that began within wab_policy.mass_window, if they are on mass_bridges or '
    'more, and on at least mass_share of the bridges whose status was learnt meanwhile.';

CREATE FUNCTION @extschema@._wab_note_drift(
    kinds text[], bridge_ids bigint[], customer_refs text[], wasted boolean[],
    of_bridges bigint[] DEFAULT NULL, of_customers text[] DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off SET hash_mem_multiplier = 64
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $$
DECLARE
    -- A notification takes 8,000 bytes.
    most_ids constant integer := 150;
    at        timestamptz := clock_timestamp();
    began     jsonb;
    ended     jsonb;
    began_ids bigint[];
    ended_ids bigint[];
    alone     boolean;
    moved     bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    WITH present AS MATERIALIZED (
        SELECT d.kind, coalesce(d.bridge_id::text, d.customer_ref) AS subject, d.bridge_id, d.customer_ref,
               d.is_wasted
        FROM unnest(kinds, bridge_ids, customer_refs, wasted) AS d(kind, bridge_id, customer_ref, is_wasted)
    ), lasting AS MATERIALIZED (
        -- PostgreSQL runs one branch only, and the second by index.
        SELECT e.kind, e.subject, e.episode_id FROM @extschema@.wab_drift_episodes e
        WHERE of_bridges IS NULL AND e.ended_at IS NULL
        UNION ALL
        SELECT e.kind, e.subject, e.episode_id FROM @extschema@.wab_drift_episodes e
        WHERE of_bridges IS NOT NULL AND e.ended_at IS NULL
          AND e.subject = ANY (of_bridges::text[] || of_customers)
          AND (e.bridge_id = ANY (of_bridges) OR (e.bridge_id IS NULL AND e.subject = ANY (of_customers)))
    ), moved AS MATERIALIZED (
        -- A full join is never a nested loop, however wrong the estimates are.
        SELECT p.kind, p.subject, p.bridge_id, p.customer_ref, p.is_wasted, l.episode_id
        FROM present p FULL JOIN lasting l ON l.kind = p.kind AND l.subject = p.subject
        WHERE p.kind IS NULL OR l.kind IS NULL
    ), masses AS MATERIALIZED (
        SELECT k.kind, @extschema@._wab_mass_incident(k.kind, at) AS incident_id
        FROM (SELECT DISTINCT m.kind FROM moved m WHERE m.episode_id IS NULL) k
    ), began AS (
        INSERT INTO @extschema@.wab_drift_episodes
            (kind, subject, bridge_id, customer_ref, wasted, began_at, incident_id)
        SELECT m.kind, m.subject, m.bridge_id, m.customer_ref, m.is_wasted, at,
               coalesce(@extschema@._wab_continued_incident(m.kind, m.subject, m.bridge_id, at), a.incident_id)
        FROM moved m JOIN masses a ON a.kind = m.kind WHERE m.episode_id IS NULL
        RETURNING kind, episode_id, incident_id
    ), ended AS (
        UPDATE @extschema@.wab_drift_episodes e SET ended_at = greatest(at, e.began_at)
        WHERE e.episode_id = ANY (ARRAY(SELECT m.episode_id FROM moved m WHERE m.episode_id IS NOT NULL))
        RETURNING e.kind, e.episode_id
    )
    SELECT (SELECT jsonb_object_agg(b.kind, b.n) FROM (SELECT kind, count(*) AS n FROM began GROUP BY kind) b),
           (SELECT jsonb_object_agg(e.kind, e.n) FROM (SELECT kind, count(*) AS n FROM ended GROUP BY kind) e),
           ARRAY(SELECT b.episode_id FROM began b ORDER BY b.episode_id LIMIT most_ids),
           ARRAY(SELECT e.episode_id FROM ended e ORDER BY e.episode_id LIMIT most_ids),
           EXISTS (SELECT FROM began b JOIN masses a ON a.kind = b.kind
                   WHERE a.incident_id IS NULL OR b.incident_id <> a.incident_id),
           (SELECT count(*) FROM began) + (SELECT count(*) FROM ended)
    INTO began, ended, began_ids, ended_ids, alone, moved;
    IF alone THEN
        PERFORM @extschema@._wab_merge_incidents(at);
    END IF;
    IF moved > 0 THEN
        PERFORM pg_notify('wab_drift', jsonb_build_object(
            'at', at, 'began', coalesce(began, '{}'), 'ended', coalesce(ended, '{}'),
            'began_episodes', began_ids, 'ended_episodes', ended_ids, 'drift', coalesce((
                SELECT jsonb_object_agg(o.kind, o.n)
                FROM (SELECT e.kind, count(*) AS n FROM @extschema@.wab_drift_episodes e
                      WHERE e.ended_at IS NULL GROUP BY e.kind) o), '{}'))::text);
    END IF;
    RETURN moved;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_note_drift IS
    '_wab_record_drift() for a caller that has already read the drift and passes it as arrays of equal length: all '
    'drift, or that of these bridges and of these customer_refs without a bridge.';

-- Called by refreshes that read the drift before the provider answered: what this names is read again.
CREATE FUNCTION @extschema@._wab_moving_drift(kinds text[], bridge_ids bigint[], customer_refs text[])
RETURNS TABLE (bridge_id bigint, customer_ref text)
LANGUAGE sql STABLE ROWS 10 SET search_path = pg_catalog, pg_temp SET jit = off SET hash_mem_multiplier = 64
AS $$
    SELECT DISTINCT coalesce(p.bridge_id, l.bridge_id),
           CASE WHEN coalesce(p.bridge_id, l.bridge_id) IS NULL THEN coalesce(p.customer_ref, l.customer_ref) END
    FROM (SELECT d.kind, coalesce(d.bridge_id::text, d.customer_ref) AS subject, d.bridge_id, d.customer_ref
          FROM unnest(kinds, bridge_ids, customer_refs) AS d(kind, bridge_id, customer_ref)) p
    FULL JOIN (SELECT e.* FROM @extschema@.wab_drift_episodes e WHERE e.ended_at IS NULL) l
           ON l.kind = p.kind AND l.subject = p.subject
    WHERE p.kind IS NULL OR l.kind IS NULL;
$$;
COMMENT ON FUNCTION @extschema@._wab_moving_drift IS
    'The bridges, and the customer_refs without a bridge, of which _wab_note_drift() would record that drift begins or ends, '
    'if this is all present drift.';

-- Called by everything that writes a single bridge. A role that may not read the tenants leaves it to the next refresh.
CREATE FUNCTION @extschema@._wab_note_drift_of(customer_refs text[], gone bigint[] DEFAULT '{}') RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
DECLARE
    live  bigint[];
    bare  text[];
    drift record;
BEGIN
    IF to_regclass('@extschema@.wab_drift') IS NULL THEN
        RETURN 0;
    END IF;
    customer_refs := array_remove(customer_refs || @extschema@._wab_phone_partners(ARRAY(
        SELECT b.bridge_id FROM @extschema@.wab_bridges b WHERE b.customer_ref = ANY (customer_refs)) || gone), NULL);
    SELECT coalesce(array_agg(b.bridge_id), '{}') INTO live
    FROM @extschema@.wab_bridges b WHERE b.customer_ref = ANY (customer_refs);
    bare := ARRAY(SELECT r.customer_ref FROM unnest(customer_refs) AS r(customer_ref)
                  WHERE NOT EXISTS (SELECT FROM @extschema@.wab_bridges b WHERE b.customer_ref = r.customer_ref));
    SELECT array_agg(d.kind) AS kinds, array_agg(d.bridge_id) AS bridge_ids, array_agg(d.customer_ref) AS refs,
           array_agg(d.wasted) AS wasted, bool_or(d.kind IS NULL) AS is_unknown
    INTO drift FROM @extschema@._wab_drift_rows(live || gone, bare) d;
    IF drift.is_unknown THEN
        RETURN 0;
    END IF;
    RETURN @extschema@._wab_note_drift(drift.kinds, drift.bridge_ids, drift.refs, drift.wasted,
                                       live || gone, customer_refs);
EXCEPTION WHEN insufficient_privilege THEN
    RETURN 0;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_note_drift_of IS
    '_wab_record_drift() for the bridges and the tenants of these customer_refs, and for bridges that no longer exist. '
    'It reads no other drift. Records nothing if the caller may not read the tenants.';
