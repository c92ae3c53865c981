-- Writes tenant rows. _wab_write_rows() is the one function through which bridge_id and bridge_status reach the tenants
-- table; it reports each row that does not hold afterwards what was asked.

-- The names in the binding's expressions and in the triggers of the tenants table were written for this path. Whoever
-- sets it qualifies all names and operators of the following statements. pg_catalog is searched first unless the path
-- names it; it is prepended only then, because CREATE in a trigger uses the path's first schema.
CREATE FUNCTION @extschema@._wab_binding_path(resolved_in text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN coalesce((SELECT CASE WHEN strpos(p.path, 'pg_catalog') > 0 THEN 'pg_catalog, ' ELSE '' END || p.path
                     FROM (SELECT coalesce(_wab_binding_path.resolved_in,
                                           (SELECT b.resolved_in FROM @extschema@.wab_tenant_binding b)) AS path) p),
                    'pg_catalog, pg_temp');
END
$$;
COMMENT ON FUNCTION @extschema@._wab_binding_path IS
    'The search_path under which the tenants table is written, and the expressions of its binding are evaluated: that '
    'of the stored binding, or of another one with this resolved_in.';

-- A view with a volatile expression evaluates it even for a query that does not use it, so the path matters here too.
-- EXECUTE plans for the present number of rows; the functions of the view keep their plans.
CREATE FUNCTION @extschema@._wab_stored_rows(customer_refs text[], bridge_ids bigint[] DEFAULT NULL)
RETURNS TABLE (customer_ref text, bridge_id bigint, bridge_status text)
LANGUAGE plpgsql STABLE ROWS 1 SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
AS $$
DECLARE
    columns constant text := 'SELECT t.customer_ref, t.bridge_id::pg_catalog.int8, t.bridge_status::pg_catalog.text
                              FROM @extschema@.wab_tenants t';
BEGIN
    PERFORM set_config('search_path', @extschema@._wab_binding_path(), true);
    IF customer_refs IS NOT NULL THEN
        RETURN QUERY EXECUTE columns || ' WHERE t.customer_ref OPERATOR(pg_catalog.=) ANY ($1)' USING customer_refs;
    ELSE
        RETURN QUERY EXECUTE columns || ' WHERE t.bridge_id OPERATOR(pg_catalog.=) ANY ($1)' USING bridge_ids;
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_stored_rows IS
    'The two written columns of the rows of these tenants, or of the rows that hold these bridge_ids.';

-- It writes the table and not the view wab_tenants, because a view over a distributed table cannot be written. The
-- arrays are a sub-select: Citus gives all columns of ROWS FROM beside the table the type of the first one, if it plans
-- them apart from the table.
-- Row-level security is on as in the user's own statements, for the triggers; the rows are read back with it off.
-- A comparison is written out where IS DISTINCT FROM would use an operator found on the search_path.
CREATE FUNCTION @extschema@._wab_update_rows(customer_refs text[], bridge_ids bigint[], statuses text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = on SET jit = off
AS $$
DECLARE
    binding  @extschema@.wab_tenant_binding;
    deferred text;
    fetched  text;
    command  text;
    waited   constant text := current_setting('lock_timeout');
BEGIN
    SELECT b.* INTO STRICT binding FROM @extschema@._wab_binding() b;
    -- postgres_fdw locks all rows that it fetches. It sends this comparison, and not that of the id's text.
    SELECT format(' AND t.%I OPERATOR(pg_catalog.=) ANY ($1::%s[])', a.attname, format_type(a.atttypid, NULL)) INTO fetched
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = binding.tenant_id
    WHERE c.oid = binding.tenants AND c.relkind = 'f';
    SELECT string_agg(format('%s.%I', c.connamespace::regnamespace, c.conname), ', ') INTO deferred
    FROM pg_constraint c WHERE c.conrelid = binding.tenants AND c.condeferred;
    SELECT format('UPDATE %s AS t SET %s FROM (SELECT u.* FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), '
                  'pg_catalog.unnest($3)) AS u(customer_ref, bridge_id, bridge_status)) AS a '
                  'WHERE %s OPERATOR(pg_catalog.=) a.customer_ref%s AND (%s)',
                  binding.tenants, string_agg(format('%I = a.%I', w.stored, w.asked), ', '),
                  @extschema@._wab_customer_ref_of('t', binding), fetched,
                  string_agg(format('((t.%1$I)::%3$s OPERATOR(pg_catalog.=) a.%2$I) IS NOT TRUE AND '
                                    'pg_catalog.num_nonnulls(t.%1$I, a.%2$I) OPERATOR(pg_catalog.>) 0',
                                    w.stored, w.asked, w.type), ' OR '))
    INTO command
    FROM (VALUES (binding.bridge_id, 'bridge_id', 'pg_catalog.int8', bridge_ids IS NOT NULL),
                 (binding.bridge_status, 'bridge_status', 'pg_catalog.text', statuses IS NOT NULL))
         AS w(stored, asked, type, is_asked)
    WHERE w.is_asked;
    PERFORM set_config('lock_timeout', @extschema@._wab_row_patience(), true),
            set_config('search_path', @extschema@._wab_binding_path(), true);
    EXECUTE command USING customer_refs, bridge_ids, statuses;
    -- A deferred constraint would raise its error at the end of the transaction, long after the row was reported.
    IF deferred IS NOT NULL THEN
        EXECUTE pg_catalog.format('SET CONSTRAINTS %s IMMEDIATE', deferred);
        EXECUTE pg_catalog.format('SET CONSTRAINTS %s DEFERRED', deferred);
    END IF;
    PERFORM pg_catalog.set_config('lock_timeout', waited, true);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_update_rows IS
    'The statement of _wab_write_rows(): updates the rows that differ, under the search_path of the binding. A null '
    'array leaves its column as it is.';

CREATE FUNCTION @extschema@._wab_kept_by() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH tables AS (SELECT b.tenants AS relid FROM @extschema@.wab_tenant_binding b
                    UNION SELECT p.relid FROM @extschema@.wab_tenant_binding b, pg_partition_tree(b.tenants) p)
    SELECT coalesce(string_agg(n.named, '; '), 'the catalog of that table shows none') FROM (
        SELECT 'triggers: ' || string_agg(DISTINCT t.tgname, ', ') AS named FROM pg_trigger t
        WHERE t.tgrelid IN (SELECT relid FROM tables) AND NOT t.tgisinternal AND t.tgenabled <> 'D'
          AND t.tgtype & 16 > 0
        UNION ALL
        SELECT 'rules: ' || string_agg(DISTINCT r.rulename, ', ') FROM pg_rewrite r
        WHERE r.ev_class IN (SELECT relid FROM tables) AND r.ev_type = '2' AND r.ev_enabled <> 'D'
        UNION ALL
        SELECT 'row-level security: ' || coalesce(string_agg(DISTINCT p.polname, ', '), 'no policy') FROM tables t
        LEFT JOIN pg_policy p ON p.polrelid = t.relid WHERE row_security_active(t.relid) HAVING count(*) > 0) n;
$$;
COMMENT ON FUNCTION @extschema@._wab_kept_by IS
    'Names what can keep a row of the tenants table from being updated: its enabled UPDATE triggers and rules, and its '
    'policies if row-level security applies to this role.';

-- It reads the rows back, because RETURNING shows neither what an AFTER trigger did nor a row that a rule kept.
CREATE FUNCTION @extschema@._wab_unwritten_rows(customer_refs text[], bridge_ids bigint[], statuses text[])
RETURNS TABLE (customer_ref text, reason text)
LANGUAGE plpgsql STABLE ROWS 1 SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT a.customer_ref, format(
        CASE WHEN t.customer_ref IS NULL THEN '%s has no row of this tenant, or row-level security hides it'
             ELSE 'the row of %s was not changed: a trigger, a rule or a row-level security policy kept it (%s)' END,
        (SELECT b.tenants FROM @extschema@.wab_tenant_binding b), (SELECT @extschema@._wab_kept_by()))
    FROM unnest(customer_refs, bridge_ids, statuses) AS a(customer_ref, bridge_id, bridge_status)
    LEFT JOIN @extschema@._wab_stored_rows(customer_refs) t ON t.customer_ref = a.customer_ref
    WHERE t.customer_ref IS NULL
       OR (bridge_ids IS NOT NULL AND t.bridge_id IS DISTINCT FROM a.bridge_id)
       OR (statuses IS NOT NULL AND t.bridge_status IS DISTINCT FROM a.bridge_status);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_unwritten_rows IS
    'Of these tenants, those whose rows do not hold these values, and why.';

-- Writes rows that hold each other's bridge_id, which a UNIQUE constraint refuses row by row: clears them, then sets
-- them. A column that is NOT NULL gets the negative id for that moment. Rows are left alone if a row that is not among
-- them holds their bridge_id, and so are the rows that wait for these.
CREATE FUNCTION @extschema@._wab_exchange_bridges(customer_refs text[], bridge_ids bigint[], statuses text[])
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
AS $$
DECLARE
    holders   text[];
    meanwhile bigint[];
    members   integer[];
BEGIN
    WITH RECURSIVE waits AS MATERIALIZED (
        SELECT u.nth, u.customer_ref, t.customer_ref AS holder, t.bridge_id
        FROM unnest(customer_refs, bridge_ids) WITH ORDINALITY AS u(customer_ref, bridge_id, nth)
        JOIN @extschema@._wab_stored_rows(NULL, bridge_ids) t
          ON t.bridge_id = u.bridge_id AND t.customer_ref <> u.customer_ref
    ), blocked AS (
        SELECT w.customer_ref FROM waits w WHERE w.holder <> ALL (customer_refs)
        UNION
        SELECT w.customer_ref FROM waits w JOIN blocked b ON b.customer_ref = w.holder
    ), free AS (
        SELECT w.* FROM waits w WHERE w.customer_ref NOT IN (SELECT b.customer_ref FROM blocked b)
    )
    SELECT array_agg(f.holder ORDER BY f.nth),
           array_agg(CASE WHEN c.attnotnull THEN -f.bridge_id END ORDER BY f.nth),
           (SELECT array_agg(u.nth) FROM unnest(_wab_exchange_bridges.customer_refs) WITH ORDINALITY AS u(customer_ref, nth)
            WHERE u.customer_ref IN (SELECT f.customer_ref FROM free f UNION ALL SELECT f.holder FROM free f))
    INTO holders, meanwhile, members
    FROM free f, @extschema@._wab_binding() b JOIN pg_attribute c
      ON c.attrelid = b.tenants AND c.attname = b.bridge_id;
    IF holders IS NOT NULL THEN
        PERFORM @extschema@._wab_update_rows(holders, meanwhile, NULL);
        PERFORM @extschema@._wab_update_rows(
            ARRAY(SELECT customer_refs[m.nth] FROM unnest(members) AS m(nth)),
            ARRAY(SELECT bridge_ids[m.nth] FROM unnest(members) AS m(nth)),
            CASE WHEN statuses IS NOT NULL THEN ARRAY(SELECT statuses[m.nth] FROM unnest(members) AS m(nth)) END);
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_exchange_bridges IS
    'Writes those of these rows that hold each other''s bridge_id: clears them first, then sets them.';

CREATE FUNCTION @extschema@._wab_refused_row(customer_ref text, bridge_id bigint, status text, state text, message text,
    context text)
RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    holder text;
BEGIN
    IF state = '23505' THEN
        SELECT string_agg(t.customer_ref, ', ' ORDER BY t.customer_ref) INTO holder
        FROM @extschema@._wab_stored_rows(NULL, ARRAY[bridge_id]) t
        WHERE t.customer_ref <> _wab_refused_row.customer_ref;
        IF holder IS NULL
           AND (SELECT count(*) FROM @extschema@._wab_stored_rows(ARRAY[_wab_refused_row.customer_ref])) > 1 THEN
            RETURN format('several rows of %s have the id of this tenant, and a unique constraint lets only one of them hold '
                          'bridge %s: give the others another id, or delete them',
                          (SELECT b.tenants FROM @extschema@._wab_binding() b), bridge_id);
        ELSIF holder IS NOT NULL THEN
            RETURN format('bridge %s is held by the row of tenant %s: set the bridge_id of that row to null, or to its '
                          'own bridge', bridge_id, holder);
        END IF;
    END IF;
    RETURN (SELECT format('cannot write %s on the row of %s: %s%s (SQLSTATE %s)',
                concat_ws(', ', format('%I = ', b.bridge_id) || bridge_id, format('%I = ', b.bridge_status) || status),
                b.tenants, @extschema@._wab_shown_message(state, message),
                ', in ' || nullif(substring(context from 'PL/pgSQL function ((?![^\n]*\m_wab_)[^\n]*)'), ''), state)
            FROM @extschema@._wab_binding() b);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_refused_row IS
    'The error that PostgreSQL raised for one row as a reason: column, value, constraint or trigger; for a duplicate '
    'bridge_id, the tenant whose row holds it.';

CREATE FUNCTION @extschema@._wab_write_rows(customer_refs text[], bridge_ids bigint[], statuses text[])
RETURNS TABLE (customer_ref text, reason text)
LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    most_failures constant integer := 50;
    parts     integer[] := ARRAY[1, cardinality(customer_refs)];  -- pairs of first and last, the next pair at the end
    first     integer;
    last      integer;
    refs      text[] := customer_refs;  -- null where another transaction has locked the row: it is left alone
    free      text[];
    bad       text[] := '{}';
    reasons   text[] := '{}';
    succeeded boolean := false;
    exchanged boolean := bridge_ids IS NULL;
    state     text;
    message   text;
    context   text;
BEGIN
    IF statuses IS NOT NULL AND EXISTS (
        SELECT FROM @extschema@._wab_binding() b JOIN pg_attribute c
          ON c.attrelid = b.tenants AND c.attname = b.bridge_status WHERE c.attnotnull) THEN
        statuses := ARRAY(SELECT coalesce(s.status, 'unknown') FROM unnest(statuses) WITH ORDINALITY AS s(status, nth)
                          ORDER BY s.nth);
    END IF;
    WHILE cardinality(parts) > 0 LOOP
        first := parts[cardinality(parts) - 1];
        last := parts[cardinality(parts)];
        parts := trim_array(parts, 2);
        CONTINUE WHEN first > last;
        BEGIN
            PERFORM @extschema@._wab_update_rows(refs[first:last], bridge_ids[first:last],
                                                 statuses[first:last]);
            succeeded := true;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, context = PG_EXCEPTION_CONTEXT;
            IF NOT @extschema@._wab_is_about_data(state) THEN
                RAISE;
            ELSIF state = '42501' THEN
                PERFORM @extschema@._wab_require_recording();
            END IF;
            IF state = '55P03' THEN
                -- From here on this transaction has locked the free rows, so that it waits for none of them again.
                IF free IS NULL THEN
                    free := @extschema@._wab_lock_free_rows(customer_refs);
                    parts := parts || ARRAY[first, last];
                ELSE
                    free := ARRAY(SELECT unnest(free) EXCEPT SELECT unnest(refs[first:last]));
                END IF;
                refs := ARRAY(SELECT CASE WHEN u.customer_ref IN (SELECT unnest(free)) THEN u.customer_ref END
                              FROM unnest(refs) WITH ORDINALITY AS u(customer_ref, nth) ORDER BY u.nth);
            ELSIF state = '23505' AND NOT exchanged THEN
                exchanged := true;
                parts := parts || ARRAY[first, last];
                BEGIN
                    PERFORM @extschema@._wab_exchange_bridges(customer_refs, bridge_ids, statuses);
                EXCEPTION WHEN integrity_constraint_violation OR data_exception OR raise_exception OR lock_not_available THEN
                    NULL;  -- The attempt row by row names the row that was refused.
                END;
            ELSIF first < last AND (succeeded OR cardinality(bad) < most_failures) THEN
                parts := parts || ARRAY[(first + last) / 2 + 1, last, first, (first + last) / 2];
            ELSE
                reason := @extschema@._wab_refused_row(customer_refs[first], bridge_ids[first], statuses[first], state,
                                                       message, context);
                -- array_append() grows a variable in place; to join arrays would copy both.
                FOR nth IN first .. last LOOP
                    bad := array_append(bad, customer_refs[nth]);
                    reasons := array_append(reasons, reason);
                END LOOP;
            END IF;
        END;
    END LOOP;
    RETURN QUERY SELECT b.customer_ref, b.reason FROM unnest(bad, reasons) AS b(customer_ref, reason);
    RETURN QUERY SELECT u.customer_ref, CASE
                     WHEN free IS NULL OR u.customer_ref IN (SELECT unnest(free)) THEN u.reason
                     ELSE format('another transaction has locked the row of %s: it was left as it is; run this again when that '
                                 'transaction has ended', (SELECT b.tenants FROM @extschema@._wab_binding() b)) END
                 FROM @extschema@._wab_unwritten_rows(customer_refs, bridge_ids, statuses) u
                 WHERE NOT EXISTS (SELECT FROM unnest(bad) AS b(customer_ref) WHERE b.customer_ref = u.customer_ref);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_write_rows IS
    'Writes bridge_id and bridge_status on the rows of these tenants: the only function that writes the tenants table. '
    'Arrays of equal length; a null array leaves its column as it is, a null element clears it (a bridge_status that '
    'is NOT NULL becomes unknown). Rows that hold these values already are not touched. A row that is refused, or that '
    'another transaction has locked for longer than _wab_row_patience(), does not keep the others from being written. '
    'Returns the rows that do not hold afterwards what was asked, with the reason. '
    'To clear both columns: SELECT * FROM _wab_write_rows(refs, array_fill(NULL::bigint, ARRAY[cardinality(refs)]), '
    'array_fill(NULL::text, ARRAY[cardinality(refs)])).';
