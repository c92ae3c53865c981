-- Makes and revokes pairing links: each opens, for one tenant and for a while, the page on which the tenant pairs the phone.
--
-- A link ends with a random token after #, which browsers send to no server. Only the token's SHA-256 is stored.

CREATE TABLE @extschema@.wab_pairing_links (
    link_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(token_sha256) = 32),
    customer_ref text NOT NULL CHECK (customer_ref <> ''),
    bridge_id    bigint NOT NULL,
    made_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    made_by      text NOT NULL DEFAULT session_user,
    valid_until  timestamptz NOT NULL CHECK (valid_until > made_at),
    revoked_at   timestamptz,
    revoked_by   text,
    CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
CREATE INDEX wab_pairing_links_customer_ref ON @extschema@.wab_pairing_links USING hash (customer_ref);

COMMENT ON TABLE @extschema@.wab_pairing_links IS
    'The pairing links that were made, one row each, as wab_links shows them. No link can be made from a row. wab_reader may '
    'read all columns but token_sha256.';
COMMENT ON COLUMN @extschema@.wab_pairing_links.link_id IS 'The row''s own id.';
COMMENT ON COLUMN @extschema@.wab_pairing_links.token_sha256 IS
    'SHA-256 of the token: of the 43 characters after # in the link.';
COMMENT ON COLUMN @extschema@.wab_pairing_links.customer_ref IS 'The tenant''s id as text.';
COMMENT ON COLUMN @extschema@.wab_pairing_links.bridge_id IS 'The bridge that served the tenant then.';
COMMENT ON COLUMN @extschema@.wab_pairing_links.made_at IS 'When it was made.';
COMMENT ON COLUMN @extschema@.wab_pairing_links.made_by IS
    'The role (session_user) that called wab_pairing_link(), or user@host that ran wab.';
COMMENT ON COLUMN @extschema@.wab_pairing_links.valid_until IS 'When it expires.';
COMMENT ON COLUMN @extschema@.wab_pairing_links.revoked_at IS 'When it was revoked; null if it was not.';
COMMENT ON COLUMN @extschema@.wab_pairing_links.revoked_by IS 'Who revoked it, as in made_by; null if it was not revoked.';

CREATE FUNCTION @extschema@._wab_serving_bridge(customer_ref text)
RETURNS TABLE (is_known boolean, is_wanted boolean, bridge_id bigint, status text)
LANGUAGE plpgsql STABLE ROWS 1 SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    held bigint;
BEGIN
    IF to_regclass('@extschema@.wab_tenants') IS NOT NULL THEN
        PERFORM set_config('search_path', @extschema@._wab_binding_path(), true);
        SELECT t.wanted, t.bridge_id::pg_catalog.int8 INTO is_wanted, held FROM @extschema@.wab_tenants t
        WHERE t.customer_ref OPERATOR(pg_catalog.=) _wab_serving_bridge.customer_ref
        -- Of two rows with one id the wanted one has the bridge.
        ORDER BY t.wanted DESC NULLS LAST LIMIT 1;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    END IF;
    IF EXISTS (SELECT FROM @extschema@.wab_declared d
               WHERE d.customer_ref = _wab_serving_bridge.customer_ref AND d.kind = 'extra') THEN
        is_wanted := true;
    END IF;
    SELECT b.bridge_id, b.status INTO bridge_id, status FROM @extschema@.wab_bridges b
    WHERE b.customer_ref = _wab_serving_bridge.customer_ref
      AND (NOT b.duplicated OR @extschema@._wab_serves(b.bridge_id, b.customer_ref, held));
    -- A tenant row that is not wanted has false.
    is_known := is_wanted IS NOT NULL;
    is_wanted := is_wanted IS TRUE;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_serving_bridge IS
    'One row: whether this tenant is known and wanted, and the live bridge that serves it, with its status; nulls if there '
    'is none.';

-- It runs all its look-ups for every link, so that the time does not tell why a link is dead.
CREATE FUNCTION @extschema@._wab_state_of_link(
    customer_ref text, bridge_id bigint, made_at timestamptz, valid_until timestamptz, revoked_at timestamptz)
RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
DECLARE
    serving    record;
    duplicated boolean;
    was_paired boolean;
