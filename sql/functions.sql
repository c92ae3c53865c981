-- Creates small functions that many others use, and what is asked of a tenant before a bridge is provisioned.

CREATE FUNCTION @extschema@._wab_percent_encode(value text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (SELECT string_agg(CASE WHEN (c.ch COLLATE "C") ~ '[A-Za-z0-9._~-]' THEN c.ch
                               ELSE regexp_replace(upper(encode(convert_to(c.ch, 'UTF8'), 'hex')),
                                                   '(..)', '%\1', 'g') END,
                          '' ORDER BY c.nth)
        FROM string_to_table(value, NULL) WITH ORDINALITY AS c(ch, nth));
COMMENT ON FUNCTION @extschema@._wab_percent_encode IS
    'wab_url_encode() for a text with characters that must be encoded.';

-- The extension has it compiled (provider.sql). Not STRICT, and without SET or sub-select, so that the planner inlines
-- it: for most ids a query then runs one regular expression and no function call. Searching for one forbidden character takes half the time of matching all allowed
-- ones. COLLATE "C" is needed for ids with a nondeterministic collation, on which regular expressions fail.
CREATE FUNCTION @extschema@.wab_url_encode(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (value COLLATE "C") !~ '[^A-Za-z0-9._~-]' THEN value ELSE @extschema@._wab_percent_encode(value) END;
COMMENT ON FUNCTION @extschema@.wab_url_encode(text) IS
    'Percent-encodes a tenant_id for a webhook_url expression. By RFC 3986, letters, digits and . _ ~ - stay as they are.';

-- Texts take the function above. The text of some types depends on settings of the session, so this one is not IMMUTABLE. Without SET the planner
-- inlines it.
CREATE FUNCTION @extschema@.wab_url_encode(value anynonarray) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT @extschema@.wab_url_encode(value::pg_catalog.text) $$;
COMMENT ON FUNCTION @extschema@.wab_url_encode(anynonarray) IS
    'Percent-encodes a tenant_id that is no text for a webhook_url expression.';

-- Without SET the planner inlines it.
CREATE FUNCTION @extschema@._wab_status_order(status text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE status WHEN 'unknown' THEN 0 WHEN 'paired' THEN 1 WHEN 'awaiting_scan' THEN 2 WHEN 'disconnected' THEN 3 END;
COMMENT ON FUNCTION @extschema@._wab_status_order IS
    'The place of a status among those with the same time: the one that most needs a person counts as the latest. A '
    'bridge that was removed (null) comes after all.';

CREATE FUNCTION @extschema@._wab_lock_id(purpose text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE purpose WHEN 'refresh' THEN 7761620001 WHEN 'observe' THEN 7761620002 WHEN 'apply' THEN 7761620003 WHEN 'alerts' THEN 7761620004
    WHEN 'queue' THEN 7761620006 END;
COMMENT ON FUNCTION @extschema@._wab_lock_id IS
    'The key of an advisory lock: refresh (held while wab_refresh() calls the provider), observe (held while '
    'wab_bridges is written), apply (held by wab apply), alerts (held while alerts are sent), queue (shared by transactions '
    'that enqueue, held by the one that refuses an entry).';

-- The views call it for live bridges of tenants that are not wanted. A unique index on the id answers it at once.
CREATE FUNCTION @extschema@._wab_has_wanted_twin(customer_ref text) RETURNS boolean
LANGUAGE plpgsql STABLE COST 1 SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- A role that reads only the drift views sees both rows.
    IF NOT (has_function_privilege('@extschema@._wab_binding()', 'EXECUTE')
            AND has_function_privilege('@extschema@._wab_binding_path(text)', 'EXECUTE')
            AND has_table_privilege('@extschema@.wab_tenant_binding', 'SELECT')
            AND has_table_privilege('@extschema@.wab_tenants', 'SELECT')) THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM @extschema@._wab_binding() b
               JOIN pg_attribute a ON a.attrelid = b.tenants AND a.attname = b.tenant_id
               JOIN pg_index i ON i.indrelid = b.tenants AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
                AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum) THEN
        RETURN false;
    END IF;
    PERFORM set_config('search_path', @extschema@._wab_binding_path(), true);
    RETURN EXISTS (SELECT FROM @extschema@.wab_tenants t
                   WHERE t.customer_ref OPERATOR(pg_catalog.=) _wab_has_wanted_twin.customer_ref AND t.wanted);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_has_wanted_twin IS
    'Whether a row of the tenants table with this id is wanted. Two rows can have one id if no unique index forbids it.';

-- The views call it for duplicated bridges only. It is a function, not a sub-select, so that EXPLAIN of a view stays
-- readable. PostgreSQL expects ten calls for each row, so the cost is low: a high one would make it JIT-compile the query.
CREATE FUNCTION @extschema@._wab_serves(bridge_id bigint, customer_ref text, stored_bridge_id bigint) RETURNS boolean
LANGUAGE sql STABLE COST 1 SET search_path = pg_catalog, pg_temp
AS $$
    SELECT _wab_serves.bridge_id = coalesce(
        min(b.bridge_id) FILTER (WHERE b.bridge_id = stored_bridge_id), min(b.bridge_id))
    FROM @extschema@.wab_bridges b WHERE b.customer_ref = _wab_serves.customer_ref;
$$;
COMMENT ON FUNCTION @extschema@._wab_serves IS
    'Whether this bridge serves the customer_ref that several live bridges carry: it is the bridge that the tenant row '
    'holds, or else the one with the lowest bridge_id.';

-- The views call it for few rows: a sub-select in a view is planned twice in each query. PostgreSQL expects a call for
-- each row, so the cost is low: a high one would make it JIT-compile the query.
CREATE FUNCTION @extschema@._wab_carried(bridge_id bigint) RETURNS text
LANGUAGE plpgsql STABLE COST 1 PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT coalesce(b.customer_ref, '(none)') FROM @extschema@.wab_bridges b
            WHERE b.bridge_id = _wab_carried.bridge_id);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_carried IS
    'The customer_ref that this live bridge carries, or (none); null if there is no such bridge.';

-- As a sub-select in wab_drift, PostgreSQL would add its cost for each row that it expects, and compile (JIT) the query.
CREATE FUNCTION @extschema@._wab_drift_since(kind text, subject text) RETURNS timestamptz
LANGUAGE plpgsql STABLE COST 1 PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT min(e.began_at) FROM @extschema@.wab_drift_episodes e
            WHERE e.ended_at IS NULL AND e.subject = _wab_drift_since.subject AND e.kind = _wab_drift_since.kind);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_drift_since IS
    'When the present drift of this kind began, of this bridge_id as text or this customer_ref; null if it was not recorded.';

-- Called before the provider: only a customer_ref that the tenants table or wab_declared wants is ever provisioned.
CREATE FUNCTION @extschema@._wab_wanted_webhook_url(customer_ref text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
DECLARE
    is_wanted boolean;
    webhook   text;
BEGIN
    PERFORM @extschema@._wab_require_binding();
    PERFORM @extschema@._wab_require_ours(customer_ref);
    PERFORM set_config('search_path', @extschema@._wab_binding_path(), true);
    SELECT t.wanted, t.webhook_url INTO is_wanted, webhook FROM @extschema@.wab_tenants t
        WHERE t.customer_ref OPERATOR(pg_catalog.=) _wab_wanted_webhook_url.customer_ref
        -- Of two rows with one id the wanted one has the bridge.
        ORDER BY t.wanted DESC NULLS LAST LIMIT 1;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    IF is_wanted IS NOT TRUE AND NOT EXISTS (SELECT FROM @extschema@.wab_declared d
                                             WHERE d.customer_ref = customer_ref AND d.kind = 'extra') THEN
        IF is_wanted IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'no such tenant',
                DETAIL = format('tenant_id: %s', left(customer_ref, 200)),
                HINT = 'A bridge is provisioned for a row of the bound tenants table, '
                       'or for an extra declared in wab_declared.';
        END IF;
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'this tenant is not wanted',
            DETAIL = format('tenant_id: %s; a tenant is wanted when: %s', left(customer_ref, 200),
                            (SELECT b.wanted FROM @extschema@.wab_tenant_binding b)),
            HINT = 'Change the tenant row first. A bridge of a tenant that is not wanted is reported as churned.';
    END IF;
    RETURN coalesce(webhook, (SELECT d.webhook_url FROM @extschema@.wab_declared d
        WHERE d.customer_ref = customer_ref));
END
$$;
COMMENT ON FUNCTION @extschema@._wab_wanted_webhook_url IS
    'The webhook_url wanted for this customer_ref. Raises 22023 for an unknown tenant and for one of another database, and '
    '55000 for an unwanted one.';

CREATE FUNCTION @extschema@._wab_stored_bridge_id(customer_ref text) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
DECLARE
    held    bigint;
    carried text;
BEGIN
    PERFORM set_config('search_path', @extschema@._wab_binding_path(), true);
    SELECT t.bridge_id::pg_catalog.int8 INTO held FROM @extschema@.wab_tenants t
        WHERE t.customer_ref OPERATOR(pg_catalog.=) _wab_stored_bridge_id.customer_ref
        ORDER BY t.wanted DESC NULLS LAST LIMIT 1;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    SELECT coalesce(b.customer_ref, '(none)') INTO carried FROM @extschema@.wab_bridges b
    WHERE b.bridge_id = held AND b.customer_ref IS DISTINCT FROM _wab_stored_bridge_id.customer_ref
      AND NOT EXISTS (SELECT FROM @extschema@.wab_bridges o
                      WHERE o.customer_ref = _wab_stored_bridge_id.customer_ref);
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '55000',
            MESSAGE = 'the row of this tenant holds a bridge that is live under another customer_ref',
            DETAIL = format('tenant_id: %s; bridge %s carries the customer_ref %s. Was the tenant renamed?',
                            left(customer_ref, 200), held, left(carried, 200)),
            HINT = 'Nothing was provisioned. To keep the bridge, give the tenant its old id back. To pay for another one, '
                   'set the row''s bridge_id to null first.';
    END IF;
    RETURN held;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_stored_bridge_id IS
    'The bridge_id that this tenant''s row holds. Raises 55000 if that bridge is live under another customer_ref, and none '
    'is under this one: called before a bridge is provisioned.';
