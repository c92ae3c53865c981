-- Records what was done to get a bridge paired: who nudged its tenant, and who requested a pairing code.

CREATE TABLE @extschema@.wab_nudges (
    customer_ref text NOT NULL CHECK (customer_ref <> ''),
    nudged_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    nudged_by    text NOT NULL DEFAULT session_user,
    channel      text NOT NULL CHECK (channel <> ''),
    nudge_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY
);
CREATE INDEX wab_nudges_customer_ref ON @extschema@.wab_nudges USING hash (customer_ref);

COMMENT ON TABLE @extschema@.wab_nudges IS 'When tenants were asked to pair their phones, as wab_nudged() recorded it.';
COMMENT ON COLUMN @extschema@.wab_nudges.customer_ref IS 'The tenant''s id as text.';
COMMENT ON COLUMN @extschema@.wab_nudges.nudged_at IS 'When.';
COMMENT ON COLUMN @extschema@.wab_nudges.nudged_by IS 'The role that recorded it (session_user).';
COMMENT ON COLUMN @extschema@.wab_nudges.channel IS 'How, for instance email or phone.';
COMMENT ON COLUMN @extschema@.wab_nudges.nudge_id IS 'The row''s own id.';

-- The code itself is not stored: it pairs a phone with the session.
CREATE TABLE @extschema@.wab_pairing_codes (
    customer_ref text NOT NULL CHECK (customer_ref <> ''),
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    requested_by text NOT NULL DEFAULT session_user,
    valid_until  timestamptz NOT NULL,
    code_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY
);
CREATE INDEX wab_pairing_codes_customer_ref ON @extschema@.wab_pairing_codes USING hash (customer_ref);
CREATE INDEX wab_pairing_codes_requested ON @extschema@.wab_pairing_codes USING brin (requested_at);

COMMENT ON TABLE @extschema@.wab_pairing_codes IS
    'When pairing codes were requested, by wab_pair() or wab pair. The codes are not stored.';
COMMENT ON COLUMN @extschema@.wab_pairing_codes.customer_ref IS 'The tenant''s id as text.';
COMMENT ON COLUMN @extschema@.wab_pairing_codes.requested_at IS 'When.';
COMMENT ON COLUMN @extschema@.wab_pairing_codes.requested_by IS
    'The role (session_user) that called wab_pair(), or user@host that ran wab.';
COMMENT ON COLUMN @extschema@.wab_pairing_codes.valid_until IS
    'Until when WhatsApp accepts the code: about three minutes. The provider does not say.';
COMMENT ON COLUMN @extschema@.wab_pairing_codes.code_id IS 'The row''s own id.';

CREATE FUNCTION @extschema@.wab_nudged(tenant_id text, channel text) RETURNS timestamptz
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
DECLARE
    at timestamptz;
BEGIN
    IF coalesce(tenant_id, '') = '' OR coalesce(btrim(channel), '') = '' THEN
        RAISE EXCEPTION USING ERRCODE = CASE WHEN tenant_id IS NULL OR channel IS NULL THEN '22004' ELSE '22023' END,
            MESSAGE = 'wab_nudged(): tenant_id and channel may be neither null nor empty',
            HINT = 'Say how the tenant was reached, such as: SELECT wab_nudged(''acme'', ''email'');';
    ELSIF length(channel) > 100 THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('wab_nudged(): the channel has %s characters; 100 are allowed', length(channel)),
            HINT = 'Pass a word such as ''email''.';
    ELSIF NOT EXISTS (SELECT FROM @extschema@.wab_bridges b WHERE b.customer_ref = tenant_id) THEN
        RAISE EXCEPTION USING ERRCODE = 'P0002',
            MESSAGE = format('wab_nudged(): no observed bridge has the customer_ref %L', left(tenant_id, 200)),
            HINT = 'Nothing was recorded. Check the spelling; SELECT customer_ref FROM wab_to_nudge lists who waits.';
    END IF;
    INSERT INTO @extschema@.wab_nudges (customer_ref, channel) VALUES (tenant_id, btrim(channel))
    RETURNING nudged_at INTO at;
    RETURN at;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_nudged(text, text) IS
    'Records that you asked a tenant to pair the phone, by this channel. wab_drift then says so, and the tenant comes last '
    'in wab_to_nudge and wab_to_repair. Returns the time.';

CREATE FUNCTION @extschema@.wab_nudged(tenant_id anynonarray, channel text) RETURNS timestamptz
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$ SELECT @extschema@.wab_nudged($1::text, $2); $$;
COMMENT ON FUNCTION @extschema@.wab_nudged(anynonarray, text) IS
    'wab_nudged() for tenant ids of another type, such as integer or uuid.';

