-- Stores a listing that equals the newest one as a single row, without comparing bridges. This serves speed only.
--
-- Most refreshes find the fleet unchanged. wab_observations.mirrored of the newest row is true while wab_bridges holds
-- exactly that listing: _wab_store_listing() sets it, and the triggers below clear it when any other statement writes
-- wab_bridges. While it is true, a listing with the same listing_sha256 changes nothing, and wab plan may evaluate the
-- stored rows while the provider is still answering. Without this file every listing would be compared with
-- wab_bridges, with the same result.

CREATE FUNCTION @extschema@._wab_observe_again(listing_sha256 text, listed_at timestamptz, source text)
RETURNS TABLE (observed_at timestamptz, bridges integer, appeared integer, changed integer, disappeared integer,
               skipped boolean)
LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    RETURN QUERY
    INSERT INTO @extschema@.wab_observations AS o
        (observed_at, source, listing_sha256, bridges, appeared, changed, disappeared, malformed, statuses, outside, mirrored)
    SELECT _wab_observe_again.listed_at, _wab_observe_again.source, l.listing_sha256, l.bridges, 0, 0, 0, 0,
           l.statuses, l.outside, true
    FROM @extschema@._wab_last_observation() l
    WHERE l.mirrored AND l.listing_sha256 = _wab_observe_again.listing_sha256 AND l.bridges > 0
      AND l.observed_at < _wab_observe_again.listed_at AND _wab_observe_again.listed_at <= clock_timestamp()
      AND current_setting('transaction_isolation') = 'read committed'
    RETURNING o.observed_at, o.bridges, o.appeared, o.changed, o.disappeared, false;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_observe_again IS
    'Stores, in one row, that the listing with this listing_sha256 was observed again, if wab_bridges holds exactly '
    'that listing. Otherwise returns no row, and the caller passes the listing to wab_observe().';

-- Any write to wab_bridges may make it differ from the newest listing. The observe lock is taken before any row lock,
-- as in all writers of wab_bridges; this order prevents deadlocks.
CREATE FUNCTION @extschema@._wab_unmirror() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- A variable: with a sub-select, PostgreSQL expects a third of the rows and reads the whole history.
    newest timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    -- Rows dated in the future, after the clock was set back, come after the newest one.
    SELECT l.observed_at INTO newest FROM @extschema@.wab_observations l
    WHERE l.observed_at <= clock_timestamp() ORDER BY l.observed_at DESC LIMIT 1;
    UPDATE @extschema@.wab_observations o SET mirrored = false
    WHERE o.mirrored AND o.observed_at >= coalesce(newest, '-infinity')
      -- A listing that carries no statuses never overwrites a stored status: it stays mirrored when a status changes.
      AND (TG_NARGS = 0 OR o.statuses > 0);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_unmirror IS
    'Trigger on wab_bridges: clears wab_observations.mirrored, because wab_bridges may now differ from the newest '
    'listing.';
CREATE TRIGGER _wab_unmirror BEFORE INSERT OR DELETE OR TRUNCATE OR UPDATE OF bridge_id, customer_ref, state, created_at
    ON @extschema@.wab_bridges FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._wab_unmirror();
CREATE TRIGGER _wab_unmirror_status BEFORE UPDATE OF raw_status
    ON @extschema@.wab_bridges FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._wab_unmirror('status');

