-- Tests the choice of bridges to poll.
CREATE EXTENSION pg_wabridges;
INSERT INTO wab_bridges (bridge_id, customer_ref, status, raw_status, first_seen_at, status_since, status_asked_at, status_listed)
SELECT n, 'c' || n, 'paired', 'connected', '2026-01-01', '2026-01-01', timestamptz '2026-01-02' - n * interval '1 minute', n = 9
FROM generate_series(1, 9) n;
UPDATE wab_bridges SET status = 'disconnected', raw_status = 'closed' WHERE bridge_id IN (1, 2, 3);
UPDATE wab_bridges SET status_asked_at = NULL WHERE bridge_id = 5;
UPDATE wab_bridges SET customer_ref = 'c8', duplicated = true WHERE bridge_id IN (7, 8);
-- Two of the stalest, then a disconnected one; without those that share a customer_ref, and without 9: its status is listed.
SELECT * FROM _wab_poll_candidates(9, at => '2026-01-02 12:00');
SELECT * FROM _wab_poll_candidates(3, at => '2026-01-02 12:00');
SELECT * FROM _wab_poll_candidates(1, at => '2026-01-02 12:00');
SELECT * FROM _wab_poll_candidates(0, at => '2026-01-02 12:00');
-- After a day of outage the next call follows after an hour.
SELECT * FROM _wab_poll_candidates(3, at => '2026-01-02 00:10');
UPDATE wab_bridges SET status_since = '2026-01-01 23:00' WHERE bridge_id = 2;
SELECT * FROM _wab_poll_candidates(3, at => '2026-01-02 00:10');
-- Nobody is asked twice within 50 seconds.
SELECT * FROM _wab_poll_candidates(9, at => '2026-01-01 23:59:49');
-- Bridges of a listing may be unknown.
SELECT * FROM _wab_poll_candidates(9, '{4,9,99,NULL}', '{c4,c9,c99,NULL}', '2026-01-02 12:00');
