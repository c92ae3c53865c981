-- A trick for speed: a listing that equals the newest one is stored as one row, without comparing a bridge.
--
-- Most refreshes find the fleet as it was. wab_observations.mirrored of the newest row says that wab_bridges holds exactly what that
-- listing said; _wab_store_listing() sets it, and the triggers below clear it whenever anything else writes to wab_bridges. While it
-- is set, a listing of the same listing_sha256 changes nothing, and wab plan may evaluate what is stored while the provider still answers.
-- Without this file every listing is compared with wab_bridges, which comes to the same.

CREATE FUNCTION @extschema@._wab_observe_again(listing_sha256 text, listed_at timestamptz, source text)
RETURNS TABLE (observed_at timestamptz, bridges integer, appeared integer, changed integer, disappeared integer, skipped boolean)
LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    RETURN QUERY
    INSERT INTO @extschema@.wab_observations AS o
        (observed_at, source, listing_sha256, bridges, appeared, changed, disappeared, malformed, statuses, mirrored)
    SELECT _wab_observe_again.listed_at, _wab_observe_again.source, l.listing_sha256, l.bridges, 0, 0, 0, 0, l.statuses, true
    FROM @extschema@._wab_last_observation() l
    WHERE l.mirrored AND l.listing_sha256 = _wab_observe_again.listing_sha256 AND l.bridges > 0
      AND l.observed_at < _wab_observe_again.listed_at AND _wab_observe_again.listed_at <= clock_timestamp()
      AND current_setting('transaction_isolation') = 'read committed'
    RETURNING o.observed_at, o.bridges, o.appeared, o.changed, o.disappeared, false;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_observe_again IS 'Stores that the listing of this listing_sha256 was observed once more, in one row, if it is what wab_bridges holds. No row: hand the listing to wab_observe().';

-- Whoever writes wab_bridges: the newest listing no longer tells what is in it. The lock comes first, as everywhere.
CREATE FUNCTION @extschema@._wab_unmirror() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    UPDATE @extschema@.wab_observations o SET mirrored = false
    WHERE o.mirrored AND o.observed_at = (SELECT max(l.observed_at) FROM @extschema@.wab_observations l)
      -- A listing without statuses has nothing to say against other ones.
      AND (TG_NARGS = 0 OR o.statuses > 0);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_unmirror IS 'Notes that wab_bridges may no longer hold what the newest listing said.';
CREATE TRIGGER _wab_unmirror BEFORE INSERT OR DELETE OR TRUNCATE OR UPDATE OF bridge_id, customer_ref, state, created_at
    ON @extschema@.wab_bridges FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._wab_unmirror();
CREATE TRIGGER _wab_unmirror_status BEFORE UPDATE OF raw_status
    ON @extschema@.wab_bridges FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._wab_unmirror('status');

