-- Keeps who is paired with each bridge: phone, jid and name as the session or a connected event told them. A number is
-- personal: wab_phones is not for every reader, and what the drift shows of it is its last four digits.

CREATE TABLE @extschema@.wab_phones (
    bridge_id      bigint PRIMARY KEY,
    customer_ref   text,
    phone          text,
    jid            text,
    name           text,
    phone_hash     text NOT NULL,
    phone_since    timestamptz NOT NULL,
    seen_at        timestamptz NOT NULL,
    previous_phone text,
    previous_hash  text,
    shared         boolean NOT NULL DEFAULT false,
    accepted_at    timestamptz,
    accepted_by    name
);
CREATE INDEX wab_phones_hash ON @extschema@.wab_phones USING hash (phone_hash);
-- Empty in a healthy fleet: what the drift views read of this table at each query.
CREATE INDEX wab_phones_signs ON @extschema@.wab_phones (bridge_id)
    WHERE shared OR (previous_hash IS NOT NULL AND accepted_at IS NULL);

COMMENT ON TABLE @extschema@.wab_phones IS
    'Who is paired with each live bridge, as last observed. Readable for wab_operator, wab_support and '
    'wab_receiver, not for wab_reader. With wab_policy.phones = hash it holds no number, no jid and no name.';
COMMENT ON COLUMN @extschema@.wab_phones.bridge_id IS 'The bridge.';
COMMENT ON COLUMN @extschema@.wab_phones.customer_ref IS 'The customer_ref that it carries.';
COMMENT ON COLUMN @extschema@.wab_phones.phone IS
    'The number in digits with its country code; null if only its hash is kept.';
COMMENT ON COLUMN @extschema@.wab_phones.jid IS 'The WhatsApp address; null if only hashes are kept.';
COMMENT ON COLUMN @extschema@.wab_phones.name IS 'The display name; null if only hashes are kept.';
COMMENT ON COLUMN @extschema@.wab_phones.phone_hash IS
    'A hash of the number under the key of this database: equal numbers have equal hashes.';
COMMENT ON COLUMN @extschema@.wab_phones.phone_since IS 'When this number was first observed on the bridge.';
COMMENT ON COLUMN @extschema@.wab_phones.seen_at IS
    'When it was last observed; while nothing changes, written once an hour.';
COMMENT ON COLUMN @extschema@.wab_phones.previous_phone IS
    'The last accepted number before this one; null if there was none, and if only hashes are kept.';
COMMENT ON COLUMN @extschema@.wab_phones.previous_hash IS 'The hash of the last accepted number before this one.';
COMMENT ON COLUMN @extschema@.wab_phones.shared IS 'Whether another live bridge has the same number.';
COMMENT ON COLUMN @extschema@.wab_phones.accepted_at IS
    'When wab_accept_phone() accepted the change of number; null while it is not accepted.';
COMMENT ON COLUMN @extschema@.wab_phones.accepted_by IS 'The role that accepted it.';

-- The table is empty at first, as _wab_policy is: the first number that is stored makes the key.
CREATE TABLE @extschema@._wab_phone_key (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    key      bytea NOT NULL
);
COMMENT ON TABLE @extschema@._wab_phone_key IS
    'The random key of the hashes in wab_phones. Without it they cannot be compared with numbers: a number alone has too '
    'few digits to resist guessing.';
COMMENT ON COLUMN @extschema@._wab_phone_key.only_row IS 'Always true: there is one key.';
COMMENT ON COLUMN @extschema@._wab_phone_key.key IS '32 bytes.';

-- The rules are those of wabridges::Phone. The body is a string: a database of another encoding, which the install script
-- refuses, could not even read the characters. Without SET the planner inlines it, so every name is qualified.
CREATE FUNCTION @extschema@._wab_phone(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 1
AS $$
    SELECT CASE WHEN (value COLLATE pg_catalog."C") OPERATOR(pg_catalog.~) '^[1-9][0-9]{6,14}$' THEN value
                WHEN pg_catalog.strpos(pg_catalog.translate(value, E' \u00a0', ''), '(0') OPERATOR(pg_catalog.=) 0
                THEN pg_catalog.substring(
                         pg_catalog.translate(pg_catalog.btrim(value, E' \t\n\u000b\f\r\u0085\u00a0\u2028\u2029'),
                                              E' -./()\u00a0\u2010\u2013', '') COLLATE pg_catalog."C",
                         '^(?:\+|00)?([1-9][0-9]{6,14})$') END;
$$;
COMMENT ON FUNCTION @extschema@._wab_phone IS
    'A phone number in digits with its country code, from the forms that wab_pair() accepts; null for any other text.';

CREATE FUNCTION @extschema@._wab_phone_hash(phone text) RETURNS text
LANGUAGE plpgsql STABLE COST 1 SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT encode(sha256(k.key || sha256(k.key || convert_to(phone, 'UTF8'))), 'hex')
            FROM @extschema@._wab_phone_key k);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_phone_hash IS
    'The hash of a phone number under _wab_phone_key; null before there is a key.';

