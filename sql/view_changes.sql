-- Changes the views of the tenants table beside their readers: locks them, drops them, and gives their grants back.

-- A reader of a view locks it first and the views that it reads afterwards. This order, from the top down, is the same.
CREATE FUNCTION @extschema@._wab_bound_views() RETURNS name[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '{wab_fleet_summary,wab_to_nudge,wab_to_repair,_wab_unpaired,wab_churned_bridges,wab_status_drift,
         wab_missing_bridges,wab_orphaned_bridges,wab_drift_short,wab_drift,wab_fleet,_wab_kinds,_wab_rows,wab_tenants}'::pg_catalog.name[];
COMMENT ON FUNCTION @extschema@._wab_bound_views IS
    'The views that wab_bind_tenants() creates, each before those that it reads.';

CREATE FUNCTION @extschema@._wab_require_view_owner() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    home constant regnamespace := '@extschema@'::regnamespace;
    view text;
    role name;
BEGIN
    SELECT c.oid::regclass, r.rolname INTO view, role
    FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
    WHERE c.relnamespace = home AND c.relname = ANY (@extschema@._wab_bound_views())
      AND NOT pg_has_role(c.relowner, 'USAGE')
    ORDER BY c.relname = 'wab_tenants' DESC, c.relname LIMIT 1;
    IF view IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '42501',
            MESSAGE = format('only role %I may bind the tenants table', role),
            DETAIL = format('The view %s belongs to it.', view),
            HINT = format('Bind as that role. To let role %I bind instead, drop the views as role %I, which keeps the '
                          'binding: SELECT wab_unbind_tenants();', current_user, role);
    END IF;
    IF NOT has_schema_privilege(home, 'CREATE')
       AND (to_regclass('@extschema@.wab_tenants') IS NULL OR to_regclass('@extschema@.wab_drift') IS NULL) THEN
        RAISE EXCEPTION USING ERRCODE = '42501',
            MESSAGE = format('role %I may not create the drift views in schema %s', current_user, home),
            HINT = format('GRANT CREATE ON SCHEMA %s TO %I;', home, current_user);
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_require_view_owner IS
    'Raises 42501 unless the caller may create or replace the views of the tenants table.';

-- The next wab_bind_tenants() evaluates the expressions of the binding with the rights of its caller.
CREATE FUNCTION @extschema@._wab_guard_binding() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM @extschema@._wab_require_view_owner();
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_guard_binding IS
    'Trigger on wab_tenant_binding: only a role that may bind the tenants table may write the binding.';
CREATE TRIGGER _wab_guard_binding BEFORE INSERT OR UPDATE OR DELETE ON @extschema@.wab_tenant_binding
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._wab_guard_binding();

CREATE FUNCTION @extschema@._wab_views_source() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT md5(string_agg(p.prosrc, '' ORDER BY p.proname)) FROM pg_proc p
    WHERE p.oid IN ('@extschema@._wab_create_views()'::regprocedure, '@extschema@._wab_comment_views()'::regprocedure);
$$;
COMMENT ON FUNCTION @extschema@._wab_views_source IS
    'The md5 of the statements that create the drift views. As long as it is the one in wab_tenant_binding, another '
    'binding replaces wab_tenants only.';

CREATE FUNCTION @extschema@._wab_view_readers() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT string_agg(DISTINCT format('server process %s (role %s, application %s, %s since %s)', l.pid, a.usename,
               coalesce(nullif(a.application_name, ''), '-'), a.state, date_trunc('second', a.xact_start)), '; ')
    FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
      AND l.relation IN (SELECT c.oid FROM pg_class c WHERE c.relnamespace = '@extschema@'::regnamespace
                         AND c.relname = ANY (@extschema@._wab_bound_views()));
$$;
COMMENT ON FUNCTION @extschema@._wab_view_readers IS
    'The sessions whose transactions hold a lock on a view of the tenants table; null if there is none.';