BEGIN
    SELECT s.* INTO serving FROM @extschema@._wab_serving_bridge(customer_ref) s;
    -- The session of a customer_ref that several bridges carry is not asked.
    duplicated := EXISTS (SELECT FROM @extschema@.wab_bridges b WHERE b.customer_ref = customer_ref AND b.duplicated);
    was_paired := EXISTS (
        SELECT FROM @extschema@.wab_bridge_events e
        WHERE e.bridge_id = bridge_id AND e.at >= made_at AND e.at < coalesce(revoked_at, valid_until)
          AND e.event IN ('status', 'appeared') AND e.became = 'paired' AND e.customer_ref = customer_ref);
    RETURN CASE WHEN was_paired THEN 'paired'
                WHEN revoked_at IS NOT NULL THEN 'revoked'
                WHEN valid_until <= clock_timestamp() THEN 'expired'
                WHEN NOT serving.is_wanted THEN 'unwanted'
                WHEN duplicated OR serving.bridge_id IS DISTINCT FROM bridge_id THEN 'moved'
                -- The listing that found it paired was asked for before the link was made.
                WHEN serving.status = 'paired' THEN 'paired'
                ELSE 'usable' END;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_state_of_link IS 'wab_links.state, from the values of a row of wab_pairing_links.';

CREATE VIEW @extschema@.wab_links AS
SELECT l.link_id, l.customer_ref, l.bridge_id, l.made_at, l.made_by, l.valid_until,
       @extschema@._wab_state_of_link(l.customer_ref, l.bridge_id, l.made_at, l.valid_until, l.revoked_at) AS state,
       l.revoked_at, l.revoked_by
FROM @extschema@.wab_pairing_links l;

COMMENT ON VIEW @extschema@.wab_links IS
    'The pairing links that were made, one row each, and whether each still works. The links themselves are not stored.';
COMMENT ON COLUMN @extschema@.wab_links.link_id IS 'The link''s own id.';
COMMENT ON COLUMN @extschema@.wab_links.customer_ref IS 'The tenant''s id as text.';
COMMENT ON COLUMN @extschema@.wab_links.bridge_id IS 'The bridge that it pairs.';
COMMENT ON COLUMN @extschema@.wab_links.made_at IS 'When it was made.';
COMMENT ON COLUMN @extschema@.wab_links.made_by IS
    'The role (session_user) that called wab_pairing_link(), or user@host that ran wab.';
COMMENT ON COLUMN @extschema@.wab_links.valid_until IS 'When it expires.';
COMMENT ON COLUMN @extschema@.wab_links.state IS
    'usable; or why it no longer works: paired (the bridge was paired since), revoked, expired, unwanted (the tenant is no '
    'longer wanted), or moved (another bridge, or none, serves the tenant, or several carry its customer_ref).';
COMMENT ON COLUMN @extschema@.wab_links.revoked_at IS 'When it was revoked; null if it was not.';
COMMENT ON COLUMN @extschema@.wab_links.revoked_by IS 'Who revoked it, as in made_by; null if it was not revoked.';

-- Since PostgreSQL 15 a view can read with the rights of the caller; before 15 it reads with those of its owner.
DO $$
BEGIN
    IF pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.>=) 150000 THEN
        ALTER VIEW @extschema@.wab_links SET (security_invoker = true);
    END IF;
END
$$;

CREATE FUNCTION @extschema@._wab_link_state(link_id bigint) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$ SELECT l.state FROM @extschema@.wab_links l WHERE l.link_id = $1; $$;
COMMENT ON FUNCTION @extschema@._wab_link_state IS
    'The present wab_links.state of a link that was opened before; null if there is no such link.';

-- A token that no link has runs the same statements with values that nothing has.
CREATE FUNCTION @extschema@._wab_opened_link(token_sha256 bytea)
RETURNS TABLE (link_id bigint, customer_ref text, bridge_id bigint, valid_until timestamptz)
LANGUAGE plpgsql STABLE ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    opened @extschema@.wab_pairing_links;
    state  text;
BEGIN
    SELECT l.* INTO opened FROM @extschema@.wab_pairing_links l WHERE l.token_sha256 = _wab_opened_link.token_sha256;
    state := @extschema@._wab_state_of_link(
        coalesce(opened.customer_ref, encode(_wab_opened_link.token_sha256, 'hex')), coalesce(opened.bridge_id, 0),
        coalesce(opened.made_at, '-infinity'), coalesce(opened.valid_until, '-infinity'), opened.revoked_at);
    IF opened.link_id IS NOT NULL AND state = 'usable' THEN
        link_id := opened.link_id;
        customer_ref := opened.customer_ref;
        bridge_id := opened.bridge_id;
        valid_until := opened.valid_until;
        RETURN NEXT;
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_opened_link IS
    'The usable link whose token has this SHA-256; no row for any other token.';