-- A role that was granted less, for instance before an upgrade, still stores statuses: it leaves this to other roles.
CREATE FUNCTION @extschema@._wab_may_remember() RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT bool_and(has_table_privilege(c.oid, p.privilege))
            FROM pg_class c CROSS JOIN unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS p(privilege)
            WHERE c.relnamespace = to_regnamespace('@extschema@')
              AND c.relname IN ('wab_phones', '_wab_phone_key', 'wab_activity'))
       AND (SELECT bool_and(has_function_privilege(f.oid, 'EXECUTE')) FROM pg_proc f
            WHERE f.pronamespace = to_regnamespace('@extschema@')
              AND f.proname IN ('_wab_note_drift_of', '_wab_phone_hash', '_wab_mark_shared', '_wab_forget_phones',
                                '_wab_note_activity', '_wab_forget_activity'));
END
$$;
COMMENT ON FUNCTION @extschema@._wab_may_remember IS
    'Whether the caller may write who is paired and when each bridge was active.';

CREATE FUNCTION @extschema@._wab_mark_shared(hashes text[]) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE @extschema@.wab_phones p SET shared = NOT p.shared
    WHERE p.phone_hash IN (SELECT h.hash FROM unnest(hashes) AS h(hash))
      AND p.shared <> EXISTS (SELECT FROM @extschema@.wab_phones o
                              WHERE o.phone_hash = p.phone_hash AND o.bridge_id <> p.bridge_id);
$$;
COMMENT ON FUNCTION @extschema@._wab_mark_shared IS 'Sets wab_phones.shared of the bridges with these numbers.';

-- Writes only rows that differ: a poll of a hundred sessions whose phones are known writes none. A change that is not
-- accepted keeps the number before it, whatever numbers follow; when that number is back, there is no change.
CREATE FUNCTION @extschema@._wab_observe_phones(
    bridge_ids bigint[], phones text[], jids text[], names text[], at timestamptz)
RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_column
DECLARE
    keeps  boolean;
    hashes text[];
    moved  text[];
