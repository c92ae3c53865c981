-- How long a writer waits for a tenant row that an application has locked, and which rows are free. An application may keep a row
-- locked for as long as it likes; whoever holds the lock "observe" meanwhile would hold up every webhook, refresh and call.

-- Half of deadlock_timeout: a transaction that holds a row and waits for the lock "observe" is not chosen as a deadlock's victim.
CREATE FUNCTION @extschema@._wab_row_patience() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN EXISTS (
        SELECT FROM pg_locks l
        WHERE l.locktype = 'advisory' AND l.pid = pg_backend_pid() AND l.granted AND l.objsubid = 1
          AND (l.classid::bigint << 32 | l.objid::bigint) = @extschema@._wab_lock_id('observe'))
        THEN ceil(extract(epoch FROM least(nullif(current_setting('lock_timeout')::interval, interval '0'),
                                           current_setting('deadlock_timeout')::interval / 2)) * 1000)::text
        ELSE current_setting('lock_timeout') END;
$$;
COMMENT ON FUNCTION @extschema@._wab_row_patience IS
    'The lock_timeout for a tenant row: half of deadlock_timeout while this transaction holds the advisory lock "observe", '
    'because whoever records a webhook, a refresh or a call waits for that one; else the session''s own.';

CREATE FUNCTION @extschema@._wab_lock_free_rows(customer_refs text[]) RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = on SET jit = off SET lock_timeout = '10ms'
AS $$
DECLARE
    binding @extschema@.wab_tenant_binding;
    command text;
    free    text[];
BEGIN
    SELECT b.* INTO STRICT binding FROM @extschema@._wab_binding() b;
    command := format('SELECT pg_catalog.array_agg(f.customer_ref) FROM (
                           SELECT %1$s AS customer_ref FROM %2$s AS t WHERE %1$s OPERATOR(pg_catalog.=) ANY ($1)
                           FOR NO KEY UPDATE SKIP LOCKED) f',
                      @extschema@._wab_customer_ref_of('t', binding), binding.tenants);
    PERFORM set_config('search_path', @extschema@._wab_binding_path(), true);
    EXECUTE command INTO free USING customer_refs;
    RETURN coalesce(free, '{}');
-- The whole table is locked, or it is a view, a foreign or a distributed table of which no row can be locked like this.
EXCEPTION WHEN lock_not_available OR feature_not_supported OR insufficient_privilege THEN
    RETURN '{}';
END
$$;
COMMENT ON FUNCTION @extschema@._wab_lock_free_rows IS
    'Locks those rows of these tenants that no other transaction has locked, and returns their customer_refs.';