CREATE FUNCTION @extschema@._wab_require_link_settings(valid_for interval) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    page text := (SELECT p.pairing_url FROM @extschema@.wab_policy p);
BEGIN
    IF valid_for IS NULL OR valid_for <= interval '0' OR valid_for > interval '30 days' THEN
        RAISE EXCEPTION USING ERRCODE = CASE WHEN valid_for IS NULL THEN '22004' ELSE '22023' END,
            MESSAGE = 'a pairing link is valid for more than 0 and at most 30 days',
            DETAIL = format('valid_for: %s', coalesce(valid_for::text, 'null')),
            HINT = 'No link was made. Name a time, such as: SELECT * FROM wab_pairing_link(''acme'', ''24 hours'');';
    ELSIF page IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'the address of the pairing page is not set',
            DETAIL = 'wab_policy.pairing_url is null. No link was made.',
            HINT = 'UPDATE wab_policy SET pairing_url = ''https://pair.example.com/p''; or in fleet.yaml: policy.pairing_url.';
    END IF;
    RETURN page;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_require_link_settings IS
    'wab_policy.pairing_url. Raises 55000 if it is null, and 22023 for a valid_for that is not positive or longer than 30 '
    'days.';

-- The token is never part of a statement: an assignment without a query is computed without one, so that neither
-- log_statement nor auto_explain nor pg_stat_activity shows it.
CREATE FUNCTION @extschema@._wab_make_links(customer_refs text[], valid_for interval, made_by text DEFAULT session_user)
RETURNS TABLE (customer_ref text, link text, valid_until timestamptz, refusal text, hint text, code text)
LANGUAGE plpgsql ROWS 100 SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
DECLARE
    page         constant text := @extschema@._wab_require_link_settings(valid_for);
    made_at      timestamptz;
    serving      record;
    token        text;
    token_sha256 bytea;
BEGIN
    PERFORM @extschema@._wab_require_binding();
    PERFORM @extschema@._wab_require_all_rows();
    FOREACH customer_ref IN ARRAY customer_refs LOOP
        link := NULL;
        valid_until := NULL;
        -- Before the look-up, so that a pairing that it does not see yet is later.
        made_at := clock_timestamp();
        SELECT s.* INTO serving FROM @extschema@._wab_serving_bridge(customer_ref) s;
        SELECT r.refusal, r.hint, r.code INTO refusal, hint, code FROM (VALUES
            (NOT @extschema@._wab_is_ours(customer_ref), 'this bridge belongs to another database',
             'Make the link in the database whose customer_refs match, or bind others here: '
             'SELECT * FROM wab_bind_tenants(customer_refs => ''...'');', '22023'),
            (NOT serving.is_known, 'no such tenant',
             'Check the spelling: SELECT tenant_id FROM wab_fleet;', '22023'),
            (NOT serving.is_wanted, 'this tenant is not wanted',
             'Change the tenant row first. A bridge of a tenant that is not wanted is reported as churned.', '55000'),
            (EXISTS (SELECT FROM @extschema@.wab_bridges b WHERE b.customer_ref = customer_ref AND b.duplicated),
             'several live bridges carry this customer_ref',
             'A pairing could reach any of them. Remove the duplicates first: SELECT * FROM wab_drift WHERE kind = ''duplicate'';',
             '55000'),
            (serving.bridge_id IS NULL, 'this tenant has no live bridge',
             'If it has one at the provider, observe the fleet first: SELECT * FROM wab_refresh(); or: wab apply.', '55000'),
            (serving.status = 'paired', 'the bridge of this tenant is paired already',
             'To pair another phone, log it out first: SELECT * FROM wab_logout(...); or: wab logout.', '55000')
        ) AS r(applies, refusal, hint, code) WHERE r.applies LIMIT 1;
        IF refusal IS NULL THEN
            -- 32 bytes with 244 random bits: gen_random_uuid() has 122 from the system's source of random numbers, and
            -- 6 fixed ones. In base64url, without padding, they are 43 characters.
            token := translate(rtrim(encode(
                sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'base64'), '='), '+/', '-_');
            token_sha256 := sha256(convert_to(token, 'UTF8'));
            -- A day of 24 hours, whatever the time zone.
            valid_until := made_at + make_interval(secs => extract(epoch FROM valid_for)::float8);
            INSERT INTO @extschema@.wab_pairing_links (token_sha256, customer_ref, bridge_id, made_at, made_by, valid_until)
            VALUES (token_sha256, customer_ref, serving.bridge_id, made_at, made_by, valid_until);
            link := page || '#' || token;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_make_links IS
    'Makes a pairing link for each of these tenants, in their order: the link, or why none was made, what to do, and the '
    'SQLSTATE. Called by wab_pairing_link() and wab link.';

