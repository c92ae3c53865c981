-- Creates the tables that record what was done, what drifted, and what waits, with a COMMENT for each column.

CREATE TABLE @extschema@.wab_runs (
    run_id      uuid PRIMARY KEY,
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    who         text NOT NULL,
    tool        text NOT NULL,
    git_sha     text,
    ci_url      text,
    plan_sha256 text,
    steps       integer NOT NULL,
    outcome     text CHECK (outcome IN ('done', 'partly', 'stopped'))
);

COMMENT ON TABLE @extschema@.wab_runs IS
    'One row per wab apply. A row without finished_at is a run in progress while a session holds the apply lock, and '
    'an interrupted run otherwise.';
COMMENT ON COLUMN @extschema@.wab_runs.run_id IS 'The run''s own id.';
COMMENT ON COLUMN @extschema@.wab_runs.started_at IS 'When it began.';
COMMENT ON COLUMN @extschema@.wab_runs.finished_at IS
    'When the run ended; null while it runs, and after it was killed.';
COMMENT ON COLUMN @extschema@.wab_runs.who IS 'user@host that ran it.';
COMMENT ON COLUMN @extschema@.wab_runs.tool IS 'Tool and version.';
COMMENT ON COLUMN @extschema@.wab_runs.git_sha IS 'The commit that CI ran it from; null outside of CI.';
COMMENT ON COLUMN @extschema@.wab_runs.ci_url IS 'The CI job that ran it; null outside of CI.';
COMMENT ON COLUMN @extschema@.wab_runs.plan_sha256 IS 'The SHA-256 that wab plan showed for this plan.';
COMMENT ON COLUMN @extschema@.wab_runs.steps IS 'Steps that the plan had.';
COMMENT ON COLUMN @extschema@.wab_runs.outcome IS
    'done: every step succeeded. partly: some steps failed, or no longer fitted; run again. stopped: the run ended early; run again.';

CREATE TABLE @extschema@.wab_operations (
    run_id       uuid NOT NULL REFERENCES @extschema@.wab_runs ON DELETE CASCADE,
    step         integer NOT NULL,
    kind         text NOT NULL,
    customer_ref text,
    bridge_id    bigint,
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at  timestamptz,
    outcome      text CHECK (outcome IN ('done', 'failed', 'unknown')),
    detail       text,
    PRIMARY KEY (run_id, step)
);

COMMENT ON TABLE @extschema@.wab_operations IS
    'One row per step of a run, written before and after each call to the provider.';
COMMENT ON COLUMN @extschema@.wab_operations.run_id IS 'The run it belongs to.';
COMMENT ON COLUMN @extschema@.wab_operations.step IS 'Its number in the plan, from 1.';
COMMENT ON COLUMN @extschema@.wab_operations.kind IS 'unlink, link, set_status, provision or delete.';
COMMENT ON COLUMN @extschema@.wab_operations.customer_ref IS
    'The bridge''s customer_ref; null where one statement covers many rows.';
COMMENT ON COLUMN @extschema@.wab_operations.bridge_id IS 'The bridge, once known.';
COMMENT ON COLUMN @extschema@.wab_operations.started_at IS 'Written before the call.';
COMMENT ON COLUMN @extschema@.wab_operations.finished_at IS
    'Written after the call; null if the run was interrupted before that.';
COMMENT ON COLUMN @extschema@.wab_operations.outcome IS
    'done, failed, or unknown (the request was sent and no usable answer came).';
COMMENT ON COLUMN @extschema@.wab_operations.detail IS 'The error, or a description of the change.';

CREATE TABLE @extschema@.wab_summaries (
    logged_at      timestamptz PRIMARY KEY DEFAULT clock_timestamp(),
    observed_at    timestamptz,
    bridges        bigint NOT NULL,
    paired         bigint NOT NULL,
    awaiting_scan  bigint NOT NULL,
    disconnected   bigint NOT NULL,
    unknown        bigint NOT NULL,
    orphaned       bigint NOT NULL,
    churned        bigint NOT NULL,
    missing        bigint NOT NULL,
    monthly_cost   numeric(12,2) NOT NULL,
    monthly_waste  numeric(12,2) NOT NULL
);

COMMENT ON TABLE @extschema@.wab_summaries IS
    'The rows that wab_log_summary() logged: the columns of wab_summary(), and the time.';
COMMENT ON COLUMN @extschema@.wab_summaries.logged_at IS 'When it was logged.';
COMMENT ON COLUMN @extschema@.wab_summaries.observed_at IS 'The time of the observation that is summarized.';
COMMENT ON COLUMN @extschema@.wab_summaries.bridges IS 'Live bridges.';
COMMENT ON COLUMN @extschema@.wab_summaries.paired IS 'Of these, paired.';
COMMENT ON COLUMN @extschema@.wab_summaries.awaiting_scan IS 'Of these, waiting for the QR code to be scanned.';
COMMENT ON COLUMN @extschema@.wab_summaries.disconnected IS 'Of these, disconnected.';
COMMENT ON COLUMN @extschema@.wab_summaries.unknown IS 'Of these, with a status that is not known.';
COMMENT ON COLUMN @extschema@.wab_summaries.orphaned IS 'Live bridges that no tenant owns.';
COMMENT ON COLUMN @extschema@.wab_summaries.churned IS 'Live bridges of tenants that are no longer wanted.';
COMMENT ON COLUMN @extschema@.wab_summaries.missing IS 'Wanted tenants with no live bridge.';
COMMENT ON COLUMN @extschema@.wab_summaries.monthly_cost IS 'US dollars per month for all live bridges.';
COMMENT ON COLUMN @extschema@.wab_summaries.monthly_waste IS
    'US dollars per month for orphaned, churned and duplicate bridges.';

