-- Of these patterns, in which * matches any text and ? any character, those that no tenant and no bridge matches.
SELECT p.pattern FROM pg_catalog.unnest($1::pg_catalog.text[]) AS p(pattern)
WHERE NOT EXISTS (
    SELECT FROM @views@.wab_fleet f
    WHERE f.customer_ref OPERATOR(pg_catalog.~~) pg_catalog.translate(
        pg_catalog.regexp_replace(p.pattern, '[\\%_]', '\\\&', 'g'), '*?', '%_'))
