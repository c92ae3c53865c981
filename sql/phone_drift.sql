-- Tells which bridges are paired with another phone than before, with the same phone, or with one that is not expected.
-- What it shows of a number is its last four digits.

-- The view reads with the rights of its owner on purpose, so that every reader of the drift sees the same rows, and no
-- number. Only an unpaired bridge is left out: nobody is on it.
CREATE VIEW @extschema@._wab_phone_signs AS
SELECT p.bridge_id, p.customer_ref,
       coalesce('...' || right(p.phone, 4), '#' || left(p.phone_hash, 6)) AS phone,
       CASE WHEN p.accepted_at IS NULL
            THEN coalesce('...' || right(p.previous_phone, 4), '#' || left(p.previous_hash, 6)) END AS previous_phone,
       CASE WHEN p.accepted_at IS NULL AND p.previous_hash IS NOT NULL THEN p.phone_since END AS changed_at,
       nullif(CASE WHEN p.bridge_id = min(p.bridge_id) OVER same THEN max(p.bridge_id) OVER same
                   ELSE min(p.bridge_id) OVER same END, p.bridge_id) AS shared_with,
       count(*) OVER same AS bridges
FROM @extschema@.wab_phones p JOIN @extschema@.wab_bridges b ON b.bridge_id = p.bridge_id
WHERE (p.shared OR (p.previous_hash IS NOT NULL AND p.accepted_at IS NULL)) AND b.status = 'paired'
WINDOW same AS (PARTITION BY p.phone_hash);
COMMENT ON VIEW @extschema@._wab_phone_signs IS
    'The paired bridges whose number changed or is on another bridge too, without the numbers: their last four digits, or '
    'the beginning of the hash. The drift views read it.';

CREATE FUNCTION @extschema@._wab_phone_drift() RETURNS jsonb
LANGUAGE plpgsql STABLE COST 1 PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF has_table_privilege('@extschema@._wab_phone_signs', 'SELECT') THEN
        RETURN (
            SELECT jsonb_object_agg(s.bridge_id, jsonb_strip_nulls(jsonb_build_object('phone', s.phone,
                       'previous', CASE WHEN s.changed_at > c.since THEN s.previous_phone END,
                       'changed_at', CASE WHEN s.changed_at > c.since THEN s.changed_at END,
                       'shared_with', 'bridge ' || s.shared_with || ' (' || @extschema@._wab_carried(s.shared_with) || ')'
                                      || CASE WHEN s.bridges > 2 THEN ' and ' || s.bridges - 2 || ' more' ELSE '' END)))
            FROM @extschema@._wab_phone_signs s
            CROSS JOIN (SELECT now() - least(p.phone_changed_for, interval '1000 years') AS since
                        FROM @extschema@.wab_policy p) c
            WHERE s.changed_at > c.since OR s.shared_with IS NOT NULL);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_phone_drift IS
    'The bridges of _wab_phone_signs whose number is drift, as one JSON object by bridge_id; null if there are none, or '
    'if the caller may not read that view.';

CREATE FUNCTION @extschema@._wab_phone_sign(phones jsonb, bridge_id bigint, sign text) RETURNS text
LANGUAGE plpgsql IMMUTABLE COST 1 PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN phones -> bridge_id::text ->> sign;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_phone_sign IS 'One value of a bridge in the result of _wab_phone_drift().';

CREATE FUNCTION @extschema@._wab_phone_hint(phone text) RETURNS text
LANGUAGE plpgsql IMMUTABLE COST 1 PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN '...' || right(@extschema@._wab_phone(phone), 4);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_phone_hint IS 'What the drift shows of a phone number: the last four digits.';

