-- Keeps values of your rows out of what is stored and raised again, and webhook_urls from roles that only read. A URL
-- and a row may hold a secret; what is stored is read by more roles than the row is.

-- Which state may quote what: 22 the value that an expression could not convert, in the message; 22 and 23 the row or
-- the key, in the detail; P0001, the RAISE of a trigger, anything in the detail. The functions of this schema raise
-- 22023, about arguments.
CREATE FUNCTION @extschema@._wab_shown_message(state text, message text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN state LIKE '22%' AND state NOT IN ('22021', '22023', '22P05')
                THEN regexp_replace(message, '".*"', '"..."') ELSE message END;
$$;
COMMENT ON FUNCTION @extschema@._wab_shown_message IS
    'The message of an error with this SQLSTATE, without the value that it quotes.';

-- Of other errors a function that tried something raises itself, because they are about no row: connection, read-only
-- transaction, conflict with another transaction, resources, shutdown, system.
CREATE FUNCTION @extschema@._wab_is_about_data(state text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN left(state, 2) <> ALL ('{08,25,40,53,57,58,XX}');
COMMENT ON FUNCTION @extschema@._wab_is_about_data IS
    'Whether an error with this SQLSTATE is about rows, expressions, objects or rights, and would come again.';

CREATE FUNCTION @extschema@._wab_shown_detail(state text, detail text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT CASE WHEN state = '22023' OR left(state, 2) NOT IN ('22', '23', 'P0') THEN detail END; $$;
COMMENT ON FUNCTION @extschema@._wab_shown_detail IS
    'The DETAIL of an error with this SQLSTATE; null if it may hold a row or a key.';

CREATE FUNCTION @extschema@._wab_shown_error(state text, message text, detail text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN starts_with(s.detail, s.message) THEN s.detail
                ELSE concat_ws(': ', nullif(s.message, ''), nullif(s.detail, '')) END
    FROM (SELECT @extschema@._wab_shown_message(state, message) AS message,
                 @extschema@._wab_shown_detail(state, detail) AS detail) s;
$$;
COMMENT ON FUNCTION @extschema@._wab_shown_error IS
    'Message and DETAIL of an error as one text, without values; the message once if the DETAIL begins with it.';

-- pg_cron stores the whole text of an error, and clients log it.
CREATE FUNCTION @extschema@._wab_raise_without_values(state text, message text, detail text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF message <> @extschema@._wab_shown_message(state, message)
       OR detail <> coalesce(@extschema@._wab_shown_detail(state, detail), '') THEN
        RAISE EXCEPTION USING ERRCODE = state, MESSAGE = @extschema@._wab_shown_message(state, message);
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_raise_without_values IS
    'Raises this error without the values that it quotes; does nothing if it quotes none.';

-- The fingerprint tells two URLs of one host apart. What is hidden already stays as it is. COST 1: only roles that may not
-- write call it, and with a higher cost PostgreSQL would compile (JIT) each query of the drift.
CREATE FUNCTION @extschema@._wab_hidden_url(url text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 1 SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN url ~ '^[a-z]*://[^/]*/\.\.\. [0-9a-f]{12}$' THEN url
                ELSE coalesce(substring(url from '^(https?://)(?:[^/?#]*@)?[^/?#@]*')
                              || substring(url from '^https?://(?:[^/?#]*@)?([^/?#@]*)'), '://')
                     || '/... ' || left(encode(sha256(convert_to(url, 'UTF8')), 'hex'), 12) END
    WHERE url IS NOT NULL;
$$;
COMMENT ON FUNCTION @extschema@._wab_hidden_url IS
    'A webhook_url as a role sees it that may not write wab_bridges: its host, and a fingerprint of the whole.';
