-- Turns the template $1 into a SQL expression: splits it at the placeholder $2 and puts the encoded tenant_id
-- between the pieces. Integers and uuids need no encoding.
SELECT string_agg(e.piece, ' || ' ORDER BY t.nth, e.nth)
FROM string_to_table($1, $2) WITH ORDINALITY AS t(literal, nth)
CROSS JOIN (
    SELECT CASE WHEN a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'uuid'::regtype)
                THEN format('%I::pg_catalog.text', $4)
                ELSE format('%I.wab_url_encode(%I::pg_catalog.text)', $3, $4) END AS encoded
    FROM (SELECT) one LEFT JOIN pg_attribute a ON a.attrelid = $5 AND a.attname = $4) id
CROSS JOIN LATERAL (
    VALUES (1, CASE WHEN t.nth > 1 THEN id.encoded END), (2, CASE WHEN t.literal <> '' THEN quote_literal(t.literal) END)
) AS e(nth, piece)
WHERE e.piece IS NOT NULL
