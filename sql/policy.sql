-- Creates wab_policy, the view of the settings, and the triggers that make it writable like a table of one row.

-- The shares have no precision here: PostgreSQL would refuse one above 9.999 before the trigger names its column.
CREATE VIEW @extschema@.wab_policy AS
SELECT true AS only_row,
    coalesce((SELECT c.price_per_bridge FROM @extschema@._wab_policy c), 3.00)::numeric(10,2) AS price_per_bridge,
    coalesce((SELECT c.disconnected_after FROM @extschema@._wab_policy c), interval '15 minutes') AS disconnected_after,
    coalesce((SELECT c.awaiting_scan_after FROM @extschema@._wab_policy c), interval '24 hours') AS awaiting_scan_after,
    coalesce((SELECT c.max_shrink FROM @extschema@._wab_policy c), 0.200)::numeric AS max_shrink,
    coalesce((SELECT c.unmapped_after FROM @extschema@._wab_policy c), interval '0') AS unmapped_after,
    coalesce((SELECT c.state_after FROM @extschema@._wab_policy c), interval '5 minutes') AS state_after,
    coalesce((SELECT c.max_gap FROM @extschema@._wab_policy c), interval '1 hour') AS max_gap,
    coalesce((SELECT c.flapping_changes FROM @extschema@._wab_policy c), 5) AS flapping_changes,
    coalesce((SELECT c.flapping_window FROM @extschema@._wab_policy c), interval '1 hour') AS flapping_window,
    coalesce((SELECT c.mass_share FROM @extschema@._wab_policy c), 0.100)::numeric AS mass_share,
    coalesce((SELECT c.mass_bridges FROM @extschema@._wab_policy c), 10) AS mass_bridges,
    coalesce((SELECT c.mass_window FROM @extschema@._wab_policy c), interval '15 minutes') AS mass_window,
    coalesce((SELECT c.unobserved_after FROM @extschema@._wab_policy c), interval '10 minutes') AS unobserved_after,
    (SELECT c.silent_after FROM @extschema@._wab_policy c) AS silent_after,
    coalesce((SELECT c.phone_changed_for FROM @extschema@._wab_policy c), interval '7 days') AS phone_changed_for,
    coalesce((SELECT c.phones FROM @extschema@._wab_policy c), 'clear') AS phones,
    (SELECT c.pairing_url FROM @extschema@._wab_policy c) AS pairing_url,
    (SELECT c.board_url FROM @extschema@._wab_policy c) AS board_url;

COMMENT ON VIEW @extschema@.wab_policy IS
    'One row of settings that the views and wab_observe() read. UPDATE it; null sets a default again, an INSERT replaces '
    'all settings, and a DELETE sets all defaults again.';
COMMENT ON COLUMN @extschema@.wab_policy.only_row IS 'Always true: there is one policy.';
COMMENT ON COLUMN @extschema@.wab_policy.price_per_bridge IS 'US dollars per bridge and month. Default: 3.00.';
COMMENT ON COLUMN @extschema@.wab_policy.disconnected_after IS
    'A bridge that was paired, and is not for longer than this, is drift of kind disconnected. Default: 15 minutes; 0 for '
    'at once.';
COMMENT ON COLUMN @extschema@.wab_policy.awaiting_scan_after IS
    'A bridge that was never paired for longer than this is drift of kind awaiting_scan. Default: 24 hours; 0 for at once.';
COMMENT ON COLUMN @extschema@.wab_policy.max_shrink IS
    'Share of the known bridges, from 0 to 1, that may be absent from a listing; with more absent the listing is '
    'refused. One bridge may always be absent. Default: 0.2.';
COMMENT ON COLUMN @extschema@.wab_policy.unmapped_after IS
    'A bridge whose raw_status is not mapped for longer than this is drift of kind unmapped_status. Default: 0, at once.';
COMMENT ON COLUMN @extschema@.wab_policy.state_after IS
    'A bridge whose container is not running for longer than this is drift of kind state. Default: 5 minutes; 0 for at '
    'once.';
COMMENT ON COLUMN @extschema@.wab_policy.max_gap IS
    'Time between two observations that are further apart than this was not observed: wab_fleet_health leaves it out. '
    'Default: 1 hour.';
