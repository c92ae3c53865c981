-- Finds the table or view whose name equals $1 apart from case and quotes. PostgreSQL quotes the result where needed.
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND lower(replace($1, '"', '')) IN (lower(c.relname), lower(n.nspname || '.' || c.relname))
ORDER BY n.nspname LIMIT 1