-- Called by _wab_kinds for unpaired bridges only. COST 1: PostgreSQL expects a call for each row, and would JIT-compile the
-- query. A role that may read the fleet but not the nudges sees the drift without them.
CREATE FUNCTION @extschema@._wab_nudge_note(customer_ref text, since timestamptz) RETURNS text
LANGUAGE plpgsql STABLE COST 1 PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT has_table_privilege('@extschema@.wab_nudges', 'SELECT') THEN
        RETURN NULL;
    END IF;
    RETURN (SELECT format('nudged %s UTC by %s (%s)', to_char(n.nudged_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
                          n.nudged_by, n.channel)
            FROM @extschema@.wab_nudges n
            WHERE n.customer_ref = _wab_nudge_note.customer_ref AND n.nudged_at >= since
            ORDER BY n.nudged_at DESC LIMIT 1);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_nudge_note IS
    'The last nudge of this tenant since then, in words; null if there was none.';

-- Called by _wab_unpaired for unpaired bridges only; COST 1 as above.
CREATE FUNCTION @extschema@._wab_snooze_note(customer_ref text, kind text) RETURNS text
LANGUAGE plpgsql STABLE COST 1 PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT format('snoozed until %s UTC by %s: %s', to_char(s.until AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
                          s.snoozed_by, s.reason)
            FROM (SELECT o.kind, o.until, o.snoozed_by, o.reason FROM @extschema@.wab_snoozes o
                  WHERE o.customer_ref = _wab_snooze_note.customer_ref
                  UNION ALL
                  SELECT l.kind, l.until, l.snoozed_by, l.reason FROM @extschema@.wab_snoozes l
                  WHERE l.customer_ref IS NULL) s
            WHERE s.until > now()
              AND (s.kind IS NULL OR s.kind = _wab_snooze_note.kind)
            ORDER BY s.until DESC LIMIT 1);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_snooze_note IS
    'The longest present snooze of this tenant and kind of drift, in words; null if there is none.';

CREATE FUNCTION @extschema@._wab_note_code(customer_ref text, requested_by text DEFAULT session_user)
RETURNS TABLE (code_id bigint, valid_until timestamptz)
LANGUAGE sql ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO @extschema@.wab_pairing_codes AS c (customer_ref, requested_by, valid_until)
    VALUES ($1, $2, clock_timestamp() + interval '3 minutes')
    RETURNING c.code_id, c.valid_until;
$$;
COMMENT ON FUNCTION @extschema@._wab_note_code IS 'Records that a pairing code was requested for this tenant.';

-- A second code would make the first one, which the tenant may be about to type, invalid.
CREATE FUNCTION @extschema@._wab_claim_code(customer_ref text, requested_by text)
RETURNS TABLE (code_id bigint, valid_until timestamptz)
LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    IF EXISTS (SELECT FROM @extschema@.wab_pairing_codes c
               WHERE c.customer_ref = _wab_claim_code.customer_ref AND c.valid_until > clock_timestamp()) THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT n.code_id, n.valid_until
                 FROM @extschema@._wab_note_code(_wab_claim_code.customer_ref, _wab_claim_code.requested_by) n;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_claim_code IS
    '_wab_note_code() before the call, for wab pair --all-disconnected: no row if the tenant has a valid code already.';

-- The last of each tenant. As views, so that a join reads the table once.
CREATE VIEW @extschema@._wab_last_nudges AS
SELECT DISTINCT ON (n.customer_ref) n.customer_ref, n.nudged_at, n.nudged_by, n.channel
FROM @extschema@.wab_nudges n ORDER BY n.customer_ref, n.nudged_at DESC;

CREATE VIEW @extschema@._wab_last_codes AS
SELECT DISTINCT ON (c.customer_ref) c.customer_ref, c.requested_at, c.requested_by, c.valid_until
FROM @extschema@.wab_pairing_codes c ORDER BY c.customer_ref, c.requested_at DESC;

COMMENT ON VIEW @extschema@._wab_last_nudges IS 'The last row of wab_nudges for each tenant.';
COMMENT ON COLUMN @extschema@._wab_last_nudges.customer_ref IS 'As in wab_nudges.';
COMMENT ON COLUMN @extschema@._wab_last_nudges.nudged_at IS 'As in wab_nudges.';
COMMENT ON COLUMN @extschema@._wab_last_nudges.nudged_by IS 'As in wab_nudges.';
COMMENT ON COLUMN @extschema@._wab_last_nudges.channel IS 'As in wab_nudges.';
COMMENT ON VIEW @extschema@._wab_last_codes IS 'The last row of wab_pairing_codes for each tenant.';
COMMENT ON COLUMN @extschema@._wab_last_codes.customer_ref IS 'As in wab_pairing_codes.';
COMMENT ON COLUMN @extschema@._wab_last_codes.requested_at IS 'As in wab_pairing_codes.';
COMMENT ON COLUMN @extschema@._wab_last_codes.requested_by IS 'As in wab_pairing_codes.';
COMMENT ON COLUMN @extschema@._wab_last_codes.valid_until IS 'As in wab_pairing_codes.';

-- Since PostgreSQL 15 a view can read with the rights of the caller; before 15 it reads with those of its owner.
DO $$
DECLARE
    name text;
BEGIN
    IF pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.>=) 150000 THEN
        FOREACH name IN ARRAY '{_wab_last_nudges,_wab_last_codes}'::text[] LOOP
            EXECUTE pg_catalog.format('ALTER VIEW @extschema@.%I SET (security_invoker = true)', name);
        END LOOP;
    END IF;
END
$$;
