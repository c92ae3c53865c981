-- Binds your tenants table: creates the view wab_tenants over it and the drift views of views.sql over that.

-- The planner evaluates it once, so it costs nothing.
CREATE FUNCTION @extschema@._wab_is_installed() RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 1
RETURN true;
COMMENT ON FUNCTION @extschema@._wab_is_installed IS
    'Always true. wab_tenants calls it and so depends on the extension: DROP EXTENSION pg_wabridges CASCADE drops it too.';

CREATE FUNCTION @extschema@._wab_create_tenants_view(binding @extschema@.wab_tenant_binding, place text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM set_config('search_path', 'pg_catalog, ' || binding.resolved_in, true);
    EXECUTE format(E'CREATE OR REPLACE VIEW %7$s.wab_tenants AS
        SELECT %1$I AS tenant_id, %8$s AS customer_ref, %2$I AS bridge_id, %3$I AS bridge_status,
               COALESCE((\n%4$s\n), false) AS wanted, (\n%5$s\n)::pg_catalog.text AS webhook_url,
               (\n%9$s\n)::pg_catalog.interval AS disconnected_after,
               (\n%10$s\n)::pg_catalog.interval AS awaiting_scan_after,
               NULLIF((\n%11$s\n)::pg_catalog.text, '''') AS expected_phone
        FROM %6$s WHERE %1$I IS NOT NULL AND @extschema@._wab_is_installed()',
        binding.tenant_id, binding.bridge_id, binding.bridge_status, binding.wanted,
        coalesce(binding.webhook_url, 'NULL'), binding.tenants, place,
        @extschema@._wab_customer_ref_of(NULL, binding),
        coalesce(binding.disconnected_after, 'NULL'), coalesce(binding.awaiting_scan_after, 'NULL'),
        coalesce(binding.phone, 'NULL'));
    IF pg_relation_is_updatable(binding.tenants, true) & 4 = 0 THEN
        RAISE EXCEPTION USING ERRCODE = '42809',
            MESSAGE = format('rows of %s cannot be updated', binding.tenants),
            HINT = 'Bind a table, or a view that can be updated.';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_create_tenants_view IS
    'Creates or replaces the view wab_tenants for this binding, in this schema.';

-- What is null in `given` keeps its part of the binding, if the table is the same.
CREATE FUNCTION @extschema@._wab_merge_binding(given @extschema@.wab_tenant_binding)
RETURNS @extschema@.wab_tenant_binding
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    was      @extschema@.wab_tenant_binding;
    wanted   text;
    webhook  text;
    down     text;
    unpaired text;
    phone    text;
    again    constant boolean := num_nonnulls(given.tenants, given.tenant_id, given.bridge_id, given.bridge_status,
        given.wanted, given.webhook_url, given.customer_refs, given.disconnected_after, given.awaiting_scan_after,
        given.phone) = 0;
BEGIN
    SELECT b.* INTO was FROM @extschema@._wab_binding() b WHERE b.tenants = coalesce(given.tenants, b.tenants);
    IF given.tenants IS NULL AND was.tenants IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'no tenants table was bound before',
            HINT = 'Name it: SELECT * FROM wab_bind_tenants(''public.tenants'');';
    ELSIF given.tenants IS NULL AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = was.tenants) THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'the tenants table that was bound no longer exists',
            HINT = 'Name the one to bind now: SELECT * FROM wab_bind_tenants(''public.tenants'');';
    END IF;
    wanted := coalesce(given.wanted, @extschema@._wab_present_text(was, 'wanted', was.wanted, 'boolean'), 'true');
    webhook := coalesce(given.webhook_url, @extschema@._wab_present_text(was, 'webhook_url', was.webhook_url, 'text'));
    down := coalesce(given.disconnected_after,
                     @extschema@._wab_present_text(was, 'disconnected_after', was.disconnected_after, 'interval'));
    unpaired := coalesce(given.awaiting_scan_after,
                         @extschema@._wab_present_text(was, 'awaiting_scan_after', was.awaiting_scan_after, 'interval'));
    phone := coalesce(given.phone, @extschema@._wab_present_text(was, 'phone', was.phone, 'text'));
    RETURN ROW(true, coalesce(given.tenants, was.tenants), coalesce(given.tenant_id, was.tenant_id, 'id'),
               coalesce(given.bridge_id, was.bridge_id, 'bridge_id'),
               coalesce(given.bridge_status, was.bridge_status, 'bridge_status'),
               wanted, nullif(webhook, ''),
               coalesce(CASE WHEN num_nonnulls(given.tenants, given.wanted, given.webhook_url, given.disconnected_after,
                                               given.awaiting_scan_after, given.phone) = 0 THEN was.resolved_in END,
                        nullif(given.resolved_in, ''), 'pg_catalog'),
               CASE WHEN again THEN was.bound_at ELSE clock_timestamp() END,
               CASE WHEN again THEN was.bound_by ELSE session_user END, '[]'::jsonb, @extschema@._wab_views_source(),
               nullif(coalesce(given.customer_refs, was.customer_refs), ''),
               nullif(down, ''), nullif(unpaired, ''), nullif(phone, '')
              )::@extschema@.wab_tenant_binding;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_merge_binding IS
    'The binding that wab_bind_tenants() makes with these arguments: what is null stays as it was bound, or is the '
    'default.';

CREATE FUNCTION @extschema@._wab_make_views(binding @extschema@.wab_tenant_binding, again boolean) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    all_views constant name[] := @extschema@._wab_bound_views();
    changed   name[] := '{wab_tenants}';
    view      name;
BEGIN
    -- The drift views stay if they are those of this version: then one view is locked, and no deadlock is possible.
    IF again
       OR EXISTS (SELECT FROM unnest(all_views) v WHERE to_regclass(format('@extschema@.%I', v)) IS NULL)
       OR NOT EXISTS (SELECT FROM @extschema@.wab_tenant_binding b WHERE b.views_source = binding.views_source) THEN
        changed := all_views;
    END IF;
    BEGIN
        PERFORM @extschema@._wab_lock_views(changed);
        PERFORM @extschema@._wab_create_tenants_view(binding, '@extschema@');
        IF changed = all_views THEN
            PERFORM @extschema@._wab_create_views();
        END IF;
    -- OR REPLACE can neither change the type of a column nor remove one. A view of this name that is not ours stays.
    EXCEPTION WHEN invalid_table_definition THEN
        IF @extschema@._wab_bound_column('tenant_id') IS NULL THEN
            RAISE;
        END IF;
        changed := all_views;
        PERFORM @extschema@._wab_lock_views(changed);
        PERFORM @extschema@._wab_drop_views();
        PERFORM @extschema@._wab_create_tenants_view(binding, '@extschema@');
        PERFORM @extschema@._wab_create_views();
    END;
    IF changed = all_views THEN
        -- The views of 0.2.0 selected from this one; the views of this version do not.
        IF to_regclass('@extschema@._wab_differences') IS NOT NULL THEN
            DROP VIEW @extschema@._wab_differences;
        END IF;
        PERFORM @extschema@._wab_comment_views();
    END IF;
    IF current_setting('server_version_num')::integer >= 150000 THEN
        FOREACH view IN ARRAY changed LOOP
            EXECUTE format('ALTER VIEW @extschema@.%I SET (security_invoker = true)', view);
        END LOOP;
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_make_views IS
    'Creates or replaces the views for this binding: all of them if again is true, else as few as possible.';

CREATE FUNCTION @extschema@._wab_count_tenants() RETURNS TABLE (tenant_rows bigint, wanted_rows bigint)
LANGUAGE plpgsql STABLE ROWS 1 SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
DECLARE
    evaluated integer;
    reason    text;
    state     text;
BEGIN
    PERFORM set_config('search_path', @extschema@._wab_binding_path(), true);
    -- Counting its values evaluates an expression.
    SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE t.wanted), pg_catalog.num_nulls(
               pg_catalog.count(t.webhook_url), pg_catalog.count(t.disconnected_after),
               pg_catalog.count(t.awaiting_scan_after), pg_catalog.count(t.expected_phone))
    INTO tenant_rows, wanted_rows, evaluated
    FROM @extschema@.wab_tenants t;
    RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS reason = MESSAGE_TEXT, state = RETURNED_SQLSTATE;
    RAISE EXCEPTION USING ERRCODE = state, MESSAGE = 'an expression of the binding fails on a row of the tenants table',
        -- A webhook_url may hold a secret.
        DETAIL = (SELECT format('wanted: %s; %s', b.wanted, @extschema@._wab_shown_message(state, reason))
                  FROM @extschema@.wab_tenant_binding b),
        HINT = 'The expressions must give a value for every row.';
END
$$;
COMMENT ON FUNCTION @extschema@._wab_count_tenants IS
    'Evaluates the expressions of the binding on all rows, and counts the rows and the wanted ones.';

CREATE FUNCTION @extschema@._wab_say_cleared(
    was @extschema@.wab_tenant_binding, binding @extschema@.wab_tenant_binding)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    cleared text;
BEGIN
    SELECT string_agg(p.part, ', ' ORDER BY p.nth) INTO cleared
    FROM (
        SELECT v.nth, format('%s (was: %s; now: %s)', v.name, v.before, v.after) AS part
        FROM (VALUES (1, 'tenant_id', was.tenant_id::text, binding.tenant_id::text, 'id'),
                     (2, 'bridge_id', was.bridge_id::text, binding.bridge_id::text, 'bridge_id'),
                     (3, 'bridge_status', was.bridge_status::text, binding.bridge_status::text, 'bridge_status'),
                     (4, 'wanted', was.wanted, binding.wanted, 'true'),
                     (6, 'customer_refs', was.customer_refs, coalesce(binding.customer_refs, 'none'), 'none'),
                     (7, 'disconnected_after', was.disconnected_after, coalesce(binding.disconnected_after, 'none'), 'none'),
                     (8, 'awaiting_scan_after', was.awaiting_scan_after, coalesce(binding.awaiting_scan_after, 'none'),
                      'none'),
                     (9, 'phone', was.phone, coalesce(binding.phone, 'none'), 'none')) AS v(nth, name, before, after, standard)
        WHERE v.before <> v.after AND v.after = v.standard
        UNION ALL
        -- The webhook_url may hold a secret, so its value is not shown.
        SELECT 5, 'webhook_url (now: none)' WHERE was.webhook_url IS NOT NULL AND binding.webhook_url IS NULL
    ) p;
    IF cleared IS NOT NULL THEN
        RAISE NOTICE USING MESSAGE = format('this binding clears %s', cleared),
            HINT = 'To keep one, bind again and name it.';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_say_cleared IS
    'Raises a notice that names the parts of the binding that lost their value: by an argument, or because another '
    'table was bound.';

CREATE FUNCTION @extschema@.wab_bind_tenants(
    tenants regclass DEFAULT NULL, tenant_id text DEFAULT NULL, bridge_id text DEFAULT NULL,
    bridge_status text DEFAULT NULL, wanted text DEFAULT NULL, webhook_url text DEFAULT NULL,
    add_columns boolean DEFAULT false, resolved_in text DEFAULT current_setting('search_path'),
    customer_refs text DEFAULT NULL, disconnected_after text DEFAULT NULL, awaiting_scan_after text DEFAULT NULL,
    phone text DEFAULT NULL)
RETURNS TABLE (bound regclass, tenant_rows bigint, wanted_rows bigint)
LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, pg_temp SET row_security = off SET lock_timeout = '5s'
AS $$
DECLARE
    was           @extschema@.wab_tenant_binding;
    binding       @extschema@.wab_tenant_binding;
    foreign_views text;
BEGIN
    IF add_columns IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'wab_bind_tenants(): add_columns may not be null',
            HINT = 'Pass true or false, or leave it out.';
    END IF;
    SELECT b.* INTO was FROM @extschema@._wab_binding() b;
    binding := @extschema@._wab_merge_binding(ROW(
        true, tenants, tenant_id, bridge_id, bridge_status, wanted, webhook_url, resolved_in, NULL, NULL, NULL, NULL,
        customer_refs, disconnected_after, awaiting_scan_after, phone)::@extschema@.wab_tenant_binding);
    PERFORM @extschema@._wab_check_binding(binding, add_columns);
    PERFORM @extschema@._wab_require_view_owner();
    -- Before the views are locked, because a refresh takes the observe lock before it reads them.
    PERFORM @extschema@._wab_take_customer_refs(binding);
    PERFORM @extschema@._wab_make_views(binding, tenants IS NULL);
    -- OR REPLACE keeps the owner. If another role created a view with one of these names beforehand, that role could
    -- still change it.
    SELECT string_agg(format('%s belongs to %I', c.oid::regclass, o.rolname), '; ' ORDER BY c.relname)
    INTO foreign_views
    FROM pg_class c JOIN pg_roles o ON o.oid = c.relowner
    WHERE c.relnamespace = '@extschema@'::regnamespace AND c.relname = ANY (@extschema@._wab_bound_views())
      AND o.rolname <> current_user AND NOT o.rolsuper
      AND o.oid NOT IN (SELECT t.relowner FROM pg_class t
                        WHERE t.oid IN ('@extschema@.wab_tenant_binding'::regclass, binding.tenants));
    IF foreign_views IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = 'a view with a wab_ name belongs to another role',
            DETAIL = foreign_views, HINT = 'Inspect the view, then drop it or change its owner.';
    END IF;
    PERFORM @extschema@._wab_restore_grants();
    DELETE FROM @extschema@.wab_tenant_binding;
    INSERT INTO @extschema@.wab_tenant_binding SELECT binding.*;
    RETURN QUERY SELECT binding.tenants, c.tenant_rows, c.wanted_rows FROM @extschema@._wab_count_tenants() c;
    PERFORM @extschema@._wab_check_writing();
    PERFORM @extschema@._wab_say_cleared(was, binding);
END
$$;
COMMENT ON FUNCTION @extschema@.wab_bind_tenants IS
    'Binds your tenants table: checks it and creates wab_tenants and the drift views. An argument that is left out '
    'stays as it was bound to this table before; wanted => ''true'' clears that one, and '''' clears the other expressions. '
    'Another table begins with the defaults. A notice says what was cleared. customer_refs: a regular expression for the '
    'whole customer_ref of this database''s bridges, if databases share the account; others are not stored. '
    'disconnected_after, awaiting_scan_after: SQL for a tenant''s own grace (an interval; null for that of wab_policy). '
    'phone: SQL for the phone that should be paired (a text). Without '
    'arguments it re-creates the views of the present binding, for instance after an upgrade. Raises 55P03 if the '
    'views stay in use for 10 seconds.';

CREATE FUNCTION @extschema@.wab_unbind_tenants() RETURNS regclass
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $$
BEGIN
    PERFORM @extschema@._wab_require_binding();
    PERFORM @extschema@._wab_require_view_owner();
    PERFORM @extschema@._wab_lock_views(@extschema@._wab_bound_views());
    -- Without the views, the stored names are the only ones.
    UPDATE @extschema@.wab_tenant_binding b
    SET tenant_id = p.tenant_id, bridge_id = p.bridge_id, bridge_status = p.bridge_status,
        wanted = @extschema@._wab_present_text(p, 'wanted', p.wanted, 'boolean'),
        webhook_url = @extschema@._wab_present_text(p, 'webhook_url', p.webhook_url, 'text'),
        disconnected_after = @extschema@._wab_present_text(p, 'disconnected_after', p.disconnected_after, 'interval'),
        awaiting_scan_after = @extschema@._wab_present_text(p, 'awaiting_scan_after', p.awaiting_scan_after, 'interval'),
        phone = @extschema@._wab_present_text(p, 'phone', p.phone, 'text')
    FROM @extschema@._wab_binding() p;
    PERFORM @extschema@._wab_drop_views();
    RETURN (SELECT b.tenants FROM @extschema@.wab_tenant_binding b);
END
$$;
COMMENT ON FUNCTION @extschema@.wab_unbind_tenants IS
    'Drops wab_tenants and the drift views, so that your tenants table can be altered. Bridges, history and the '
    'binding stay: wab_bind_tenants() creates the views again, with the grants on them. Returns the table. Raises 2BP01 if '
    'objects of yours depend on the views.';
