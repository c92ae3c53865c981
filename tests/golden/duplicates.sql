-- Tests which bridges are marked as sharing a customer_ref, and what is deleted of them.
CREATE EXTENSION pg_wabridges;
\set known 'SELECT bridge_id, customer_ref, duplicated FROM wab_bridges ORDER BY 1'
SELECT bridges FROM wab_observe('{1,2,3,4,5}', '{a,b,b,NULL,NULL}', '{running,running,running,running,running}', '{NULL,NULL,NULL,NULL,NULL}', '{NULL,NULL,NULL,NULL,NULL}');
:known;
-- All: a mark that is wrong is put right.
UPDATE wab_bridges SET duplicated = NOT duplicated;
SELECT _wab_mark_duplicates();
:known;
-- A call for some customer_refs marks only the bridges that carry them: the wrong marks of bridges 1 and 4 stay.
UPDATE wab_bridges SET duplicated = true WHERE bridge_id IN (1, 4);
UPDATE wab_bridges SET customer_ref = 'c' WHERE bridge_id = 3;
SELECT _wab_mark_duplicates_of('{b,c}', 3);
:known;
UPDATE wab_bridges SET customer_ref = 'a' WHERE bridge_id = 2;
SELECT _wab_mark_duplicates_of('{a,b}', 2);
:known;
-- What was remembered of a bridge goes with it, and its number also when it shares its customer_ref.
\set remembered 'SELECT bridge_id, p.phone, a.active_at IS NOT NULL AS is_active FROM wab_phones p FULL JOIN wab_activity a USING (bridge_id) ORDER BY 1'
UPDATE wab_policy SET phones = 'clear';
SELECT _wab_observe_phones('{3,4}', '{15550000003,15550000004}', '{3@s,4@s}', '{Cy,Di}', '2026-01-01');
INSERT INTO wab_activity SELECT bridge_id, '2026-01-01' FROM generate_series(1, 6) bridge_id;
SELECT _wab_mark_duplicates();
:remembered;
UPDATE wab_bridges SET customer_ref = 'c' WHERE bridge_id = 4;
SELECT _wab_mark_duplicates_of('{c}', 4);
:remembered;
DELETE FROM wab_bridges WHERE bridge_id = 3;
SELECT _wab_mark_duplicates_of('{c}', 3);
:known;
:remembered;
