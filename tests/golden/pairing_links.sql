-- Tests pairing links: for whom one is made, when each dies, and what is stored of it.
CREATE EXTENSION pg_wabridges;
CREATE TABLE tenants (id text PRIMARY KEY, active boolean NOT NULL DEFAULT true, bridge_id bigint, bridge_status text);
INSERT INTO tenants (id, bridge_id) VALUES ('new', 1), ('down', 2), ('well', 3), ('gone', 4), ('none', NULL), ('twice', 6);
UPDATE tenants SET active = false WHERE id = 'gone';
\set state 'SELECT l.customer_ref, l.bridge_id, l.state, l.revoked_by = session_user AS revoked, (SELECT count(*) FROM wab_pairing_links p, _wab_opened_link(p.token_sha256) WHERE p.link_id = l.link_id) AS opens FROM wab_links l ORDER BY l.link_id'
-- The address of the page is needed, and is one to which a token can be added.
SELECT wab_pairing_link('new');
DO $$
DECLARE
    url text;
BEGIN
    FOREACH url IN ARRAY ARRAY['https://pair.example.com', 'https://pair.example.com:8443/a/b?x=1', 'http://localhost:8788/p',
        'http://127.0.0.1/p', 'http://[::1]:1/p', 'https://[2001:db8::1]/p', 'https://x/' || repeat('p', 488) || '/p',
        'https://x/' || repeat('p', 489) || '/p', 'https://pair.example.com:8443/a/b/p', 'https://x/p/', '', 'pair.example.com', 'http://pair.example.com', 'http://localhost.example.com/p',
        'ftp://localhost/p', 'https://', 'https:///p', 'https://[]/p', 'https://x:y/p', 'https://me:pw@x/p', 'https://x/p#t',
        'https://x/a b', E'https://x/\n', 'https://x/"', U&'https://p\00E4r.example.com/p', 'HTTPS://x/p'] LOOP
        BEGIN
            UPDATE wab_policy SET pairing_url = url;
            RAISE NOTICE 'taken: %', left(url, 40);
        EXCEPTION WHEN check_violation THEN
            RAISE NOTICE 'refused: %', left(url, 40);
        END;
    END LOOP;
END
$$;
UPDATE wab_policy SET pairing_url = 'https://pair.example.com/p';
SELECT wab_pairing_link('new');
SELECT FROM wab_bind_tenants('tenants', wanted => 'active');
SELECT bridges FROM wab_observe('{1,2,3,4,6}', '{new,down,well,gone,twice}', array_fill('running'::text, '{5}'),
    '{qr,disconnected,connected,qr,qr}', array_fill(now() - interval '9 days', '{5}'));
