-- Lists the tables in schema $1 that differ from the table of the same name in the session's temporary
-- schema.
WITH part AS (
    SELECT c.relnamespace, c.relname, 'column' AS what,
           ROW(rank() OVER (PARTITION BY a.attrelid ORDER BY a.attnum), a.attname, a.attnotnull,
               format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid))::text AS said
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relkind = 'r'
    UNION ALL
    SELECT c.relnamespace, c.relname, 'constraint',
           ROW(k.contype, k.confdeltype, f.relname, pg_get_expr(k.conbin, k.conrelid),
               (SELECT array_agg(a.attname ORDER BY u.nth) FROM unnest(k.conkey) WITH ORDINALITY AS u(num, nth)
                JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.num))::text
    FROM pg_class c JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype <> 'n'
    LEFT JOIN pg_class f ON f.oid = k.confrelid
    WHERE c.relkind = 'r'
), expected AS (
    SELECT p.relname, p.what, p.said FROM part p WHERE p.relnamespace = pg_my_temp_schema()
), present AS (
    SELECT p.relname, p.what, p.said FROM part p JOIN pg_namespace n ON n.oid = p.relnamespace
    WHERE n.nspname = $1 AND p.relname IN (SELECT w.relname FROM expected w)
), differing AS (
    (TABLE expected EXCEPT ALL TABLE present) UNION ALL (TABLE present EXCEPT ALL TABLE expected)
)
SELECT coalesce(array_agg(DISTINCT d.relname::text ORDER BY d.relname::text), '{}') FROM differing d
