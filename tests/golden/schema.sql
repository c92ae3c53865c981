-- Tests the constraints of the tables.
CREATE EXTENSION pg_wabridges;
SET timezone = 'UTC';
INSERT INTO wab_bridges (bridge_id, first_seen_at) VALUES (0, '2026-01-01 00:00+00');
INSERT INTO wab_bridges (bridge_id, status, first_seen_at) VALUES (1, 'connected', '2026-01-01 00:00+00');
INSERT INTO wab_declared VALUES ('', 'keep', 'no ref');
INSERT INTO wab_declared VALUES ('a', 'extra', 'extras do not end', '2027-01-01');
-- A customer_ref may have any length, because its index is a hash index.
INSERT INTO wab_bridges (bridge_id, customer_ref, first_seen_at) VALUES (1, repeat('x', 10000), now());
SELECT length(customer_ref) FROM wab_bridges WHERE customer_ref = repeat('x', 10000);