-- A link is the address, # and 43 characters; the token's SHA-256 is what is stored, and finds the link.
SELECT link, valid_until FROM wab_pairing_link('new') \gset
SELECT regexp_replace(:'link', '#[A-Za-z0-9_-]{43}$', '#TOKEN') AS link, :'valid_until'::timestamptz - now() BETWEEN '23:59' AND '24:00:00' AS a_day;
SELECT customer_ref, bridge_id, valid_until = :'valid_until' AS until FROM _wab_opened_link(sha256(convert_to(split_part(:'link', '#', 2), 'UTF8')));
SELECT count(DISTINCT link) FROM generate_series(1, 3) AS n, wab_pairing_link('new', make_interval(hours => n));
SELECT made_by = session_user AS by_whom, round(extract(epoch FROM valid_until - made_at)) AS seconds FROM wab_links ORDER BY link_id DESC LIMIT 1;
SELECT count(*) FROM wab_pairing_link('down', '30 days'), wab_pairing_link('twice', '1 month') t;
SELECT count(*) FROM _wab_opened_link(sha256('nobody')), _wab_opened_link(NULL) n;
SELECT _wab_link_state(1), _wab_link_state(99);
-- Refused, each for its reason; nothing is stored.
SELECT count(*) FROM wab_links;
SELECT wab_pairing_link(NULL::text);
SELECT wab_pairing_link('');
SELECT wab_pairing_link('nobody');
SELECT wab_pairing_link('gone');
SELECT wab_pairing_link('none');
SELECT wab_pairing_link('well');
INSERT INTO wab_bridges (bridge_id, customer_ref, first_seen_at, status, duplicated) VALUES (7, 'twice', now(), 'awaiting_scan', true);
UPDATE wab_bridges SET duplicated = true WHERE bridge_id = 6;
SELECT wab_pairing_link('twice');
SELECT wab_pairing_link(42);
SELECT wab_pairing_link('new', '0');
SELECT wab_pairing_link('new', '-1 hour');
SELECT wab_pairing_link('new', '31 days');
SELECT wab_pairing_link('new', '1000000 years');
SELECT wab_pairing_link('new', NULL);
SELECT count(*) FROM wab_links;
-- Many at once: a tenant that is refused is a row, in its place.
SELECT customer_ref, link ~ '^https://pair.example.com/p#.{43}$' AS link, valid_until > now() AS valid, refusal, code
FROM _wab_make_links('{down,nobody,gone,none,well,twice,new}', '1 hour', 'kim@desk');
SELECT made_by, count(*) FROM wab_links WHERE made_by = 'kim@desk' GROUP BY 1;
DELETE FROM wab_pairing_links;
-- An extra has no tenant row. Its bridge is one of this database.
INSERT INTO wab_declared VALUES ('ops', 'extra', 'our own alerts');
INSERT INTO wab_bridges (bridge_id, customer_ref, first_seen_at, status) VALUES (8, 'ops', now(), 'awaiting_scan');
SELECT count(*) FROM wab_pairing_link('ops');
UPDATE wab_tenant_binding SET customer_refs = 'new|down|twice';
SELECT wab_pairing_link('ops');
UPDATE wab_tenant_binding SET customer_refs = NULL;
-- Each way to die. The session of a duplicated customer_ref cannot be asked.
DELETE FROM wab_pairing_links;
DELETE FROM wab_bridges WHERE bridge_id = 7;
UPDATE wab_bridges SET duplicated = false;
SELECT count(*) FROM (VALUES ('new'), ('down'), ('twice'), ('ops')) AS t(id), wab_pairing_link(t.id);
:state;
UPDATE tenants SET active = false WHERE id = 'new';
INSERT INTO wab_bridges (bridge_id, customer_ref, first_seen_at, duplicated) VALUES (7, 'twice', now(), true);
UPDATE wab_bridges SET duplicated = true WHERE bridge_id = 6;
DELETE FROM wab_declared;
UPDATE wab_pairing_links SET valid_until = made_at + interval '1 microsecond' WHERE customer_ref = 'down';
:state;
UPDATE tenants SET active = true WHERE id = 'new';
DELETE FROM wab_bridges WHERE bridge_id = 7;
UPDATE wab_bridges SET duplicated = false;
UPDATE wab_pairing_links SET valid_until = made_at + interval '1 hour' WHERE customer_ref = 'down';
SELECT _wab_record_session('new', 'connected');
:state;
-- A pairing kills it for good, whatever follows. A pairing before the link was made, after it expired, or under another customer_ref is none.
SELECT _wab_record_session('new', 'disconnected');
INSERT INTO wab_bridge_events (at, bridge_id, customer_ref, event, was, became) VALUES
    (now() - interval '1 day', 2, 'down', 'status', 'unknown', 'paired'), (now() + interval '2 hours', 2, 'down', 'status', 'unknown', 'paired'),
    (clock_timestamp(), 2, 'other', 'status', 'unknown', 'paired'), (clock_timestamp(), 2, 'down', 'customer_ref', 'other', 'paired');
:state;
-- A listing that was asked for before the link was made, and found the bridge paired.
UPDATE wab_bridges SET status = 'paired' WHERE bridge_id = 2;
:state;
UPDATE wab_bridges SET status = 'disconnected' WHERE bridge_id = 2;
-- Revoking counts the usable ones, and revokes those too that are dead for now.
SELECT wab_revoke_pairing_links('down'), wab_revoke_pairing_links('down'), wab_revoke_pairing_links('new'), wab_revoke_pairing_links('ops');
:state;
SELECT count(*) FROM wab_pairing_link('new'), wab_pairing_link('new') again;
SELECT _wab_revoke_links('new', 'kim@desk'), max(revoked_by) FROM wab_links WHERE customer_ref = 'none';
SELECT max(revoked_by), count(*) FROM wab_links WHERE state = 'revoked' AND customer_ref = 'new';
SELECT wab_revoke_pairing_links('none'), wab_revoke_pairing_links('nobody');
SELECT wab_revoke_pairing_links(NULL::text);
SELECT wab_revoke_pairing_links('');
SELECT wab_revoke_pairing_links(42);
SELECT event, bridge_id, by_whom = session_user AS mine FROM wab_tenant_history('down') WHERE event LIKE 'pairing%';
-- Pruning leaves a usable link, however old.
UPDATE wab_pairing_links SET made_at = made_at - interval '3 days';
SELECT wab_prune_history('2 days') > 0 AS deleted;
:state;
-- Without the tenants table only an extra is wanted.
SELECT wab_unbind_tenants();
:state;
SELECT wab_pairing_link('new');
