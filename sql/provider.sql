-- Declares the compiled functions. Their bodies are in pg_wabridges/src.
--
-- A function that calls the provider is not STRICT, so that a null argument raises an error instead of returning null.

CREATE FUNCTION @extschema@.wab_version() RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wab_version_wrapper';
COMMENT ON FUNCTION @extschema@.wab_version() IS
    'The version of the compiled library. pg_extension.extversion is the version of the SQL objects.';

-- Replaces the one that functions.sql wrote in SQL. It is strict, so PostgreSQL calls it after the join of a drift view,
-- not for each tenant before it.
CREATE OR REPLACE FUNCTION @extschema@.wab_url_encode(value text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wab_url_encode_wrapper';

CREATE FUNCTION @extschema@._wab_list_rows()
RETURNS TABLE (bridge_id bigint, customer_ref text, state text, raw_status text, created_at timestamptz, raw text)
LANGUAGE c VOLATILE PARALLEL RESTRICTED COST 1000000 ROWS 1000 AS 'MODULE_PATHNAME', 'wab_list_rows_wrapper';
COMMENT ON FUNCTION @extschema@._wab_list_rows() IS
    'Asks the provider for the whole fleet, with the provider''s own status text and raw as text. wab_list_instances() '
    'reads it.';

CREATE FUNCTION @extschema@._wab_row_json(raw text) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wab_row_json_wrapper';
COMMENT ON FUNCTION @extschema@._wab_row_json(text) IS
    'Converts raw of _wab_list_rows() to jsonb; null if jsonb cannot hold it, for instance because of an escaped NUL.';

CREATE FUNCTION @extschema@.wab_get_instance(bridge_id bigint)
RETURNS TABLE (bridge_id bigint, customer_ref text, state text, created_at timestamptz, health text,
               started_at timestamptz, fail_count bigint, raw jsonb)
LANGUAGE c VOLATILE PARALLEL RESTRICTED COST 1000000 ROWS 1 AS 'MODULE_PATHNAME', 'wab_get_instance_wrapper';
COMMENT ON FUNCTION @extschema@.wab_get_instance(bigint) IS
    'Asks the provider for one bridge, including the health of its container. Stores nothing.';

CREATE FUNCTION @extschema@.wab_provision(tenant_id text, webhook_url text DEFAULT NULL)
RETURNS TABLE (tenant_id text, bridge_id bigint, state text, outcome text)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 1 AS 'MODULE_PATHNAME', 'wab_provision_wrapper';
COMMENT ON FUNCTION @extschema@.wab_provision(text, text) IS
    'Provisions a wanted tenant''s bridge, or finds the one it has, and writes bridge_id and status on the tenant row. '
    'A ROLLBACK does not delete the bridge: the next refresh shows it as unbound, and a second call returns it. outcome: '
    'created, existing, or unlinked: the bridge exists and is recorded, and a WARNING says why the tenant row does not '
    'hold it.';

CREATE FUNCTION @extschema@._wab_call_provision(customer_ref text, webhook_url text, stored_bridge_id bigint)
RETURNS TABLE (bridge_id bigint, state text, raw_status text, webhook_url text)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 1 AS 'MODULE_PATHNAME', 'wab_call_provision_wrapper';
COMMENT ON FUNCTION @extschema@._wab_call_provision(text, text, bigint) IS
    'Makes the provider call of wab_provision() and writes nothing. Called by wab_work_queue().';

CREATE FUNCTION @extschema@.wab_webhook_url(tenant_id text) RETURNS text
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'wab_webhook_url_wrapper';
COMMENT ON FUNCTION @extschema@.wab_webhook_url(text) IS
    'The wanted webhook_url of a tenant''s bridge as it is sent to the provider, to be copied into the dashboard: with the '
    'signature in the place of {secret}. Null if none is wanted. It shows a secret.';

CREATE FUNCTION @extschema@.wab_webhook_secret_ok(customer_ref text, secret text) RETURNS boolean
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'wab_webhook_secret_ok_wrapper';
COMMENT ON FUNCTION @extschema@.wab_webhook_secret_ok(text, text) IS
    'Whether a webhook came with the {secret} of this customer_ref: HMAC-SHA256 under a key of wab.webhook_secret_file, '
    'compared in constant time. False for nulls. Pass both as parameters, so that no log of statements shows the secret.';

CREATE FUNCTION @extschema@.wab_delete_instance(bridge_id bigint, customer_ref text)
RETURNS TABLE (bridge_id bigint, customer_ref text, outcome text)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 1 AS 'MODULE_PATHNAME', 'wab_delete_instance_wrapper';
COMMENT ON FUNCTION @extschema@.wab_delete_instance(bigint, text) IS
    'Deletes a bridge at the provider, permanently, if the live bridge carries exactly this customer_ref. '
    'A ROLLBACK does not undo it.';

CREATE FUNCTION @extschema@.wab_refresh(max_age interval DEFAULT '0', force boolean DEFAULT false)
RETURNS TABLE (observed_at timestamptz, bridges integer, appeared integer, changed integer, disappeared integer,
               skipped boolean)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 1 AS 'MODULE_PATHNAME', 'wab_refresh_wrapper';
COMMENT ON FUNCTION @extschema@.wab_refresh(interval, boolean) IS
    'Asks the provider for the whole fleet and stores it. Skipped if the last observation is younger than max_age or '
    'another refresh is running. force accepts an empty list, and one that shrank by more than wab_policy.max_shrink.';

CREATE FUNCTION @extschema@.wab_poll_status(max_calls integer DEFAULT 100, max_time interval DEFAULT '50 seconds')
RETURNS TABLE (polled integer, changed integer, failed integer, remaining bigint)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 1 AS 'MODULE_PATHNAME', 'wab_poll_status_within_wrapper';
COMMENT ON FUNCTION @extschema@.wab_poll_status(integer, interval) IS
    'Asks up to max_calls bridges for their status. It leaves out bridges with a status in the newest listing. At least '
    'two thirds of the calls go to the bridges that were never asked or were asked longest ago; the rest go to '
    'disconnected ones. After max_time, or shortly before statement_timeout, it stores the answers and returns. '
    'remaining: bridges whose status was never observed.';

CREATE FUNCTION @extschema@.wab_reconcile(max_status_calls integer DEFAULT 100, max_time interval DEFAULT '50 seconds')
RETURNS TABLE (kind text, tenant_id text, bridge_id bigint, customer_ref text, stored text, observed text, detail text)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 100 AS 'MODULE_PATHNAME', 'wab_reconcile_within_wrapper';
COMMENT ON FUNCTION @extschema@.wab_reconcile(integer, interval) IS
    'Refreshes the fleet, asks for the statuses that the list did not carry (as wab_poll_status does), writes '
    'bridge_status on the tenant rows, clears rows that hold bridges that are gone, and returns the drift. If another refresh is running, it makes no call. Never '
    'provisions or deletes a bridge.';

CREATE FUNCTION @extschema@.wab_session_status(tenant_id text)
RETURNS TABLE (tenant_id text, status text, raw_status text, phone text, jid text, name text)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 1 AS 'MODULE_PATHNAME', 'wab_session_status_wrapper';
COMMENT ON FUNCTION @extschema@.wab_session_status(text) IS
    'Asks a tenant''s WhatsApp session for its status and, if it is paired, for phone, jid and name. Stores the status '
    'if the transaction and the caller may write wab_bridges.';

CREATE FUNCTION @extschema@.wab_qr(tenant_id text) RETURNS bytea
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 AS 'MODULE_PATHNAME', 'wab_qr_wrapper';
COMMENT ON FUNCTION @extschema@.wab_qr(text) IS
    'The QR code that a tenant scans, as a PNG file. The provider has one only while the bridge is unpaired, so the '
    'status awaiting_scan is stored if the transaction and the caller may write wab_bridges.';

CREATE FUNCTION @extschema@.wab_qr_text(tenant_id text) RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 AS 'MODULE_PATHNAME', 'wab_qr_text_wrapper';
COMMENT ON FUNCTION @extschema@.wab_qr_text(text) IS
    'The QR code of wab_qr() as text, drawn for a terminal with light text on a dark background.';

CREATE FUNCTION @extschema@.wab_pair(tenant_id text, phone text) RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 AS 'MODULE_PATHNAME', 'wab_pair_wrapper';
COMMENT ON FUNCTION @extschema@.wab_pair(text, text) IS
    'A code that the tenant types on the phone with this number, under Linked Devices. phone has its country code; +, a '
    'leading 00, spaces, dashes, dots, slashes and brackets are left out. A ROLLBACK does not undo the call.';

CREATE FUNCTION @extschema@.wab_logout(tenant_id text)
RETURNS TABLE (tenant_id text, status text, raw_status text)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 1 AS 'MODULE_PATHNAME', 'wab_logout_wrapper';
COMMENT ON FUNCTION @extschema@.wab_logout(text) IS
    'Unpairs a tenant''s bridge and destroys its session, so that it must be paired again. The bridge stays. '
    'A ROLLBACK does not undo it.';

CREATE FUNCTION @extschema@.wab_send_alerts()
RETURNS TABLE (outcome text, began integer, ended integer, next_attempt_at timestamptz, error text)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 1 AS 'MODULE_PATHNAME', 'wab_send_alerts_wrapper';
COMMENT ON FUNCTION @extschema@.wab_send_alerts() IS
    'Posts the incidents that began and ended since the last time to the URL in wab.alert_url_file. outcome: sent; nothing, if '
    'none is due; failed: they stay due, and a WARNING says why; waiting: a pause after a failure is not over; busy: another '
    'session sends; unconfigured, if there is no such setting.';