-- A caller that may not read the numbers must not be able to guess one by comparing: it sees the comparison that was
-- recorded last.
CREATE FUNCTION @extschema@._wab_unexpected_phone(bridge_id bigint, expected text) RETURNS text
LANGUAGE plpgsql STABLE COST 1 PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    number text := @extschema@._wab_phone(expected);
BEGIN
    IF has_table_privilege('@extschema@.wab_phones', 'SELECT')
       AND has_table_privilege('@extschema@._wab_phone_key', 'SELECT') THEN
        RETURN (SELECT coalesce('...' || right(p.phone, 4), '#' || left(p.phone_hash, 6)) FROM @extschema@.wab_phones p
                WHERE p.bridge_id = _wab_unexpected_phone.bridge_id
                  AND CASE WHEN p.phone IS NOT NULL THEN p.phone <> number
                           ELSE p.phone_hash <> @extschema@._wab_phone_hash(number) END);
    END IF;
    RETURN (SELECT '...' FROM @extschema@.wab_drift_episodes e
            WHERE e.subject = _wab_unexpected_phone.bridge_id::text AND e.kind = 'phone_unexpected'
              AND e.ended_at IS NULL AND number IS NOT NULL LIMIT 1);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_unexpected_phone IS
    'What may be shown of the number that is paired with this bridge, if it is known and is not the expected one; otherwise '
    'null. An expected text that is no international number is not compared.';

-- Phones are compared between bridges, so a change of one bridge may begin or end the drift of others.
CREATE FUNCTION @extschema@._wab_phone_partners(bridge_ids bigint[]) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off
AS $$
DECLARE
    shared text[] := '{}';
BEGIN
    IF has_table_privilege('@extschema@._wab_phone_signs', 'SELECT') THEN
        SELECT coalesce(array_agg(s.customer_ref), '{}') INTO shared
        FROM @extschema@._wab_phone_signs s WHERE s.shared_with IS NOT NULL;
    END IF;
    IF shared <> '{}' OR EXISTS (SELECT FROM @extschema@.wab_drift_episodes e
                                 WHERE e.subject = ANY (bridge_ids::text[]) AND e.kind = 'phone_shared'
                                   AND e.ended_at IS NULL) THEN
        shared := shared || ARRAY(SELECT e.customer_ref FROM @extschema@.wab_drift_episodes e
                                  WHERE e.kind = 'phone_shared' AND e.ended_at IS NULL);
    END IF;
    RETURN shared;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_phone_partners IS
    'The customer_refs whose drift of kind phone_shared may begin or end when these bridges change: all that have it.';

CREATE FUNCTION @extschema@.wab_accept_phone(tenant_id text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
DECLARE
    pending boolean;
BEGIN
    IF coalesce(tenant_id, '') = '' THEN
        RAISE EXCEPTION USING ERRCODE = CASE WHEN tenant_id IS NULL THEN '22004' ELSE '22023' END,
            MESSAGE = 'wab_accept_phone(): tenant_id may be neither null nor empty',
            HINT = 'Name the tenant, such as: SELECT wab_accept_phone(''acme'');';
    END IF;
    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    SELECT bool_or(p.previous_hash IS NOT NULL AND p.accepted_at IS NULL) INTO pending
    FROM @extschema@.wab_phones p WHERE p.customer_ref = tenant_id;
    IF pending IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'no phone is known of this tenant',
            DETAIL = format('tenant_id: %s', left(tenant_id, 200)),
            HINT = 'A phone is learnt when the session of a paired bridge is asked, or from its connected event: '
                   'SELECT * FROM wab_session_status(...);';
    ELSIF NOT pending THEN
        RETURN 'nothing to accept';
    END IF;
    UPDATE @extschema@.wab_phones p SET accepted_at = clock_timestamp(), accepted_by = session_user
    WHERE p.customer_ref = tenant_id AND p.previous_hash IS NOT NULL AND p.accepted_at IS NULL;
    PERFORM @extschema@._wab_note_drift_of(ARRAY[tenant_id]);
    RETURN 'accepted';
END
$$;
COMMENT ON FUNCTION @extschema@.wab_accept_phone(text) IS
    'Accepts the phone that is paired with a tenant''s bridge: the drift phone_changed ends, and is found again only for '
    'another phone. Records who accepted it. Returns accepted, or nothing to accept.';

CREATE FUNCTION @extschema@.wab_accept_phone(tenant_id anynonarray) RETURNS text
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$ SELECT @extschema@.wab_accept_phone($1::text); $$;
COMMENT ON FUNCTION @extschema@.wab_accept_phone(anynonarray) IS
    'wab_accept_phone() for tenant ids of another type, such as integer or uuid.';
