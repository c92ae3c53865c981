-- Tests wab_policy: it is written like a table of one row, and only what differs from the defaults is stored.
CREATE EXTENSION pg_wabridges;
SELECT * FROM wab_policy;
SELECT count(*) AS stored FROM _wab_policy;
UPDATE wab_policy SET price_per_bridge = 2.50 RETURNING price_per_bridge, max_shrink;
UPDATE wab_policy SET disconnected_after = '1 hour', max_shrink = 0.2;
SELECT * FROM _wab_policy;
-- Null sets the default again; an INSERT replaces all settings, as the COPY of an older dump does; a DELETE sets all defaults.
UPDATE wab_policy SET price_per_bridge = NULL;
SELECT price_per_bridge, disconnected_after FROM wab_policy;
INSERT INTO wab_policy (awaiting_scan_after) VALUES ('3 days');
SELECT disconnected_after, awaiting_scan_after FROM wab_policy;
COPY wab_policy (only_row, price_per_bridge, disconnected_after, awaiting_scan_after, max_shrink) FROM stdin;
t	4.00	00:15:00	24:00:00	0.200
\.
SELECT * FROM wab_policy;
SELECT * FROM _wab_policy;
UPDATE wab_policy SET price_per_bridge = -1;
UPDATE wab_policy SET max_shrink = 2;
UPDATE wab_policy SET max_shrink = 20;
UPDATE wab_policy SET mass_share = 10;
DELETE FROM wab_policy;
SELECT count(*) AS stored, (SELECT price_per_bridge FROM wab_policy) AS price_per_bridge FROM _wab_policy;
-- A grace of 0 reports at once, also within the transaction that found it.
UPDATE wab_policy SET disconnected_after = '0';
SELECT disconnected, awaiting_scan = now() - interval '24 hours' AS awaiting_scan, unmapped_status AS unmapped FROM _wab_cutoffs();
UPDATE wab_policy SET price_per_bridge = 'NaN';
-- No time is negative, and a gap is longer than 0.
UPDATE wab_policy SET disconnected_after = '-1 second';
UPDATE wab_policy SET awaiting_scan_after = '-1 second';
UPDATE wab_policy SET state_after = '-1 second';
UPDATE wab_policy SET unmapped_after = '-1 second';
UPDATE wab_policy SET silent_after = '-1 second';
UPDATE wab_policy SET phone_changed_for = '-1 second';
UPDATE wab_policy SET max_gap = '0';
UPDATE wab_policy SET awaiting_scan_after = '0', state_after = '0', unmapped_after = '0', silent_after = '0', phone_changed_for = '0', max_gap = '1 second';
SELECT * FROM _wab_policy;
