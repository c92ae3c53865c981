-- Tells the present names of the bound columns. A binding is made with names; the columns may be renamed later.
--
-- The view wab_tenants stores the table and the numbers of its columns, so it follows every rename, and a dump of it
-- has the present names. The names in wab_tenant_binding are those given at binding; they count while there is no view.
--
-- The functions are in PL/pgSQL, which plans their queries once in a session: they run several times in each write.

CREATE FUNCTION @extschema@._wab_bound_column(shown text, tenants regclass DEFAULT NULL) RETURNS name
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- In the stored query of a view, an output column has :resname, then :resorigtbl and :resorigcol, its origin.
    RETURN (
        SELECT a.attname
        FROM pg_rewrite r
        CROSS JOIN LATERAL (SELECT split_part(r.ev_action::text, ' :resname ' || shown || ' ', 2) AS entry) e
        JOIN pg_attribute a
          ON a.attrelid = nullif(split_part(split_part(e.entry, ':resorigtbl ', 2), ' ', 1), '')::oid
         AND a.attnum = nullif(split_part(split_part(e.entry, ':resorigcol ', 2), ' ', 1), '')::smallint
        WHERE r.ev_class = to_regclass('@extschema@.wab_tenants') AND r.rulename = '_RETURN'
          AND a.attrelid = coalesce(_wab_bound_column.tenants, a.attrelid));
END
$$;
COMMENT ON FUNCTION @extschema@._wab_bound_column IS
    'The present name of the column that wab_tenants shows as tenant_id, bridge_id or bridge_status; null if no '
    'tenants table, or another one, is bound.';

CREATE FUNCTION @extschema@._wab_binding() RETURNS SETOF @extschema@.wab_tenant_binding
LANGUAGE plpgsql STABLE ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT b.only_row, b.tenants,
           coalesce(@extschema@._wab_bound_column('tenant_id', b.tenants), b.tenant_id),
           coalesce(@extschema@._wab_bound_column('bridge_id', b.tenants), b.bridge_id),
           coalesce(@extschema@._wab_bound_column('bridge_status', b.tenants), b.bridge_status),
           b.wanted, b.webhook_url, b.resolved_in, b.bound_at, b.bound_by, b.grants, b.views_source,
           b.customer_refs, b.disconnected_after, b.awaiting_scan_after, b.phone
    FROM @extschema@.wab_tenant_binding b;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_binding IS 'The row of wab_tenant_binding with the present names of the columns.';

-- The expressions of the view as PostgreSQL prints them: with the present names, and qualified where the search_path of
-- this function does not find a name.
CREATE FUNCTION @extschema@._wab_shown_expressions()
RETURNS TABLE (wanted text, webhook_url text, disconnected_after text, awaiting_scan_after text, phone text)
LANGUAGE sql STABLE ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
    -- The view of an older version has no graces and no phone.
    SELECT m[1], nullif(m[2], 'NULL::text'), nullif(m[3], 'NULL::interval'), nullif(m[4], 'NULL::interval'),
           nullif(m[5], 'NULL::text')
    FROM regexp_match(pg_get_viewdef(to_regclass('@extschema@.wab_tenants')),
                      '\n\s*COALESCE\((.*), false\) AS wanted,\n\s*(.*) AS webhook_url'
                      '(?:,\n\s*(.*) AS disconnected_after,\n\s*(.*) AS awaiting_scan_after,\n\s*(?:NULLIF\()?(.*?)'
                      '(?:, ''''::text\))? AS expected_phone)?\n\s*FROM ') AS m
    WHERE m IS NOT NULL;
$$;
COMMENT ON FUNCTION @extschema@._wab_shown_expressions IS
    'The expressions of the view wab_tenants, with the present names of the columns.';

CREATE FUNCTION @extschema@._wab_present_text(binding @extschema@.wab_tenant_binding, what text, expression text,
    type regtype)
RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    shown text;
BEGIN
    IF expression IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM @extschema@._wab_check_expression(binding.tenants, what, expression, type, binding.resolved_in);
    RETURN expression;
EXCEPTION WHEN undefined_column OR undefined_table THEN
    SELECT CASE what WHEN 'wanted' THEN s.wanted WHEN 'webhook_url' THEN s.webhook_url
                     WHEN 'disconnected_after' THEN s.disconnected_after WHEN 'phone' THEN s.phone ELSE s.awaiting_scan_after END INTO shown
    FROM @extschema@._wab_shown_expressions() s;
    IF shown IS NULL THEN
        RAISE;
    END IF;
    RETURN shown;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_present_text IS
    'This expression of the binding, or that of the present view if the text names a column or table that was renamed.';
