-- Lists the planner properties of the compiled functions, and tests the errors for invalid arguments.
CREATE EXTENSION pg_wabridges;
SELECT p.oid::regprocedure, p.provolatile, p.proparallel, p.procost, p.prorows, p.proisstrict FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang AND l.lanname = 'c'
WHERE p.proname ~ '^_?wab_' ORDER BY p.proname;
SELECT p.oid::regprocedure, pg_get_function_result(p.oid) FROM pg_proc p
WHERE p.proname IN ('wab_list_instances', 'wab_provision', 'wab_delete_instance', 'wab_refresh', 'wab_poll_status', 'wab_reconcile') ORDER BY p.oid::regprocedure::text;
SELECT * FROM wab_get_instance(NULL);
SELECT * FROM wab_get_instance(-1);
SELECT * FROM wab_provision(NULL::text);
SELECT * FROM wab_delete_instance(1, NULL);
SELECT * FROM wab_poll_status(-1);
SELECT * FROM wab_refresh(NULL);
SELECT * FROM wab_session_status(NULL::text);
SELECT wab_qr(NULL::text);
SELECT wab_qr_text(NULL::text);
SELECT wab_pair('cust_1', NULL);
SELECT * FROM wab_logout(NULL::text);
-- The errors without a binding and without a key.
SELECT * FROM wab_reconcile();
SELECT * FROM wab_refresh();
-- A poll without bridges sends no call, so it needs no key.
SELECT * FROM wab_poll_status();
-- JSON that jsonb cannot represent becomes null.
SELECT raw, _wab_row_json(raw) FROM (VALUES ('{"id": 1, "name": "\u00fc"}'), ('{"a": "\u0000"}'), ('{"a": "\ud800"}'), ('{"a": 1e999999999}')) v(raw);
-- The extension builds the same jsonb as the parser of PostgreSQL.
SELECT o = p AND o::text = p::text AND pg_column_size(o) = pg_column_size(p) AND jsonb_hash(o) = jsonb_hash(p)
       AND NOT EXISTS (SELECT FROM jsonb_object_keys(p) k WHERE o -> k IS DISTINCT FROM p -> k) AS same
FROM (SELECT _wab_row_json(raw) AS o, raw::jsonb AS p FROM (VALUES
    ('{"id":42,"customer_ref":"cust_0042","state":"running","created_at":"2026-01-31T12:00:00Z"}'),
    ('{"bb":1,"a":null,"ccc":"","aa":false,"": -123456789012345678}'),
    ('{}'),
    ('{"nested":{"b":[1,2.50]},"text":"\u00fc\n"}')) v(raw)) x;
DROP EXTENSION pg_wabridges;
