-- Creates the schema growth with a function that lives through one minute of a fleet, as the jobs of sql/cron.sql do.

CREATE SCHEMA growth;
CREATE EXTENSION pgstattuple SCHEMA growth;
CREATE TABLE growth.bridges (bridge_id bigint PRIMARY KEY, customer_ref text NOT NULL, created_at timestamptz, back_at timestamptz);
INSERT INTO growth.bridges SELECT b.bridge_id, b.customer_ref, b.created_at FROM wab_bridges b WHERE b.status = 'paired';
CREATE INDEX ON growth.bridges (back_at) WHERE back_at IS NOT NULL;
CREATE TABLE growth.state (listing_sha256 text NOT NULL, next_id bigint NOT NULL, bridges integer NOT NULL,
                           flips bigint NOT NULL DEFAULT 0, changed bigint NOT NULL DEFAULT 0);
INSERT INTO growth.state SELECT o.listing_sha256, (SELECT max(b.bridge_id) + 1 FROM wab_bridges b), o.bridges
FROM wab_observations o ORDER BY o.observed_at DESC LIMIT 1;

-- How many events happen in this minute if `expected` do on average (Poisson).
CREATE FUNCTION growth.drawn(expected float8) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    n integer := -1;
    p float8 := 1;
BEGIN
    LOOP
        n := n + 1;
        p := p * random();
        EXIT WHEN p < exp(-expected);
    END LOOP;
    RETURN n;
END
$$;

-- The bridges that lose their phone or get it back in this minute. Each bridge loses it once a week, for 40 minutes on
-- average; once a week a restart at the provider takes 5 % of the bridges for 5 minutes.
CREATE FUNCTION growth.flip(minute integer) RETURNS TABLE (bridge_id bigint, customer_ref text, raw_status text, created_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    -- A few of these ids have no bridge any more.
    known bigint := (SELECT s.next_id - 1 FROM growth.state s);
    at    timestamptz := clock_timestamp();
    lost  bigint[] := ARRAY(SELECT 1 + floor(random() * known) FROM generate_series(1, growth.drawn(known / 10080.0)));
BEGIN
    RETURN QUERY UPDATE growth.bridges b SET back_at = NULL WHERE b.back_at <= at
    RETURNING b.bridge_id, b.customer_ref, 'connected', b.created_at;
    RETURN QUERY UPDATE growth.bridges b SET back_at = at - ln(1 - random()) * interval '40 minutes'
    WHERE b.bridge_id = ANY (lost) AND b.back_at IS NULL
    RETURNING b.bridge_id, b.customer_ref, 'disconnected', b.created_at;
    IF minute % 10080 = 5000 THEN
        RETURN QUERY UPDATE growth.bridges b SET back_at = at + interval '5 minutes'
        WHERE b.bridge_id % 20 = 0 AND b.back_at IS NULL
        RETURNING b.bridge_id, b.customer_ref, 'disconnected', b.created_at;
    END IF;
END
$$;

-- Stores the changes as wab_reconcile() does. An unchanged minute adds one row. Returns the number of flips.
CREATE FUNCTION growth.refresh(minute integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    ids  bigint[]; refs text[]; raw text[]; created timestamptz[]; gone bigint[] := '{}';
    total integer := (SELECT s.bridges FROM growth.state s);
    flipped integer;
    sha  text;
BEGIN
    SELECT array_agg(f.bridge_id), array_agg(f.customer_ref), array_agg(f.raw_status), array_agg(f.created_at), count(*)
    INTO ids, refs, raw, created, flipped
    -- A bridge that comes back may be lost again in the same minute: its last status counts.
    FROM (SELECT DISTINCT ON (bridge_id) f.* FROM growth.flip(minute) WITH ORDINALITY f ORDER BY bridge_id, ordinality DESC) f;
    IF minute % 60 = 0 THEN
        -- A tenant leaves and its bridge is deleted; another one signs up.
        SELECT ARRAY[b.bridge_id] INTO gone FROM growth.bridges b WHERE b.back_at IS NULL AND b.bridge_id <> ALL (coalesce(ids, '{}'))
        ORDER BY b.bridge_id LIMIT 1;
        DELETE FROM tenants t USING growth.bridges b WHERE b.bridge_id = ANY (gone) AND t.id = b.customer_ref;
        DELETE FROM growth.bridges b WHERE b.bridge_id = ANY (gone);
        INSERT INTO growth.bridges SELECT s.next_id, 'signed_up_' || s.next_id, clock_timestamp() FROM growth.state s;
        INSERT INTO tenants SELECT 'signed_up_' || s.next_id, 'active', s.next_id, 'paired' FROM growth.state s;
        SELECT ids || s.next_id, refs || ('signed_up_' || s.next_id), raw || 'connected'::text, created || clock_timestamp()
        INTO ids, refs, raw, created FROM growth.state s;
        UPDATE growth.state SET next_id = next_id + 1;
    END IF;
    IF ids IS NULL THEN
        PERFORM FROM growth.state s, _wab_observe_again(s.listing_sha256, clock_timestamp(), 'wab_reconcile');
        IF FOUND THEN
            RETURN 0;
        END IF;
    END IF;
    sha := encode(sha256(minute::text::bytea), 'hex');
    PERFORM _wab_store_listing(coalesce(ids, '{}'), coalesce(refs, '{}'), array_fill('running'::text, ARRAY[coalesce(cardinality(ids), 0)]),
        coalesce(raw, '{}'), coalesce(created, '{}'), gone, total, total, sha, clock_timestamp(), 'wab_reconcile', 0, false);
    UPDATE growth.state SET listing_sha256 = sha, flips = flips + flipped, changed = changed + 1;
    -- wab_reconcile() does this with _wab_write_statuses(), which reads the views; here only our own tables are measured.
    UPDATE tenants t SET bridge_status = CASE u.raw WHEN 'connected' THEN 'paired' ELSE 'disconnected' END
    FROM unnest(refs, raw) AS u(ref, raw) WHERE t.id = u.ref;
    RETURN flipped;
END
$$;

-- The drift is recorded every tenth minute only, because reading that of the whole fleet takes most of the time: the grace of
-- a lost phone is 15 minutes, so that few episodes are left out.
CREATE FUNCTION growth.minute(minute integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    flips integer := growth.refresh(minute);
BEGIN
    IF minute % 10 = 0 THEN
        PERFORM _wab_record_drift();
    END IF;
    PERFORM _wab_note_job('reconcile'), _wab_note_job('work_queue'), _wab_note_job('alerts');
    IF minute % 60 = 5 THEN
        PERFORM wab_log_summary(), _wab_note_job('summary');
    END IF;
    RETURN flips;
END
$$;
