-- Tests what wab_calls records, and that a role that may not write it is refused.
CREATE EXTENSION pg_wabridges;
SET application_name = 'desk';
SELECT _wab_record_call('pair', 'a', 7, '2026-01-01 00:00Z', 'code');
SELECT call_id, called_at AT TIME ZONE 'UTC' AS called_at, answered_at > now() - interval '1 minute' AS answered, call, customer_ref, bridge_id, called_by = session_user AS by_me, application_name, outcome FROM wab_calls;
-- The session_user is recorded, whatever role it took on.
CREATE ROLE golden_caller;
GRANT INSERT ON wab_calls TO golden_caller;
GRANT EXECUTE ON FUNCTION _wab_require_call_record TO golden_caller;
SET ROLE golden_caller;
SELECT _wab_require_call_record();
RESET ROLE;
GRANT EXECUTE ON FUNCTION _wab_record_call TO golden_caller;
SET ROLE golden_caller;
SELECT _wab_require_call_record();
SELECT _wab_record_call('logout', 'a', NULL, '2026-01-02 00:00Z', 'disconnected');
RESET ROLE;
SELECT call, called_by = session_user AS by_me FROM wab_calls ORDER BY call_id;
-- Old ones are pruned.
SELECT wab_prune_history('0');
SELECT count(*) FROM wab_calls;
DROP OWNED BY golden_caller;
DROP ROLE golden_caller;
