-- Converts the tables of 0.2.0 to those of 0.3.0, and their rows.

-- While the upgrade runs, only PostgreSQL's own operators and functions are found.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE @extschema@.wab_tenant_binding
    ADD COLUMN grants jsonb NOT NULL DEFAULT '[]', ADD COLUMN views_source text,
    ADD COLUMN customer_refs text, ADD COLUMN disconnected_after text, ADD COLUMN awaiting_scan_after text,
    ADD COLUMN phone text;
ALTER TABLE @extschema@.wab_observations ADD COLUMN outside integer NOT NULL DEFAULT 0;
ALTER TABLE @extschema@.wab_jobs ADD COLUMN every interval, ADD COLUMN scheduled_at timestamptz;
ALTER TABLE @extschema@.wab_observations RENAME COLUMN digest TO listing_sha256;
UPDATE @extschema@.wab_operations SET kind = 'link' WHERE kind = 'bind';

-- Of several waiting entries of one tenant, the oldest stays.
DELETE FROM @extschema@.wab_queue q
WHERE q.finished_at IS NULL
  AND EXISTS (SELECT FROM @extschema@.wab_queue k
              WHERE k.customer_ref = q.customer_ref AND k.finished_at IS NULL
                AND (k.enqueued_at, k.queue_id) < (q.enqueued_at, q.queue_id));
ALTER TABLE @extschema@.wab_queue ADD CONSTRAINT wab_queue_waiting
    EXCLUDE USING hash (customer_ref WITH =) WHERE (finished_at IS NULL);

-- A publication of all tables refuses UPDATE and DELETE on a table without a key.
ALTER TABLE @extschema@.wab_bridge_events ADD COLUMN event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;
ALTER TABLE @extschema@.wab_drift_episodes ADD COLUMN episode_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                                           ADD COLUMN incident_id bigint;

ALTER TABLE @extschema@.wab_bridges ADD COLUMN status_listed boolean NOT NULL DEFAULT false,
                                    ADD COLUMN unpaired_since timestamptz;
-- A bridge that was paired once is unpaired since its status last changed from paired. Another one was never paired.
UPDATE @extschema@.wab_bridges b
SET unpaired_since = coalesce((SELECT max(e.at) FROM @extschema@.wab_bridge_events e
                               WHERE e.bridge_id = b.bridge_id AND e.event = 'status' AND e.was = 'paired'
                                 AND e.became <> 'paired'), b.first_seen_at)
WHERE b.status = 'awaiting_scan';
ALTER TABLE @extschema@.wab_bridge_events ADD COLUMN reported text;
-- The next listing is compared with all bridges, and sets status_listed.
UPDATE @extschema@.wab_observations SET mirrored = false WHERE mirrored;

-- The table of the policy becomes a view over it. The stored values stay, as settings that were changed.
DROP TRIGGER _wab_policy_replace ON @extschema@.wab_policy;
ALTER TABLE @extschema@.wab_policy RENAME TO _wab_policy;
ALTER TABLE @extschema@._wab_policy RENAME CONSTRAINT wab_policy_pkey TO _wab_policy_pkey;
ALTER TABLE @extschema@._wab_policy RENAME CONSTRAINT wab_policy_only_row_check TO _wab_policy_only_row_check;
ALTER TABLE @extschema@._wab_policy DROP CONSTRAINT wab_policy_price_per_bridge_check;
UPDATE @extschema@._wab_policy SET price_per_bridge = 3.00 WHERE price_per_bridge = 'NaN';
ALTER TABLE @extschema@._wab_policy ADD CHECK (price_per_bridge >= 0 AND price_per_bridge < 'NaN');
-- 0.2.0 took a negative grace, which reported at once, as 0 does.
UPDATE @extschema@._wab_policy
SET disconnected_after = greatest(disconnected_after, interval '0'),
    awaiting_scan_after = greatest(awaiting_scan_after, interval '0');
ALTER TABLE @extschema@._wab_policy ADD CHECK (disconnected_after >= interval '0'),
                                    ADD CHECK (awaiting_scan_after >= interval '0');
ALTER TABLE @extschema@._wab_policy RENAME CONSTRAINT wab_policy_max_shrink_check TO _wab_policy_max_shrink_check;
ALTER TABLE @extschema@._wab_policy
    ALTER COLUMN only_row DROP DEFAULT,
    ALTER COLUMN price_per_bridge DROP DEFAULT, ALTER COLUMN price_per_bridge DROP NOT NULL,
    ALTER COLUMN disconnected_after DROP DEFAULT, ALTER COLUMN disconnected_after DROP NOT NULL,
    ALTER COLUMN awaiting_scan_after DROP DEFAULT, ALTER COLUMN awaiting_scan_after DROP NOT NULL,
    ALTER COLUMN max_shrink DROP DEFAULT, ALTER COLUMN max_shrink DROP NOT NULL,
    ADD COLUMN unmapped_after interval CHECK (unmapped_after >= interval '0'),
    ADD COLUMN state_after interval CHECK (state_after >= interval '0'),
    ADD COLUMN max_gap interval CHECK (max_gap > interval '0'),
    ADD COLUMN flapping_changes integer CHECK (flapping_changes > 0),
    ADD COLUMN flapping_window interval CHECK (flapping_window > interval '0'),
    ADD COLUMN mass_share numeric(4,3) CHECK (mass_share BETWEEN 0 AND 1),
    ADD COLUMN mass_bridges integer CHECK (mass_bridges > 1),
    ADD COLUMN mass_window interval CHECK (mass_window > interval '0'),
    ADD COLUMN unobserved_after interval CHECK (unobserved_after > interval '0'),
    ADD COLUMN silent_after interval CHECK (silent_after >= interval '0'),
    ADD COLUMN phone_changed_for interval CHECK (phone_changed_for >= interval '0'),
    ADD COLUMN phones text CHECK (phones IN ('clear', 'hash')),
    ADD COLUMN pairing_url text CHECK (octet_length(pairing_url) <= 500 AND (pairing_url COLLATE "C") ~
        '^(https://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])|http://(localhost|127[.]0[.]0[.]1|\[::1\]))(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/p$'),
    ADD COLUMN board_url text CHECK (octet_length(board_url) <= 500 AND (board_url COLLATE "C") ~
        '^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?$');

ALTER TABLE @extschema@.wab_bridges ADD COLUMN state_since timestamptz;
UPDATE @extschema@.wab_bridges b
SET state_since = coalesce((SELECT max(e.at) FROM @extschema@.wab_bridge_events e
                            WHERE e.bridge_id = b.bridge_id AND e.event = 'state'), b.first_seen_at);

ALTER TABLE @extschema@.wab_bridge_events DROP CONSTRAINT wab_bridge_events_event_check,
    ADD CONSTRAINT wab_bridge_events_event_check
    CHECK (event IN ('appeared', 'disappeared', 'status', 'state', 'customer_ref', 'webhook'));
