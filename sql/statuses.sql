-- Maps the provider's status words to statuses: wab_status_words has the built-in words and those of the user.

CREATE FUNCTION @extschema@._wab_status_word(raw text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN translate(lower(raw COLLATE "C"), '_ -', '');
COMMENT ON FUNCTION @extschema@._wab_status_word IS
    'The form in which status words are compared: lower case, without _, - and spaces.';

-- Built in are the words that the provider documents, and words of other gateways that can mean nothing else. No word is
-- guessed to mean paired: a wrong guess would hide an outage. Words with two meanings stay unmapped: a timeout may be the
-- QR code's or the connection's, and starting, connecting or stopped say nothing about the phone.
CREATE VIEW @extschema@.wab_status_words AS
SELECT w.word, w.status, false AS built_in FROM @extschema@._wab_status_words w
UNION ALL
SELECT b.word, b.status, true
FROM (VALUES
    ('connected', 'paired'),
    ('paired', 'paired'),
    ('qr', 'awaiting_scan'),
    ('unpaired', 'awaiting_scan'),
    ('pairing', 'awaiting_scan'),
    ('awaitingscan', 'awaiting_scan'),
    ('disconnected', 'disconnected'),
    ('loggedout', 'disconnected'),
    ('closed', 'disconnected'),
    -- Other gateways' words for the same: the QR code is shown, the connection is closed, the number is locked out.
    ('scanqrcode', 'awaiting_scan'),
    ('qrcode', 'awaiting_scan'),
    ('unpairedidle', 'awaiting_scan'),
    ('close', 'disconnected'),
    ('conflict', 'disconnected'),
    ('banned', 'disconnected')
) AS b(word, status)
WHERE NOT EXISTS (SELECT FROM @extschema@._wab_status_words o WHERE o.word = b.word);

COMMENT ON VIEW @extschema@.wab_status_words IS
    'The status that each of the provider''s words stands for. INSERT, UPDATE and DELETE your own words; upper and lower '
    'case, _, - and spaces make no difference. The stored statuses follow at once. A word of yours overrides the '
    'built-in one.';
COMMENT ON COLUMN @extschema@.wab_status_words.word IS 'The word in lower case, without _, - and spaces.';
COMMENT ON COLUMN @extschema@.wab_status_words.status IS
    'paired, awaiting_scan or disconnected; or unknown, for a word that is known to say nothing about the session.';
COMMENT ON COLUMN @extschema@.wab_status_words.built_in IS 'Whether the word is built in and not yours.';

-- As one value, so that a query over many bridges calls it once and looks the words up without a join.
CREATE FUNCTION @extschema@._wab_status_map() RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT jsonb_object_agg(w.word, w.status) FROM @extschema@.wab_status_words w);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_status_map IS 'wab_status_words as one JSON object: the status of each word.';

-- In plpgsql, as all functions of a statement that runs once per event: PostgreSQL plans the query of an SQL function at
-- each call, which takes longer than to run it.
CREATE FUNCTION @extschema@.wab_normalize_status(raw text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN coalesce((SELECT w.status FROM @extschema@.wab_status_words w
                     WHERE w.word = @extschema@._wab_status_word(raw)), 'unknown');
END
$$;
COMMENT ON FUNCTION @extschema@.wab_normalize_status IS
    'Maps the provider''s status text to paired, awaiting_scan, disconnected or unknown, as wab_status_words says; any '
    'other text, and null, to unknown.';

CREATE VIEW @extschema@.wab_unmapped_words AS
SELECT u.word, min(u.raw_status) AS raw_status, count(*) AS bridges, min(u.status_since) AS since
FROM (SELECT @extschema@._wab_status_word(b.raw_status) AS word, b.raw_status, b.status_since
      FROM @extschema@.wab_bridges b WHERE b.status = 'unknown' AND b.raw_status IS NOT NULL) u
WHERE NOT EXISTS (SELECT FROM @extschema@.wab_status_words w WHERE w.word = u.word)
GROUP BY u.word;

COMMENT ON VIEW @extschema@.wab_unmapped_words IS
    'The provider''s status words that wab_status_words does not map, with the number of bridges that carry each.';
COMMENT ON COLUMN @extschema@.wab_unmapped_words.word IS 'The word in lower case, without _, - and spaces.';
COMMENT ON COLUMN @extschema@.wab_unmapped_words.raw_status IS 'The word as the provider writes it.';
COMMENT ON COLUMN @extschema@.wab_unmapped_words.bridges IS 'Live bridges that carry it.';
COMMENT ON COLUMN @extschema@.wab_unmapped_words.since IS 'When the first of them became unknown.';

-- Called by _wab_kinds once per query.
CREATE FUNCTION @extschema@._wab_unmapped() RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT jsonb_object_agg(u.word, u.bridges) FROM @extschema@.wab_unmapped_words u);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_unmapped IS
    'wab_unmapped_words as one JSON object: the number of bridges with each word.';

-- Called by _wab_kinds for bridges whose status changed within the window. It reads the history of one bridge by index: a
-- query of a few bridges must not read the window of all. COST 1: PostgreSQL would otherwise compile (JIT) each query.
CREATE FUNCTION @extschema@._wab_flapping(bridge_id bigint, since timestamptz, at_least integer) RETURNS bigint
LANGUAGE plpgsql STABLE COST 1 PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    changes bigint;
BEGIN
    SELECT count(*) INTO changes FROM @extschema@.wab_bridge_events e
    WHERE e.bridge_id = _wab_flapping.bridge_id AND e.at > _wab_flapping.since
      AND e.event = 'status' AND e.was <> e.became AND 'unknown' NOT IN (e.was, e.became)
      -- Not a word that was mapped to another status.
      AND e.since IS NULL;
    RETURN CASE WHEN changes >= at_least THEN changes END;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_flapping IS
    'How often the status of this bridge changed since this time, if it is so many times or more; otherwise null.';

