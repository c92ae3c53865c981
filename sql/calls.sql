-- Creates wab_calls: who provisioned, paired, logged out or deleted a bridge with SQL.

-- The row is written after the provider answered, in the caller's transaction: no lock is held during a call. A call that
-- fails or is cancelled aborts its transaction, and leaves the line that the server's log got before the call.
CREATE TABLE @extschema@.wab_calls (
    call_id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    called_at        timestamptz NOT NULL,
    answered_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    call             text NOT NULL CHECK (call IN ('provision', 'pair', 'logout', 'delete')),
    customer_ref     text NOT NULL,
    bridge_id        bigint,
    called_by        name NOT NULL DEFAULT session_user,
    application_name text NOT NULL DEFAULT current_setting('application_name'),
    outcome          text NOT NULL
);
CREATE INDEX wab_calls_customer_ref ON @extschema@.wab_calls USING hash (customer_ref);

COMMENT ON TABLE @extschema@.wab_calls IS
    'Who provisioned, paired, logged out or deleted a bridge with SQL: one row per call that the provider answered, and '
    'per failed call of wab_work_queue(). A ROLLBACK, an error or a cancel removes the row with everything else that '
    'the transaction wrote; a line in the server''s log, written before each call, stays.';
COMMENT ON COLUMN @extschema@.wab_calls.call_id IS 'The row''s own id.';
COMMENT ON COLUMN @extschema@.wab_calls.called_at IS 'When the provider was called.';
COMMENT ON COLUMN @extschema@.wab_calls.answered_at IS 'When the answer was recorded.';
COMMENT ON COLUMN @extschema@.wab_calls.call IS 'provision, pair, logout or delete.';
COMMENT ON COLUMN @extschema@.wab_calls.customer_ref IS 'The tenant''s id as text.';
COMMENT ON COLUMN @extschema@.wab_calls.bridge_id IS 'The bridge; null if it is not known.';
COMMENT ON COLUMN @extschema@.wab_calls.called_by IS 'The session_user: the role that logged in, also after SET ROLE.';
COMMENT ON COLUMN @extschema@.wab_calls.application_name IS 'The session''s application_name.';
COMMENT ON COLUMN @extschema@.wab_calls.outcome IS
    'created, existing or unlinked for provision, provisioned for one by wab_work_queue(); code for pair; the status '
    'afterwards for logout; deleted; or failed and the SQLSTATE.';

CREATE FUNCTION @extschema@._wab_record_call(call text, customer_ref text, bridge_id bigint, called_at timestamptz,
    outcome text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO @extschema@.wab_calls (call, customer_ref, bridge_id, called_at, outcome)
    VALUES ($1, $2, $3, $4, $5);
$$;
COMMENT ON FUNCTION @extschema@._wab_record_call IS
    'Records in wab_calls who made a call that the provider answered.';

CREATE FUNCTION @extschema@._wab_require_call_record() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT has_table_privilege('@extschema@.wab_calls', 'INSERT')
       OR NOT has_function_privilege('@extschema@._wab_record_call(text, text, bigint, timestamptz, text)', 'EXECUTE') THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = 'permission denied to record who makes a provider call',
            DETAIL = format('%s lacks: GRANT INSERT ON @extschema@.wab_calls; GRANT EXECUTE ON FUNCTION '
                            '@extschema@._wab_record_call', current_user),
            HINT = 'Nothing was sent to the provider.';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_require_call_record IS
    'Raises 42501, before any provider call, if the caller may not write wab_calls.';
