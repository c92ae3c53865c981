-- Renames the columns and values of 0.2.0 that have other names in 0.3.0, and adds the new columns.

-- While the upgrade runs, only PostgreSQL's own operators and functions are found.
SET LOCAL search_path = pg_catalog, pg_temp;

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
ALTER TABLE @extschema@.wab_drift_episodes ADD COLUMN episode_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;