-- While it waits for one view and holds others, readers wait for it; one that reads the views in another order even
-- deadlocks. So an attempt gives up after 50 ms, later ones after up to 800 ms, and lets go of all views for a moment.
-- That is before PostgreSQL looks for a deadlock, which would end the reader.
CREATE FUNCTION @extschema@._wab_lock_views(views name[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms'
AS $$
DECLARE
    deadline constant timestamptz := clock_timestamp() + interval '10 seconds';
    longest  constant interval := current_setting('deadlock_timeout')::interval * 0.8;
    attempt  interval := interval '50 milliseconds';
    ends     timestamptz;
    readers  text;
    view     name;
BEGIN
    LOOP
        ends := clock_timestamp() + attempt;
        BEGIN
            FOREACH view IN ARRAY views LOOP
                IF to_regclass(format('@extschema@.%I', view)) IS NOT NULL THEN
                    PERFORM set_config('lock_timeout', greatest(1, ceil(1000 * extract(epoch FROM
                        ends - clock_timestamp())))::text, true);
                    -- It changes nothing, and locks this view only; LOCK TABLE would lock the tables below it too.
                    EXECUTE format('ALTER VIEW @extschema@.%I RESET (check_option)', view);
                END IF;
            END LOOP;
            RETURN;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            readers := coalesce(@extschema@._wab_view_readers(), readers);
        END;
        IF clock_timestamp() > deadline THEN
            RAISE EXCEPTION USING ERRCODE = '55P03',
                MESSAGE = 'the views of the tenants table are in use, so they cannot be changed',
                DETAIL = format('They are held by %s.', coalesce(readers, 'short queries')),
                HINT = 'Nothing was changed. Wait until these transactions have ended, or end them, and try again.';
        END IF;
        attempt := least(attempt * 2, interval '800 milliseconds', longest);
        PERFORM pg_sleep(0.05 + random() * 0.1);
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_lock_views IS
    'Locks these views of the tenants table exclusively until the transaction ends. Raises 55P03, with the sessions that '
    'hold them, if that is not possible within 10 seconds.';

CREATE FUNCTION @extschema@._wab_view_grants() RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object('view', g.view, 'column', g.attname, 'privilege', x.privilege_type,
               'grantee', r.rolname, 'grantable', x.is_grantable)), '[]')
    FROM (SELECT c.relname AS view, c.relowner, NULL::name AS attname, c.relacl AS acl
          FROM pg_class c WHERE c.relnamespace = '@extschema@'::regnamespace
                            AND c.relname = ANY (@extschema@._wab_bound_views())
          UNION ALL
          SELECT c.relname, c.relowner, a.attname, a.attacl
          FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
          WHERE c.relnamespace = '@extschema@'::regnamespace AND c.relname = ANY (@extschema@._wab_bound_views())) g
    CROSS JOIN LATERAL aclexplode(g.acl) x
    LEFT JOIN pg_roles r ON r.oid = x.grantee
    WHERE x.grantee <> g.relowner AND (x.grantee = 0 OR r.oid IS NOT NULL);
$$;
COMMENT ON FUNCTION @extschema@._wab_view_grants IS
    'The privileges that were granted on the views of the tenants table and their columns; grantee null means PUBLIC.';

