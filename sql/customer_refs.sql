-- Tells the bridges of this database from those of other databases that share the account.
--
-- The binding's customer_refs is a regular expression for the whole customer_ref. A bridge outside of it is never stored,
-- so no view, count, cost or poll has to leave it out. A bridge without a customer_ref counts as the empty text.

-- The group makes the two anchors hold for every branch of the expression. An option such as (?i), or a director such as
-- ***=, is an error inside of it. COST 1: PostgreSQL would otherwise compile (JIT) the queries of the views.
CREATE FUNCTION @extschema@._wab_customer_refs() RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 1 SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT '^(?:' || b.customer_refs || ')$' FROM @extschema@.wab_tenant_binding b);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_customer_refs IS
    'The regular expression that the customer_ref of every bridge of this database matches; null if all bridges of the '
    'account are this database''s.';

CREATE FUNCTION @extschema@._wab_is_ours(customer_ref text) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 1 SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN coalesce(coalesce(customer_ref, '') COLLATE "C" ~ @extschema@._wab_customer_refs(), true);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_is_ours IS
    'Whether a bridge with this customer_ref belongs to this database, as the binding''s customer_refs says.';

CREATE FUNCTION @extschema@._wab_require_ours(customer_ref text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT @extschema@._wab_is_ours(customer_ref) THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'this bridge belongs to another database',
            DETAIL = format('customer_ref: %s; the bridges of this database match: %s', left(customer_ref, 200),
                            (SELECT b.customer_refs FROM @extschema@.wab_tenant_binding b)),
            HINT = 'Nothing was sent to the provider. Do it in the database whose customer_refs match, or bind others here: '
                   'SELECT * FROM wab_bind_tenants(customer_refs => ''...'');';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_require_ours IS
    'Raises 22023, before a call to the provider, unless a bridge with this customer_ref belongs to this database.';

CREATE FUNCTION @extschema@._wab_require_one_bridge(customer_ref text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
DECLARE
    carriers text := (SELECT string_agg(b.bridge_id::text, ', ' ORDER BY b.bridge_id) FROM @extschema@.wab_bridges b
                      WHERE b.customer_ref = _wab_require_one_bridge.customer_ref AND b.duplicated);
BEGIN
    IF carriers IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'several live bridges carry this customer_ref',
            DETAIL = format('customer_ref: %s; bridges: %s. A call to a session names the customer_ref, and could reach any of them.',
                            left(customer_ref, 200), carriers),
            HINT = 'Nothing was sent to the provider. Remove the duplicates first: SELECT * FROM wab_drift WHERE kind = ''duplicate'';';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_require_one_bridge IS
    'Raises 55000, before a call to a session, if several live bridges carry this customer_ref.';

-- The expression must be valid alone too: then it cannot close the group that _wab_customer_refs() puts around it.
CREATE FUNCTION @extschema@._wab_check_customer_refs(binding @extschema@.wab_tenant_binding) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    outside text;
BEGIN
    BEGIN
        PERFORM '' COLLATE "C" ~ binding.customer_refs, '' COLLATE "C" ~ ('^(?:' || binding.customer_refs || ')$');
    EXCEPTION WHEN invalid_regular_expression THEN
        RAISE EXCEPTION USING ERRCODE = '2201B', MESSAGE = 'customer_refs is not a valid regular expression',
            DETAIL = format('%s: %s', binding.customer_refs, SQLERRM),
            HINT = 'It must match the whole customer_ref of each bridge of this database, for instance: prod-.*';
    END;
    -- What was bound before stays bound: a tenant that came later is drift, and no reason to leave the views broken.
    IF EXISTS (SELECT FROM @extschema@.wab_tenant_binding b
               WHERE b.tenants = binding.tenants AND b.customer_refs = binding.customer_refs) THEN
        RETURN;
    END IF;
    PERFORM set_config('search_path', 'pg_catalog, ' || binding.resolved_in, true);
    EXECUTE pg_catalog.format(
        E'SELECT pg_catalog.string_agg(pg_catalog.quote_literal(d.ref), '', '')
          FROM (SELECT %1$s AS ref FROM %2$s
                WHERE %1$s COLLATE pg_catalog."C" OPERATOR(pg_catalog.!~) $1
                  AND (COALESCE((\n%3$s\n), false) OR %4$I IS NOT NULL) ORDER BY 1 LIMIT 3) d',
        @extschema@._wab_customer_ref_of(NULL, binding), binding.tenants, binding.wanted, binding.bridge_id)
    INTO outside USING '^(?:' OPERATOR(pg_catalog.||) binding.customer_refs OPERATOR(pg_catalog.||) ')$';
    IF outside IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = pg_catalog.format('customer_refs leaves out tenants of %s', binding.tenants),
            DETAIL = pg_catalog.format('%s does not match the whole of: %s', binding.customer_refs, outside),
            HINT = 'It must match the id of every tenant that is wanted or holds a bridge; of several expressions, divided '
                   'by |, one must match.';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_check_customer_refs IS
    'Raises an error unless this binding''s customer_refs is a regular expression that matches every tenant which is wanted '
    'or holds a bridge.';

-- The history of a bridge that is another database's goes too: it would stay in the costs. Its own database has it.
CREATE FUNCTION @extschema@._wab_take_customer_refs(binding @extschema@.wab_tenant_binding) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
DECLARE
    was      text := (SELECT b.customer_refs FROM @extschema@.wab_tenant_binding b);
    left_out bigint;
BEGIN
    IF binding.customer_refs IS NOT DISTINCT FROM was THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    UPDATE @extschema@.wab_tenant_binding b SET customer_refs = binding.customer_refs;
    IF NOT FOUND THEN
        binding.views_source := NULL;
        INSERT INTO @extschema@.wab_tenant_binding SELECT binding.*;
    END IF;
    -- Its trigger makes the next listing be compared, also if no bridge is deleted.
    DELETE FROM @extschema@.wab_bridges b WHERE NOT @extschema@._wab_is_ours(b.customer_ref);
    GET DIAGNOSTICS left_out = ROW_COUNT;
    DELETE FROM @extschema@.wab_drift_episodes e
    WHERE NOT @extschema@._wab_is_ours(e.customer_ref)
      AND NOT EXISTS (SELECT FROM @extschema@.wab_bridges b WHERE b.bridge_id = e.bridge_id);
    DELETE FROM @extschema@.wab_bridge_events e
    WHERE e.bridge_id IN (SELECT o.bridge_id FROM @extschema@.wab_bridge_events o
                          WHERE NOT @extschema@._wab_is_ours(o.customer_ref))
      AND NOT EXISTS (SELECT FROM @extschema@.wab_bridges b WHERE b.bridge_id = e.bridge_id);
    IF left_out > 0 THEN
        PERFORM @extschema@._wab_mark_duplicates();
        RAISE NOTICE USING MESSAGE = format('%s bridges lie outside of customer_refs', left_out),
            DETAIL = 'They and their history are no longer in this database. At the provider nothing changed.';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_take_customer_refs IS
    'Stores the customer_refs of this binding, and deletes the stored bridges outside of them, with their history.';
