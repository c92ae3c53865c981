-- Tests who is kept as paired: what is a change, what is one number, what is kept of it, and what is forgotten.
CREATE EXTENSION pg_wabridges;
SET timezone = 'UTC';
\set phones 'SELECT bridge_id, customer_ref AS ref, phone, jid, name, phone_since AS since, seen_at, previous_phone AS previous, previous_hash IS NOT NULL AS was, shared, accepted_at IS NOT NULL AS accepted FROM wab_phones ORDER BY 1'
INSERT INTO _wab_phone_key (key) VALUES ('\x00');
SELECT appeared FROM wab_observe('{1,2,3,4,5}', '{a,b,c,d,d}', '{running,running,running,running,running}', '{connected,connected,connected,connected,connected}', '{NULL,NULL,NULL,NULL,NULL}', '2026-01-01');
-- The forms of one number are one number; a bridge that shares its customer_ref, is not known or told nothing is left out.
SELECT _wab_observe_phones('{1,2,3,4,99}', '{15550000001,+1 555 000 0002,NULL,15550000004,15550000009}', '{1@s,NULL,3@s,NULL,NULL}', '{Ann,NULL,Cy,NULL,NULL}', '2026-01-02');
SELECT _wab_observe_phones('{1,2}', '{0015550000001,15550000002}', '{NULL,2@s}', '{NULL,Bo}', '2026-01-02 00:30');
:phones;
-- Unchanged, it is written once an hour. An older answer changes nothing.
SELECT _wab_observe_phones('{1,2}', '{15550000001,15550000002}', '{1@s,2@s}', '{Ann,Bo}', '2026-01-02 00:59'), _wab_observe_phones('{1}', '{15550000009}', '{NULL}', '{NULL}', '2026-01-01 12:00');
SELECT _wab_observe_phones('{1}', '{15550000001}', '{1@s}', '{Ann}', '2026-01-02 02:00');
:phones;
-- The last accepted number stays the one before, whatever follows; when it is back, there was no change.
SELECT _wab_observe_phones('{1}', '{15550000008}', '{NULL}', '{NULL}', '2026-01-03'), _wab_observe_phones('{1}', '{15550000007}', '{NULL}', '{NULL}', '2026-01-04');
:phones;
SELECT _wab_observe_phones('{1}', '{15550000001}', '{NULL}', '{NULL}', '2026-01-05');
:phones;
SELECT _wab_observe_phones('{1}', '{15550000002}', '{NULL}', '{NULL}', '2026-01-06'), wab_accept_phone('a'), wab_accept_phone('a'), wab_accept_phone('b');
:phones;
SELECT wab_accept_phone('c');
SELECT wab_accept_phone(NULL);
SELECT wab_accept_phone('');
SELECT wab_accept_phone(7);
-- Only hashes are kept, and they still tell the same number from another one. Afterwards numbers are kept again as they are seen.
UPDATE wab_policy SET phones = 'hash';
:phones;
SELECT _wab_observe_phones('{1,2}', '{15550000001,15550000002}', '{1@s,2@s}', '{Ann,Bo}', '2026-01-07');
:phones;
UPDATE wab_policy SET phones = 'clear';
SELECT _wab_observe_phones('{1,2}', '{15550000001,15550000002}', '{1@s,2@s}', '{Ann,Bo}', '2026-01-08');
:phones;
UPDATE wab_policy SET phones = 'none';
-- A bridge takes its number with it when it goes, and when it gets another customer_ref.
SELECT changed, disappeared FROM wab_observe('{1,3,4,5}', '{z,c,d,d}', '{running,running,running,running}', '{connected,connected,connected,connected}', '{NULL,NULL,NULL,NULL}', '2026-01-09', force => true);
:phones;
-- Numbers as people write them, by the rules of wab_pair().
SELECT t, _wab_phone(t) FROM unnest(ARRAY['15550001234', '+15550001234', '+1 555 000-1234', E' +1 (555) 000\u20131234 ', '1.555.000.1234', '1/555/0001234',
    '0015550001234', '00 1 555 000 1234', '5550001', E'\t15550001234\n', '0155 500 1234', '+0155 500 1234', '+00 1 555 000 1234', '000 1 555 000 1234',
    '+44 (0)20 7946 0000', '+44 ( 0 20) 7946 0000', '++15550001234', '1555+0001234', '1555000123x', E'\u0661\u0665\u0665\u0665\u0660\u0660\u0660\u0661\u0662', '', '+',
    '123456', '1234567890123456', NULL]) t;