CREATE FUNCTION @extschema@._wab_restore_grants() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    g record;
BEGIN
    FOR g IN
        SELECT s.* FROM @extschema@.wab_tenant_binding b
        CROSS JOIN LATERAL jsonb_to_recordset(b.grants)
            AS s(view name, "column" name, privilege text, grantee name, grantable boolean)
        WHERE s.view = ANY (@extschema@._wab_bound_views())
          AND s.privilege IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN')
          AND (s.grantee IS NULL OR EXISTS (SELECT FROM pg_roles r WHERE r.rolname = s.grantee))
          AND (s."column" IS NULL OR EXISTS (
              SELECT FROM pg_attribute a WHERE a.attrelid = to_regclass(format('@extschema@.%I', s.view))
                                           AND a.attname = s."column" AND NOT a.attisdropped))
    LOOP
        EXECUTE format('GRANT %s%s ON @extschema@.%I TO %s%s', g.privilege,
            ' (' || quote_ident(g."column") || ')', g.view, coalesce(quote_ident(g.grantee), 'PUBLIC'),
            CASE WHEN g.grantable THEN ' WITH GRANT OPTION' END);
    END LOOP;
    UPDATE @extschema@.wab_tenant_binding b SET grants = '[]' WHERE b.grants <> '[]';
END
$$;
COMMENT ON FUNCTION @extschema@._wab_restore_grants IS
    'Grants again what was granted on the views before they were dropped, to the roles that still exist.';

CREATE FUNCTION @extschema@._wab_drop_views() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    dependents text;
    view       name;
BEGIN
    UPDATE @extschema@.wab_tenant_binding b SET grants = @extschema@._wab_view_grants()
    WHERE to_regclass('@extschema@.wab_tenants') IS NOT NULL;
    FOREACH view IN ARRAY @extschema@._wab_bound_views() LOOP
        IF to_regclass(format('@extschema@.%I', view)) IS NOT NULL THEN
            EXECUTE format('DROP VIEW @extschema@.%I', view);
        END IF;
    END LOOP;
EXCEPTION WHEN dependent_objects_still_exist THEN
    GET STACKED DIAGNOSTICS dependents = PG_EXCEPTION_DETAIL;
    RAISE EXCEPTION USING ERRCODE = '2BP01',
        MESSAGE = 'the views of the tenants table cannot be dropped, because objects of yours depend on them',
        DETAIL = dependents, HINT = 'Nothing was changed. Drop these objects first, and create them again afterwards.';
END
$$;
COMMENT ON FUNCTION @extschema@._wab_drop_views IS
    'Drops the views of the tenants table, and keeps the grants on them in wab_tenant_binding. Raises 2BP01 if other '
    'objects depend on them.';

-- The copies are those of _wab_create_views(), over a wab_tenants in pg_temp. Only this session sees them: they wait
-- for no reader, and no reader waits for them.
CREATE FUNCTION @extschema@._wab_preview_views(tenants regclass, tenant_id text, bridge_id text, bridge_status text,
    wanted text, webhook_url text, resolved_in text, customer_refs text, disconnected_after text, awaiting_scan_after text,
    phone text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off SET lock_timeout = '5s'
SET client_min_messages = warning
AS $$
DECLARE
    ours    constant text := regexp_replace('@extschema@', '([^a-zA-Z0-9_])', '\\\1', 'g');
    views   constant text := array_to_string(@extschema@._wab_bound_views(), '|');
    binding @extschema@.wab_tenant_binding := @extschema@._wab_merge_binding(ROW(
        true, tenants, tenant_id, bridge_id, bridge_status, wanted, webhook_url, resolved_in, NULL, NULL, NULL, NULL,
        customer_refs, disconnected_after, awaiting_scan_after, phone)::@extschema@.wab_tenant_binding);
BEGIN
    PERFORM @extschema@._wab_check_binding(binding);
    PERFORM @extschema@._wab_take_customer_refs(binding);
    PERFORM @extschema@._wab_create_tenants_view(binding, 'pg_temp');
    EXECUTE (SELECT regexp_replace(p.prosrc, format('%s\.(%s)\M', ours, views), 'pg_temp.\1', 'g')
             FROM pg_proc p WHERE p.oid = '@extschema@._wab_create_views()'::regprocedure);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_preview_views IS
    'Checks a binding and creates the views as they would be with it, as temporary views of this session. '
    'Stores its customer_refs, which the evaluation of the listing reads. Called by wab plan, which rolls back.';