BEGIN
    IF coalesce(array_to_string(phones, ''), '') = '' OR NOT @extschema@._wab_may_remember() THEN
        RETURN '{}';
    END IF;
    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    IF NOT EXISTS (SELECT FROM @extschema@._wab_phone_key) THEN
        INSERT INTO @extschema@._wab_phone_key (key)
        VALUES (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
    END IF;
    SELECT p.phones = 'clear' INTO keeps FROM @extschema@.wab_policy p;
    WITH told AS MATERIALIZED (
        SELECT b.bridge_id, b.customer_ref, n.phone, nullif(s.jid, '') AS jid, nullif(s.name, '') AS name,
               @extschema@._wab_phone_hash(n.phone) AS phone_hash
        FROM unnest(bridge_ids, phones, jids, names) AS s(bridge_id, phone, jid, name)
        JOIN @extschema@.wab_bridges b ON b.bridge_id = s.bridge_id
        CROSS JOIN LATERAL (SELECT coalesce(@extschema@._wab_phone(s.phone), btrim(s.phone)) AS phone) n
        WHERE n.phone <> '' AND NOT b.duplicated AND coalesce(b.status_observed_at <= at OR b.status_observed_at > clock_timestamp(), true)
    ), diff AS MATERIALIZED (
        SELECT t.bridge_id, t.customer_ref, t.phone_hash, p.phone_hash AS was_hash,
               p.phone_hash IS DISTINCT FROM t.phone_hash AS is_other,
               p.previous_hash IS NOT NULL AND p.accepted_at IS NULL AS is_open,
               p.previous_hash = t.phone_hash AS is_back,
               CASE WHEN keeps THEN t.phone END AS phone, CASE WHEN keeps THEN coalesce(t.jid, p.jid) END AS jid,
               CASE WHEN keeps THEN coalesce(t.name, p.name) END AS name
        FROM told t LEFT JOIN @extschema@.wab_phones p ON p.bridge_id = t.bridge_id
        WHERE p.bridge_id IS NULL
           OR (coalesce(p.seen_at <= at OR p.seen_at > clock_timestamp(), true)
               AND (p.phone_hash <> t.phone_hash OR p.seen_at <= at - interval '1 hour' OR p.seen_at > at
                    OR (keeps AND (t.phone, coalesce(t.jid, p.jid), coalesce(t.name, p.name))
                                  IS DISTINCT FROM (p.phone, p.jid, p.name))))
    ), added AS (
        INSERT INTO @extschema@.wab_phones
            (bridge_id, customer_ref, phone, jid, name, phone_hash, phone_since, seen_at)
        SELECT d.bridge_id, d.customer_ref, d.phone, d.jid, d.name, d.phone_hash, at, at
        FROM diff d WHERE d.was_hash IS NULL
    ), updated AS (
        UPDATE @extschema@.wab_phones p
        SET phone = d.phone, jid = d.jid, name = d.name, phone_hash = d.phone_hash, seen_at = at,
            phone_since = CASE WHEN d.is_other THEN at ELSE p.phone_since END,
            previous_phone = CASE WHEN NOT d.is_other OR (d.is_open AND NOT d.is_back) THEN p.previous_phone
                                  WHEN d.is_open THEN NULL ELSE p.phone END,
            previous_hash = CASE WHEN NOT d.is_other OR (d.is_open AND NOT d.is_back) THEN p.previous_hash
                                 WHEN d.is_open THEN NULL ELSE p.phone_hash END,
            accepted_at = CASE WHEN d.is_other THEN NULL ELSE p.accepted_at END,
            accepted_by = CASE WHEN d.is_other THEN NULL ELSE p.accepted_by END
        FROM diff d WHERE p.bridge_id = d.bridge_id AND d.was_hash IS NOT NULL
    )
    SELECT array_agg(d.phone_hash) || array_agg(d.was_hash) FILTER (WHERE d.was_hash IS NOT NULL),
           array_agg(d.customer_ref)
    INTO hashes, moved FROM diff d WHERE d.is_other;
    IF moved IS NOT NULL THEN
        PERFORM @extschema@._wab_mark_shared(hashes);
    END IF;
    RETURN coalesce(moved, '{}');
END
$$;
COMMENT ON FUNCTION @extschema@._wab_observe_phones IS
    'Stores who is paired, as the sessions of these bridges told it at this time (null: nothing was told). Returns the '
    'customer_refs of the bridges with a new number. An older answer never overwrites a newer one. Stores nothing if the '
    'caller may not write wab_phones.';

CREATE FUNCTION @extschema@._wab_record_phone(
    customer_ref text, phone text, jid text, name text, asked_at timestamptz DEFAULT clock_timestamp())
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
DECLARE
    moved text[];
BEGIN
    SELECT @extschema@._wab_observe_phones(array_agg(b.bridge_id), ARRAY[phone], ARRAY[jid], ARRAY[name], asked_at)
    INTO moved FROM @extschema@.wab_bridges b WHERE b.customer_ref = customer_ref AND NOT b.duplicated;
    IF moved <> '{}' THEN
        PERFORM @extschema@._wab_note_drift_of(moved);
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_record_phone IS
    'Records who is paired with a tenant''s bridge, as its session told it when it was asked.';

-- A bridge that is gone, or carries another customer_ref, takes its number with it. One that shares its customer_ref with
-- another bridge can no longer be asked who is paired with it.
CREATE FUNCTION @extschema@._wab_forget_phones(bridge_ids bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
DECLARE
    hashes text[];
BEGIN
    WITH gone AS (
        DELETE FROM @extschema@.wab_phones p WHERE p.bridge_id = ANY (bridge_ids)
        RETURNING p.phone_hash, p.shared
    )
    SELECT array_agg(g.phone_hash) INTO hashes FROM gone g WHERE g.shared;
    IF hashes IS NOT NULL THEN
        PERFORM @extschema@._wab_mark_shared(hashes);
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_forget_phones IS
    'Deletes the numbers of these bridges.';

CREATE FUNCTION @extschema@._wab_hash_phones() RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
    SELECT pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    UPDATE @extschema@.wab_phones p SET phone = NULL, jid = NULL, name = NULL, previous_phone = NULL
    WHERE num_nonnulls(p.phone, p.jid, p.name, p.previous_phone) > 0;
$$;
COMMENT ON FUNCTION @extschema@._wab_hash_phones IS
    'Keeps only the hashes of the stored numbers. Called when wab_policy.phones becomes hash.';