COMMENT ON COLUMN @extschema@.wab_policy.flapping_changes IS
    'A bridge whose status changed this often within flapping_window is drift of kind flapping. Default: 5.';
COMMENT ON COLUMN @extschema@.wab_policy.flapping_window IS 'See flapping_changes. Default: 1 hour.';
COMMENT ON COLUMN @extschema@.wab_policy.mass_share IS
    'Drift of one kind that begins within mass_window on at least this share of the bridges whose status was learnt '
    'meanwhile is one incident. Default: 0.1.';
COMMENT ON COLUMN @extschema@.wab_policy.mass_bridges IS
    'Drift that begins on fewer bridges than this is never merged into one incident. Default: 10.';
COMMENT ON COLUMN @extschema@.wab_policy.mass_window IS 'See mass_share. Default: 15 minutes.';
COMMENT ON COLUMN @extschema@.wab_policy.unobserved_after IS
    'Without an observation for longer than this, wab_incidents has one of kind unobserved. Default: 10 minutes.';
COMMENT ON COLUMN @extschema@.wab_policy.silent_after IS
    'A paired bridge without a message event for longer than this is drift of kind silent. Default: null, never. Set it only '
    'if your webhook handler passes message events to wab_ingest_event().';
COMMENT ON COLUMN @extschema@.wab_policy.phone_changed_for IS
    'How long another phone than before is drift of kind phone_changed, unless wab_accept_phone() accepts it earlier. '
    'Default: 7 days; 0 for never.';
COMMENT ON COLUMN @extschema@.wab_policy.phones IS
    'clear: wab_phones keeps phone, jid and name. hash: it keeps a hash of the phone only; what is stored is converted at '
    'once. Default: clear.';
COMMENT ON COLUMN @extschema@.wab_policy.pairing_url IS
    'The address at which your customers reach the pairing page of wab serve, such as https://pair.example.com/p: '
    'https, or http on this machine; it ends in /p. Default: null, and wab_pairing_link() makes no links.';
COMMENT ON COLUMN @extschema@.wab_policy.board_url IS
    'The address at which your people reach the pages of wab serve, such as https://board.example.com. Default: null, and '
    'alerts carry no links.';

-- Since PostgreSQL 15 a view can read with the rights of the caller; before 15 it reads with those of its owner.
DO $$
BEGIN
    IF pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.>=) 150000 THEN
        ALTER VIEW @extschema@.wab_policy SET (security_invoker = true);
    END IF;
END
$$;

-- A listing is stored after its transaction began, so its time is later than now(); a grace of 0 therefore compares no
-- times. A grace that is longer than PostgreSQL's calendar means never.
CREATE FUNCTION @extschema@._wab_cutoff(grace interval) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE COST 1
RETURN CASE WHEN grace > interval '0' THEN now() - least(grace, interval '1000 years') ELSE 'infinity' END;
COMMENT ON FUNCTION @extschema@._wab_cutoff IS
    'The time before which a difference must have begun to have lasted longer than this; infinity for a grace of 0.';

-- _wab_kinds joins its one row, so that a query plans one function call: as sub-selects, these values would be planned
-- twice for each kind, which takes longer than to read the drift of one tenant.
CREATE FUNCTION @extschema@._wab_cutoffs()
RETURNS TABLE (disconnected timestamptz, awaiting_scan timestamptz, unmapped_status timestamptz, state timestamptz,
               flapping timestamptz, flapping_changes integer, listing_is_whole boolean, customer_refs text,
               silent timestamptz, phones jsonb)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT @extschema@._wab_cutoff(p.disconnected_after), @extschema@._wab_cutoff(p.awaiting_scan_after),
           @extschema@._wab_cutoff(p.unmapped_after), @extschema@._wab_cutoff(p.state_after),
           -- A role that was granted the views and not this table sees the other drift.
           CASE WHEN has_table_privilege('@extschema@.wab_bridge_events', 'SELECT')
                THEN now() - least(p.flapping_window, interval '1000 years') END, p.flapping_changes,
           (SELECT o.malformed = 0 FROM @extschema@.wab_observations o
            WHERE o.observed_at <= clock_timestamp() ORDER BY o.observed_at DESC LIMIT 1),
           -- A role that was granted the views and not this table sees missing in place of outside.
           CASE WHEN has_column_privilege('@extschema@.wab_tenant_binding', 'customer_refs', 'SELECT')
                THEN @extschema@._wab_customer_refs() END,
           CASE WHEN p.silent_after IS NOT NULL THEN @extschema@._wab_cutoff(p.silent_after) END,
           @extschema@._wab_phone_drift()
    FROM @extschema@.wab_policy p;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_cutoffs IS
    'One row: for each kind with a grace in wab_policy, the time before which the drift must have begun; the time after '
    'which a flapping bridge changed its status last (null for a role that may not read wab_bridge_events), and how '
    'often; whether every row of the newest stored listing could be read (null before the first one); '
    '_wab_customer_refs(); and the drift of phones.';