CREATE FUNCTION @extschema@.wab_pairing_link(tenant_id text, valid_for interval DEFAULT '24 hours')
RETURNS TABLE (link text, valid_until timestamptz)
LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    made record;
BEGIN
    IF coalesce(tenant_id, '') = '' THEN
        RAISE EXCEPTION USING ERRCODE = CASE WHEN tenant_id IS NULL THEN '22004' ELSE '22023' END,
            MESSAGE = 'wab_pairing_link(): tenant_id may be neither null nor empty',
            HINT = 'Name the tenant, such as: SELECT * FROM wab_pairing_link(''acme'');';
    END IF;
    SELECT m.* INTO made FROM @extschema@._wab_make_links(ARRAY[tenant_id], valid_for) m;
    IF made.refusal IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = made.code, MESSAGE = made.refusal,
            DETAIL = format('tenant_id: %s. No link was made.', left(tenant_id, 200)), HINT = made.hint;
    END IF;
    link := made.link;
    valid_until := made.valid_until;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_pairing_link(text, interval) IS
    'Makes a link with which the tenant pairs the phone on the pairing page of wab serve. It is returned once and not stored. '
    'It works until valid_for (at most 30 days) is over, the bridge is paired or wab_revoke_pairing_links() revokes it, and '
    'while the same bridge serves the tenant and the tenant is wanted. Needs wab_policy.pairing_url.';

CREATE FUNCTION @extschema@.wab_pairing_link(tenant_id anynonarray, valid_for interval DEFAULT '24 hours')
RETURNS TABLE (link text, valid_until timestamptz)
LANGUAGE sql ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$ SELECT l.link, l.valid_until FROM @extschema@.wab_pairing_link($1::text, $2) l; $$;
COMMENT ON FUNCTION @extschema@.wab_pairing_link(anynonarray, interval) IS
    'wab_pairing_link() for tenant ids of another type, such as integer or uuid.';

-- A link that is dead for another reason is revoked too: it would work again if its tenant were wanted again.
CREATE FUNCTION @extschema@._wab_revoke_links(customer_ref text, revoked_by text DEFAULT session_user) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
DECLARE
    usable bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM @extschema@.wab_pairing_links l WHERE l.customer_ref = customer_ref) THEN
        PERFORM @extschema@._wab_require_tenant(customer_ref);
    END IF;
    WITH revoked AS (
        UPDATE @extschema@.wab_pairing_links l SET revoked_at = clock_timestamp(), revoked_by = revoked_by
        WHERE l.customer_ref = customer_ref AND l.revoked_at IS NULL AND l.valid_until > clock_timestamp()
        RETURNING l.bridge_id, l.made_at, l.valid_until
    )
    SELECT count(*) INTO usable FROM revoked r
    WHERE @extschema@._wab_state_of_link(customer_ref, r.bridge_id, r.made_at, r.valid_until, NULL) = 'usable';
    RETURN usable;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_revoke_links IS
    'Revokes the pairing links of this tenant. Returns how many of them were usable. Called by wab_revoke_pairing_links() '
    'and wab link.';

CREATE FUNCTION @extschema@.wab_revoke_pairing_links(tenant_id text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF coalesce(tenant_id, '') = '' THEN
        RAISE EXCEPTION USING ERRCODE = CASE WHEN tenant_id IS NULL THEN '22004' ELSE '22023' END,
            MESSAGE = 'wab_revoke_pairing_links(): tenant_id may be neither null nor empty',
            HINT = 'Name the tenant, such as: SELECT wab_revoke_pairing_links(''acme'');';
    END IF;
    RETURN @extschema@._wab_revoke_links(tenant_id);
END
$$;
COMMENT ON FUNCTION @extschema@.wab_revoke_pairing_links(text) IS
    'Revokes all pairing links of this tenant, now. Returns how many of them were usable.';

CREATE FUNCTION @extschema@.wab_revoke_pairing_links(tenant_id anynonarray) RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$ SELECT @extschema@.wab_revoke_pairing_links($1::text); $$;
COMMENT ON FUNCTION @extschema@.wab_revoke_pairing_links(anynonarray) IS
    'wab_revoke_pairing_links() for tenant ids of another type, such as integer or uuid.';