CREATE TABLE @extschema@.wab_drift_episodes (
    kind         text NOT NULL,
    subject      text NOT NULL,
    bridge_id    bigint,
    customer_ref text,
    wasted       boolean NOT NULL,
    began_at     timestamptz NOT NULL,
    ended_at     timestamptz CHECK (ended_at >= began_at),
    episode_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident_id  bigint
);
CREATE INDEX wab_drift_episodes_open ON @extschema@.wab_drift_episodes USING hash (subject) WHERE ended_at IS NULL;
CREATE INDEX wab_drift_episodes_lasting ON @extschema@.wab_drift_episodes (began_at) WHERE ended_at IS NULL;
CREATE INDEX wab_drift_episodes_ended ON @extschema@.wab_drift_episodes (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX wab_drift_episodes_past ON @extschema@.wab_drift_episodes USING hash (subject) WHERE ended_at IS NOT NULL;
CREATE INDEX wab_drift_episodes_incident ON @extschema@.wab_drift_episodes (coalesce(incident_id, episode_id));

COMMENT ON TABLE @extschema@.wab_drift_episodes IS
    'How long each drift lasted: one row per episode, from the first refresh that found the drift to the first that '
    'did not. Written by _wab_record_drift() and _wab_note_drift().';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.kind IS 'The kind of drift, as in wab_drift.';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.subject IS
    'The bridge_id as text, or the customer_ref if there is no bridge.';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.bridge_id IS 'The live bridge; null when there was none.';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.customer_ref IS 'The customer_ref when it began.';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.wasted IS
    'Whether the account paid for a bridge that no tenant needs. wab_costs counts these.';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.began_at IS 'When the drift was first found.';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.ended_at IS 'When the drift was no longer found; null while it lasts.';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.episode_id IS 'The row''s own id.';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.incident_id IS
    'The first episode of the incident to which this one belongs; null if it is the first. See wab_incidents.';

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
    CHECK ((finished_at IS NULL) = (outcome IS NULL)),
    -- One waiting entry per tenant. Not a unique index: a btree refuses customer_refs of more than about 2,700 bytes.
    CONSTRAINT wab_queue_waiting EXCLUDE USING hash (customer_ref WITH =) WHERE (finished_at IS NULL)
);
CREATE INDEX wab_queue_order ON @extschema@.wab_queue (enqueued_at, queue_id) WHERE finished_at IS NULL;

COMMENT ON TABLE @extschema@.wab_queue IS
    'Tenants waiting for their bridge, as enqueued by wab_enqueue_provision() in the transaction that created them. '
    'Worked off by CALL wab_work_queue() or wab apply.';
COMMENT ON COLUMN @extschema@.wab_queue.queue_id IS 'The entry''s own id.';
COMMENT ON COLUMN @extschema@.wab_queue.customer_ref IS 'The tenant''s id as text.';
COMMENT ON COLUMN @extschema@.wab_queue.enqueued_at IS 'When it was enqueued.';
COMMENT ON COLUMN @extschema@.wab_queue.enqueued_by IS 'The role that enqueued it.';
COMMENT ON COLUMN @extschema@.wab_queue.attempts IS 'How often a worker claimed it.';
COMMENT ON COLUMN @extschema@.wab_queue.claimed_until IS
    'No worker claims the entry before this time: one is processing it, or it failed and waits for its next attempt.';
COMMENT ON COLUMN @extschema@.wab_queue.last_error IS 'Why the last attempt failed.';
COMMENT ON COLUMN @extschema@.wab_queue.finished_at IS 'When it was provisioned or refused; null while it waits.';
COMMENT ON COLUMN @extschema@.wab_queue.outcome IS
    'provisioned: the tenant has its bridge. refused: the tenant is unknown, not wanted or renamed, see last_error.';

CREATE TABLE @extschema@.wab_jobs (
    job            text PRIMARY KEY,
    succeeded_at   timestamptz,
    failed_at      timestamptz,
    failures       integer NOT NULL DEFAULT 0,
    sqlstate       text,
    error          text,
    every          interval,
    scheduled_at   timestamptz
);

COMMENT ON TABLE @extschema@.wab_jobs IS
    'Results of the scheduled jobs: one row per job of sql/cron.sql, written by wab_run_job() and wab_work_queue(). '
    'Delete the row of a job that you no longer schedule.';
COMMENT ON COLUMN @extschema@.wab_jobs.job IS 
    'reconcile, work_queue, alerts, summary or prune: the names in pg_cron without wab-, with _ for -.';
COMMENT ON COLUMN @extschema@.wab_jobs.succeeded_at IS 'When it last succeeded.';
COMMENT ON COLUMN @extschema@.wab_jobs.failed_at IS 'When it last failed.';
COMMENT ON COLUMN @extschema@.wab_jobs.failures IS 'Failures in a row; 0 after a success.';
COMMENT ON COLUMN @extschema@.wab_jobs.sqlstate IS 'The SQLSTATE of its last failure.';
COMMENT ON COLUMN @extschema@.wab_jobs.error IS 'The message and detail of its last failure.';
COMMENT ON COLUMN @extschema@.wab_jobs.every IS
    'How often it shall run, as sql/cron.sql scheduled it; null if that is unknown. wab_status shows a job that does not.';
COMMENT ON COLUMN @extschema@.wab_jobs.scheduled_at IS 'When sql/cron.sql scheduled it last.';
