-- What is written on tenant rows: bridges are linked and unlinked, and statuses are stored. Each goes through
-- _wab_write_rows() and returns the rows that do not hold afterwards what was asked.

CREATE FUNCTION @extschema@._wab_link_bridges(customer_refs text[], bridge_ids bigint[])
RETURNS TABLE (customer_ref text, reason text)
LANGUAGE sql ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$ SELECT w.* FROM @extschema@._wab_write_rows(customer_refs, bridge_ids, NULL) w; $$;
COMMENT ON FUNCTION @extschema@._wab_link_bridges IS
    'Writes these bridge_ids on the rows of these tenants. Returns the rows that do not hold them afterwards, and why.';

CREATE FUNCTION @extschema@._wab_unlink_bridges(customer_refs text[] DEFAULT NULL)
RETURNS TABLE (customer_ref text, reason text)
LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    refs text[];
BEGIN
    -- Whoever records a bridge on a row holds it too: no row gets another bridge after its stale one was read.
    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    PERFORM set_config('search_path', @extschema@._wab_binding_path(), true);
    IF customer_refs IS NULL THEN
        SELECT pg_catalog.array_agg(k.customer_ref) INTO refs FROM @extschema@._wab_kinds k
        WHERE (k.stale_binding).kind IS NOT NULL;
    ELSE
        SELECT pg_catalog.array_agg(k.customer_ref) INTO refs FROM @extschema@._wab_kinds k
        WHERE (k.stale_binding).kind IS NOT NULL
          AND k.tenant_ref OPERATOR(pg_catalog.=) ANY (_wab_unlink_bridges.customer_refs);
    END IF;
    IF refs IS NOT NULL THEN
        RETURN QUERY SELECT w.customer_ref, w.reason FROM @extschema@._wab_write_rows(refs,
            pg_catalog.array_fill(NULL::pg_catalog.int8, ARRAY[pg_catalog.cardinality(refs)]),
            pg_catalog.array_fill(NULL::pg_catalog.text, ARRAY[pg_catalog.cardinality(refs)])) w;
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_unlink_bridges IS
    'Clears bridge_id and bridge_status on the tenant rows with stale_binding: all, or those of these tenants. Returns the '
    'rows that still hold them afterwards, and why.';

CREATE FUNCTION @extschema@._wab_write_statuses(customer_refs text[] DEFAULT NULL, bridge_ids bigint[] DEFAULT NULL)
RETURNS TABLE (customer_ref text, reason text)
LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
AS $$
DECLARE
    refs     text[];
    statuses text[];
BEGIN
    PERFORM set_config('search_path', @extschema@._wab_binding_path(), true);
    EXECUTE 'SELECT pg_catalog.array_agg(s.customer_ref), pg_catalog.array_agg(s.status)
             FROM @extschema@.wab_status_drift s
             WHERE ($1 IS NULL OR s.customer_ref OPERATOR(pg_catalog.=) ANY ($1))
               AND ($2 IS NULL OR s.bridge_id OPERATOR(pg_catalog.=) ANY ($2))'
    INTO refs, statuses USING customer_refs, bridge_ids;
    IF refs IS NOT NULL THEN
        RETURN QUERY SELECT w.customer_ref, w.reason FROM @extschema@._wab_write_rows(refs, NULL, statuses) w;
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_write_statuses IS
    'Writes the observed status on the tenant rows with status_drift: all, those of these tenants, or those of these '
    'bridges. Returns the rows that do not hold it afterwards, and why. A status that was never observed is not written.';

CREATE FUNCTION @extschema@._wab_write_statuses_of(bridge_ids bigint[]) RETURNS TABLE (customer_ref text, reason text)
LANGUAGE sql ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$ SELECT w.* FROM @extschema@._wab_write_statuses(NULL, bridge_ids) w; $$;
COMMENT ON FUNCTION @extschema@._wab_write_statuses_of IS '_wab_write_statuses() for the tenants of these bridges.';

CREATE FUNCTION @extschema@._wab_warn_unwritten(customer_refs text[], reasons text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF cardinality(customer_refs) > 0 THEN
        RAISE WARNING USING ERRCODE = '55000',
            MESSAGE = format('%s of the tenant rows could not be written', cardinality(customer_refs)),
            DETAIL = (SELECT string_agg(format('tenant %s: %s', u.customer_ref, u.reason), E'\n' ORDER BY u.nth)
                      FROM unnest(customer_refs, reasons) WITH ORDINALITY AS u(customer_ref, reason, nth)
                      WHERE u.nth <= 10),
            HINT = 'wab_drift keeps showing these tenants until their rows are written.';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_warn_unwritten IS
    'Raises a WARNING that names the tenants, up to ten, whose rows were not written, with the reasons.';
