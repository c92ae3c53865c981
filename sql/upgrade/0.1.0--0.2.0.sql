-- The tables of 0.1.0 become those of 0.2.0. The functions and views are replaced by whoever runs this.

-- While it runs, PostgreSQL's own operators and functions are found and nobody else's.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE @extschema@.wab_bridge_events ADD COLUMN since timestamptz;
ALTER TABLE @extschema@.wab_observations ADD COLUMN statuses integer NOT NULL DEFAULT 0;
ALTER TABLE @extschema@.wab_observations ADD COLUMN mirrored boolean NOT NULL DEFAULT false;
ALTER TABLE @extschema@.wab_observations ADD COLUMN answer_digest text;
-- Since when a bridge that is gone had lived was not noted: since it was first seen, as far as there is history.
UPDATE @extschema@.wab_bridge_events e
SET since = (SELECT pg_catalog.max(a.at) FROM @extschema@.wab_bridge_events a
             WHERE a.bridge_id OPERATOR(pg_catalog.=) e.bridge_id AND a.event OPERATOR(pg_catalog.=) 'appeared'
               AND a.at OPERATOR(pg_catalog.<=) e.at)
WHERE e.event OPERATOR(pg_catalog.=) ANY ('{appeared,disappeared}'::pg_catalog.text[]);
COMMENT ON TABLE @extschema@.wab_bridge_events IS 'History of the fleet: one row per change that was observed. wab_status_history shows it as spans.';
COMMENT ON COLUMN @extschema@.wab_bridge_events.became IS 'The value after; null for disappeared. A status event that a webhook repeats has was = became.';
COMMENT ON COLUMN @extschema@.wab_bridge_events.since IS 'For appeared and disappeared: since when the bridge has lived, by its created_at or by when it was first seen. Otherwise null.';
COMMENT ON COLUMN @extschema@.wab_observations.digest IS 'SHA-256 (hex) over the listing, by who stored it: equal digests, equal listings.';
COMMENT ON COLUMN @extschema@.wab_observations.statuses IS 'Listed bridges that came with a status.';
COMMENT ON COLUMN @extschema@.wab_observations.mirrored IS 'Of the newest one: true while wab_bridges says what this listing said, so that storing an equal listing again would change nothing.';
COMMENT ON COLUMN @extschema@.wab_observations.answer_digest IS 'SHA-256 (hex) over the provider''s answer as it came, and the version that read it: an equal answer need not be read again. Null: not known.';
CREATE TABLE @extschema@.wab_drift_episodes (
    kind         text NOT NULL,
    subject      text NOT NULL,
    bridge_id    bigint,
    customer_ref text,
    began_at     timestamptz NOT NULL,
    ended_at     timestamptz CHECK (ended_at >= began_at)
);
CREATE INDEX wab_drift_episodes_open ON @extschema@.wab_drift_episodes USING hash (subject) WHERE ended_at IS NULL;
CREATE INDEX wab_drift_episodes_lasting ON @extschema@.wab_drift_episodes (began_at) WHERE ended_at IS NULL;
CREATE INDEX wab_drift_episodes_ended ON @extschema@.wab_drift_episodes (ended_at) WHERE ended_at IS NOT NULL;
COMMENT ON TABLE @extschema@.wab_drift_episodes IS 'How long each drift lasted: one row from when wab_refresh() or wab first saw it until it was gone. Written by wab_record_drift().';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.kind IS 'The kind of drift, as in wab_drift.';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.subject IS 'What drifted: the bridge_id as text, or the customer_ref where there is no bridge.';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.bridge_id IS 'The live bridge; null when there was none.';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.customer_ref IS 'The customer_ref when it began.';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.began_at IS 'When it was first seen.';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.ended_at IS 'When it was no longer seen; null: it still lasts.';
CREATE TABLE @extschema@.wab_queue (
    queue_id      uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    customer_ref  text NOT NULL CHECK (customer_ref <> ''),
    enqueued_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    enqueued_by   name NOT NULL DEFAULT session_user,
    attempts      integer NOT NULL DEFAULT 0,
    claimed_until timestamptz,
    last_error    text,
    finished_at   timestamptz,
    outcome       text CHECK (outcome IN ('provisioned', 'refused')),
    CHECK ((finished_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX wab_queue_pending ON @extschema@.wab_queue USING hash (customer_ref) WHERE finished_at IS NULL;
COMMENT ON TABLE @extschema@.wab_queue IS 'Tenants waiting for their bridge, as enqueued by wab_enqueue_provision() in the transaction that created them. Worked off by CALL wab_work_queue() or wab apply.';
COMMENT ON COLUMN @extschema@.wab_queue.queue_id IS 'The entry''s own id.';
COMMENT ON COLUMN @extschema@.wab_queue.customer_ref IS 'The tenant''s id as text.';
COMMENT ON COLUMN @extschema@.wab_queue.enqueued_at IS 'When it was enqueued.';
COMMENT ON COLUMN @extschema@.wab_queue.enqueued_by IS 'The role that enqueued it.';
COMMENT ON COLUMN @extschema@.wab_queue.attempts IS 'How often a worker took it up.';
COMMENT ON COLUMN @extschema@.wab_queue.claimed_until IS 'No worker takes it up before: one is at it, or it failed and waits for its next attempt.';
COMMENT ON COLUMN @extschema@.wab_queue.last_error IS 'Why the last attempt failed.';
COMMENT ON COLUMN @extschema@.wab_queue.finished_at IS 'When it was done with; null: still waiting.';
COMMENT ON COLUMN @extschema@.wab_queue.outcome IS 'provisioned: the tenant has its bridge. refused: the tenant is unknown or not wanted, see last_error.';
CREATE TABLE @extschema@.wab_jobs (
    job            text PRIMARY KEY,
    succeeded_at   timestamptz,
    failed_at      timestamptz,
    failures       integer NOT NULL DEFAULT 0,
    sqlstate       text,
    error          text
);
COMMENT ON TABLE @extschema@.wab_jobs IS 'How the scheduled jobs do: one row per job of sql/cron.sql, written by wab_run_job() and wab_work_queue().';
COMMENT ON COLUMN @extschema@.wab_jobs.job IS 'Its name, for instance refresh, poll_status or work_queue.';
COMMENT ON COLUMN @extschema@.wab_jobs.succeeded_at IS 'When it last succeeded.';
COMMENT ON COLUMN @extschema@.wab_jobs.failed_at IS 'When it last failed.';
COMMENT ON COLUMN @extschema@.wab_jobs.failures IS 'How often in a row it failed; 0 when it succeeded last.';
COMMENT ON COLUMN @extschema@.wab_jobs.sqlstate IS 'The SQLSTATE of its last failure.';
COMMENT ON COLUMN @extschema@.wab_jobs.error IS 'What its last failure said.';