-- Stores only values that differ from the defaults, so that those of a restored dump do not count as yours.
CREATE FUNCTION @extschema@._wab_policy_replace() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    stored   jsonb := '{}';
    defaults jsonb;
    refused  text;
BEGIN
    -- Two sessions that change different settings both succeed.
    LOCK TABLE @extschema@._wab_policy IN SHARE ROW EXCLUSIVE MODE;
    IF TG_OP = 'UPDATE' THEN
        SELECT coalesce(jsonb_strip_nulls(to_jsonb(c)), '{}') INTO stored
        FROM (SELECT) one LEFT JOIN @extschema@._wab_policy c ON true;
    END IF;
    DELETE FROM @extschema@._wab_policy;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    SELECT to_jsonb(p) INTO defaults FROM @extschema@.wab_policy p;
    SELECT coalesce(jsonb_object_agg(s.key, s.value), '{}') INTO stored
    FROM (SELECT k.key, CASE WHEN TG_OP = 'UPDATE' AND to_jsonb(NEW) -> k.key = to_jsonb(OLD) -> k.key
                             THEN stored -> k.key ELSE to_jsonb(NEW) -> k.key END AS value
          FROM jsonb_object_keys(defaults) AS k(key)) s
    WHERE s.key <> 'only_row' AND nullif(s.value, 'null') <> defaults -> s.key;
    IF stored <> '{}' THEN
        BEGIN
            INSERT INTO @extschema@._wab_policy
            SELECT r.* FROM jsonb_populate_record(NULL::@extschema@._wab_policy, stored || '{"only_row": true}') r;
        EXCEPTION WHEN check_violation OR numeric_value_out_of_range THEN
            -- PostgreSQL's message names no column, and its DETAIL shows the whole row.
            GET STACKED DIAGNOSTICS refused = CONSTRAINT_NAME;
            -- A number that is too large for its column violates no constraint.
            refused := coalesce(substring(refused from '_policy_(.*)_check'), (
                SELECT s.key FROM jsonb_each_text(stored) s
                WHERE s.key IN ('max_shrink', 'mass_share') AND s.value::numeric NOT BETWEEN 0 AND 1 LIMIT 1));
            RAISE EXCEPTION USING ERRCODE = '23514',
                MESSAGE = format('wab_policy.%s cannot be %s', refused, stored ->> refused),
                HINT = (SELECT col_description(a.attrelid, a.attnum) FROM pg_attribute a
                        WHERE a.attrelid = '@extschema@.wab_policy'::regclass AND a.attname = refused);
        END;
    END IF;
    SELECT p.* INTO NEW FROM @extschema@.wab_policy p;
    IF NEW.phones = 'hash' AND (TG_OP = 'INSERT' OR OLD.phones <> 'hash') THEN
        PERFORM @extschema@._wab_hash_phones();
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_policy_replace IS
    'Trigger on wab_policy: stores the settings that differ from the defaults in _wab_policy, and converts wab_phones.';
CREATE TRIGGER _wab_policy_replace INSTEAD OF INSERT OR UPDATE OR DELETE ON @extschema@.wab_policy
    FOR EACH ROW EXECUTE FUNCTION @extschema@._wab_policy_replace();