DO $$
DECLARE
    name text;
BEGIN
    IF pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.>=) 150000 THEN
        FOREACH name IN ARRAY '{wab_status_words,wab_unmapped_words}'::text[] LOOP
            EXECUTE pg_catalog.format('ALTER VIEW @extschema@.%I SET (security_invoker = true)', name);
        END LOOP;
    END IF;
END
$$;
-- PUBLIC may call wab_normalize_status(), which reads them.
GRANT SELECT ON @extschema@._wab_status_words, @extschema@.wab_status_words TO PUBLIC;

CREATE FUNCTION @extschema@._wab_map_statuses() RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
    SELECT pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    WITH diff AS MATERIALIZED (
        SELECT b.bridge_id, b.customer_ref, b.status AS was, m.reported, s.status,
               coalesce(b.status_since, b.first_seen_at) AS since,
               CASE WHEN b.status = 'paired' AND m.reported = 'awaiting_scan'
                    -- It was paired only by how its word was mapped.
                    THEN @extschema@._wab_unpaired_by_history(b, 'does not count')
                    ELSE @extschema@._wab_unpaired_since(m.reported, clock_timestamp(), b.unpaired_since, b.status, b.raw_status,
                             b.status_since, coalesce(b.created_at, b.first_seen_at)) END AS unpaired_since
        FROM @extschema@.wab_bridges b
        CROSS JOIN LATERAL (
            SELECT coalesce((SELECT @extschema@._wab_status_map())
                            ->> @extschema@._wab_status_word(b.raw_status), 'unknown') AS reported) m
        CROSS JOIN LATERAL (SELECT @extschema@._wab_status_of(m.reported, b.unpaired_since) AS status) s
        WHERE b.raw_status IS NOT NULL AND b.status <> s.status
    ), updated AS (
        -- status_since stays: the provider has said this word since then.
        UPDATE @extschema@.wab_bridges b SET status = d.status, unpaired_since = d.unpaired_since
        FROM diff d WHERE b.bridge_id = d.bridge_id
    ), events AS (
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, became, since, reported)
        -- since tells these events from those that were observed.
        SELECT (SELECT clock_timestamp()), d.bridge_id, d.customer_ref, 'status', d.was, d.status, d.since,
               nullif(d.reported, d.status)
        FROM diff d
    )
    SELECT count(*) FROM diff;
$$;
COMMENT ON FUNCTION @extschema@._wab_map_statuses IS
    'Derives the stored statuses from raw_status again, after wab_status_words changed. Returns how many changed.';

CREATE FUNCTION @extschema@._wab_write_status_word() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        NEW.word := @extschema@._wab_status_word(NEW.word);
        NEW.built_in := false;
        IF NEW.word = '' THEN
            RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'a status word has a character that is no space, - or _',
                HINT = 'The words that are not mapped: SELECT * FROM wab_unmapped_words;';
        ELSIF NEW.word IS NULL OR NEW.status IS NULL
           OR NEW.status NOT IN ('paired', 'awaiting_scan', 'disconnected', 'unknown') THEN
            RAISE EXCEPTION USING ERRCODE = CASE WHEN NEW.word IS NULL OR NEW.status IS NULL THEN '22004' ELSE '22023' END,
                MESSAGE = 'wab_status_words maps a word to paired, awaiting_scan, disconnected or unknown',
                DETAIL = format('word: %s; status: %s', left(NEW.word, 200), left(NEW.status, 200)),
                HINT = 'The words that are not mapped: SELECT * FROM wab_unmapped_words;';
        END IF;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM @extschema@._wab_status_words w WHERE w.word = OLD.word;
        IF NOT FOUND AND (TG_OP = 'DELETE' OR NEW.word <> OLD.word) THEN
            RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('the status word %s is built in', OLD.word),
                HINT = format('Give it another status: UPDATE wab_status_words SET status = ''...'' WHERE word = %L; to '
                              'delete your own words: DELETE FROM wab_status_words WHERE NOT built_in;', OLD.word);
        END IF;
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    INSERT INTO @extschema@._wab_status_words (word, status) VALUES (NEW.word, NEW.status)
    ON CONFLICT (word) DO UPDATE SET status = excluded.status;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_write_status_word IS
    'Trigger on wab_status_words: stores your words, and refuses to delete or rename a built-in one.';
CREATE TRIGGER _wab_write_status_word INSTEAD OF INSERT OR UPDATE OR DELETE ON @extschema@.wab_status_words
    FOR EACH ROW EXECUTE FUNCTION @extschema@._wab_write_status_word();

CREATE FUNCTION @extschema@._wab_status_words_changed() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM @extschema@._wab_map_statuses();
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_status_words_changed IS
    'Trigger on wab_status_words, once per statement: the stored statuses follow the words.';
CREATE TRIGGER _wab_status_words_changed AFTER INSERT OR UPDATE OR DELETE ON @extschema@.wab_status_words
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._wab_status_words_changed();

-- An upgrade may bring new words.
SELECT @extschema@._wab_map_statuses();
