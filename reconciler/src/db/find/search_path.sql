SELECT pg_catalog.current_setting('search_path') AS text,
       pg_catalog.current_schemas(false)::pg_catalog.text[] AS schemas
