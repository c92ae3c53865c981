-- Confirms webhook_urls that a person set in the provider's dashboard. The provider neither returns a webhook_url nor
-- has a call that changes one.

CREATE FUNCTION @extschema@.wab_webhook_set(tenant_id text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_column
DECLARE
    wanted text;
    held   bigint;
    bridge @extschema@.wab_bridges;
BEGIN
    IF coalesce(tenant_id, '') = '' THEN
        RAISE EXCEPTION USING ERRCODE = CASE WHEN tenant_id IS NULL THEN '22004' ELSE '22023' END,
            MESSAGE = 'wab_webhook_set(): tenant_id may be neither null nor empty',
            HINT = 'Name the tenant, such as: SELECT wab_webhook_set(''acme'');';
    END IF;
    PERFORM @extschema@._wab_require_all_rows();
    wanted := @extschema@._wab_wanted_webhook_url(tenant_id);
    IF wanted IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'no webhook_url is wanted for this tenant',
            DETAIL = format('tenant_id: %s', left(tenant_id, 200)),
            HINT = 'Bind one: SELECT * FROM wab_bind_tenants(webhook_url => ''...''); or in fleet.yaml: bridges.webhook_url.';
    END IF;
    SELECT t.bridge_id INTO held FROM @extschema@._wab_stored_rows(ARRAY[tenant_id]) t;
    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    SELECT b.* INTO bridge FROM @extschema@.wab_bridges b
    WHERE b.customer_ref = wab_webhook_set.tenant_id
      AND @extschema@._wab_serves(b.bridge_id, b.customer_ref, held);
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'this tenant has no live bridge',
            DETAIL = format('tenant_id: %s', left(tenant_id, 200)),
            HINT = 'If it has one at the provider, observe the fleet first: SELECT * FROM wab_refresh(); or: wab apply.';
    ELSIF bridge.webhook_url = wanted THEN
        RETURN false;
    END IF;
    UPDATE @extschema@.wab_bridges b SET webhook_url = wanted WHERE b.bridge_id = bridge.bridge_id;
    -- The URLs may hold a secret, and more roles read the history.
    INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, became, reported)
    VALUES (clock_timestamp(), bridge.bridge_id, bridge.customer_ref, 'webhook',
            @extschema@._wab_hidden_url(bridge.webhook_url), @extschema@._wab_hidden_url(wanted), session_user);
    PERFORM @extschema@._wab_note_drift_of(ARRAY[bridge.customer_ref]);
    RETURN true;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_webhook_set(text) IS
    'Confirms that a person set the wanted webhook_url of this tenant''s bridge in the provider''s dashboard. It ends the '
    'drift webhook, and wab_bridge_events records who confirmed it. Returns false if it was recorded as set before. Calls no '
    'provider.';

CREATE FUNCTION @extschema@.wab_webhook_set(tenant_id anynonarray) RETURNS boolean
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$ SELECT @extschema@.wab_webhook_set($1::text); $$;
COMMENT ON FUNCTION @extschema@.wab_webhook_set(anynonarray) IS
    'wab_webhook_set() for tenant ids of another type, such as integer or uuid.';
