-- Queues new tenants for provisioning (an outbox). An entry is written in the transaction that creates the tenant, or by a
-- scheduled job; wab apply or CALL wab_work_queue() calls the provider later.

CREATE FUNCTION @extschema@.wab_enqueue_provision(tenant_id text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF coalesce(tenant_id, '') = '' THEN
        RAISE EXCEPTION USING ERRCODE = CASE WHEN tenant_id IS NULL THEN '22004' ELSE '22023' END,
            MESSAGE = 'wab_enqueue_provision(): tenant_id may be neither null nor empty',
            HINT = 'Name the tenant, such as: SELECT wab_enqueue_provision(''acme'');';
    END IF;
    -- Until this transaction ends, no entry is refused: one that waits may be of this tenant, which it makes wanted.
    PERFORM pg_advisory_xact_lock_shared(@extschema@._wab_lock_id('queue'));
    INSERT INTO @extschema@.wab_queue (customer_ref) VALUES (tenant_id) ON CONFLICT DO NOTHING;
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_enqueue_provision(text) IS
    'Enqueues a tenant for its bridge, in this transaction. The provider is called later, and never if the transaction '
    'rolls back. Returns false if the tenant is waiting already.';

CREATE FUNCTION @extschema@.wab_enqueue_provision(tenant_id anynonarray) RETURNS boolean
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$ SELECT @extschema@.wab_enqueue_provision($1::text); $$;
COMMENT ON FUNCTION @extschema@.wab_enqueue_provision(anynonarray) IS
    'wab_enqueue_provision() for tenant ids of another type, such as integer or uuid.';

-- Enqueues where no trigger can: on a distributed table, or where another server writes the rows. The function reads the
-- drift first and enqueues then; in one statement, a distributed database could run the INSERT on a shard. A refused
-- tenant stays missing, so the function leaves it out for again_after.
CREATE FUNCTION @extschema@.wab_enqueue_missing(max_tenants integer DEFAULT 9, again_after interval DEFAULT '1 day')
RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
AS $$
DECLARE
    refs     text[];
    enqueued bigint;
BEGIN
    IF max_tenants IS NULL OR max_tenants < 0 OR again_after IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = 'wab_enqueue_missing(): max_tenants may be neither null nor negative, and again_after may not be null',
            HINT = 'SELECT wab_enqueue_missing(); or SELECT wab_enqueue_missing(max_tenants => 9, again_after => ''1 day'');';
    END IF;
    PERFORM @extschema@._wab_require_binding();
    PERFORM @extschema@._wab_require_all_rows();
    IF NOT EXISTS (SELECT FROM @extschema@.wab_observations) THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'the fleet was never observed, so no bridge is known to be missing',
            HINT = 'SELECT * FROM wab_refresh(); or run wab apply.';
    END IF;
    PERFORM set_config('search_path', @extschema@._wab_binding_path(), true);
    SELECT pg_catalog.array_agg(m.customer_ref) INTO refs FROM @extschema@.wab_missing_bridges m;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    INSERT INTO @extschema@.wab_queue (customer_ref)
    SELECT r.customer_ref FROM unnest(refs) AS r(customer_ref)
    WHERE r.customer_ref <> '' AND NOT EXISTS (
        SELECT FROM @extschema@.wab_queue q
        WHERE q.customer_ref = r.customer_ref
          AND (q.finished_at IS NULL OR q.finished_at > clock_timestamp() - again_after))
    ORDER BY r.customer_ref COLLATE "C" LIMIT max_tenants
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS enqueued = ROW_COUNT;
    RETURN enqueued;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_enqueue_missing IS
    'Enqueues wanted tenants that had no bridge at the last observation, at most max_tenants. It takes no tenant that waits '
    'already, and none whose entry was finished within again_after. Returns how many tenants it enqueued. Schedule it if your '
    'tenants table can have no signup trigger.';

-- For INSERT it runs once per statement, which is ten times as fast as once per row; the table new_rows holds the rows.
-- For UPDATE it runs per row, so that updates of tenants that have a bridge cost nothing; on a partitioned table it runs
-- per statement. It compares tenant_id, which has an index, and customer_ref, which is exact. A tenant that row-level security hides from the role that signs it up
-- is enqueued too: the worker sees all rows, and refuses an entry that is not wanted. So are all, if "wanted" fails for
-- one of them: a sign-up never fails because of it.
CREATE FUNCTION @extschema@._wab_enqueue_wanted() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    key      name := @extschema@._wab_bound_column('tenant_id');
    enqueue  constant text := 'INSERT INTO @extschema@.wab_queue (customer_ref)
        SELECT n.customer_ref
        FROM (SELECT k.id, k.id::pg_catalog.text COLLATE pg_catalog."C" AS customer_ref FROM (SELECT %s) AS k(id)) n
        LEFT JOIN @extschema@.wab_tenants t ON t.tenant_id OPERATOR(pg_catalog.=) n.id
             AND t.customer_ref OPERATOR(pg_catalog.=) n.customer_ref
        WHERE n.customer_ref OPERATOR(pg_catalog.<>) ''''
          AND CASE WHEN t.customer_ref IS NOT NULL THEN t.wanted AND t.bridge_id IS NULL
                   ELSE pg_catalog.row_security_active($1) END
        ON CONFLICT DO NOTHING';
    unseen   constant text := 'INSERT INTO @extschema@.wab_queue (customer_ref)
        SELECT k.id::pg_catalog.text FROM (SELECT %s) AS k(id) WHERE k.id::pg_catalog.text OPERATOR(pg_catalog.<>) ''''
        ON CONFLICT DO NOTHING';
    bridge   constant name := @extschema@._wab_bound_column('bridge_id');
    signed   text;
BEGIN
    -- As in wab_enqueue_provision().
    PERFORM pg_advisory_xact_lock_shared(@extschema@._wab_lock_id('queue'));
    IF key IS NULL THEN
        RAISE WARNING USING
            MESSAGE = format('the new rows of %s were not enqueued: no tenants table is bound', TG_RELID::regclass),
            HINT = format('SELECT * FROM wab_bind_tenants(); or DROP TRIGGER %I ON %s;', TG_NAME, TG_RELID::regclass);
        RETURN NULL;
    ELSIF NOT EXISTS (SELECT FROM pg_attribute a
                      WHERE a.attrelid = TG_RELID AND a.attname = key AND NOT a.attisdropped) THEN
        RAISE EXCEPTION USING ERRCODE = '55000',
            MESSAGE = format('trigger %I enqueues tenants, but %s is not the bound table: it has no column %I', TG_NAME,
                             TG_RELID::regclass, key),
            HINT = format('DROP TRIGGER %I ON %s; then again: wab sql signup | psql', TG_NAME, TG_RELID::regclass);
    END IF;
    signed := CASE TG_LEVEL WHEN 'STATEMENT' THEN format('r.%I FROM new_rows r WHERE r.%I IS NULL', key, bridge)
                            ELSE format('($2).%I WHERE ($2).%I IS NULL', key, bridge) END;
    BEGIN
        PERFORM set_config('search_path', @extschema@._wab_binding_path(), true);
        IF TG_LEVEL OPERATOR(pg_catalog.=) 'STATEMENT' THEN
            EXECUTE pg_catalog.format(enqueue, signed) USING TG_RELID;
        ELSE
            EXECUTE pg_catalog.format(enqueue, signed) USING TG_RELID, NEW;
        END IF;
    EXCEPTION WHEN OTHERS THEN
        IF SQLSTATE IN ('42501', '55P03') OR NOT @extschema@._wab_is_about_data(SQLSTATE) THEN
            RAISE;
        END IF;
        RAISE WARNING USING
            MESSAGE = format('all new rows of %s were enqueued: it cannot be read which of them are wanted', TG_RELID::regclass),
            DETAIL = @extschema@._wab_shown_message(SQLSTATE, SQLERRM),
            HINT = 'The worker of the queue refuses those that are not. SELECT * FROM wab_tenants shows the error.';
        IF TG_LEVEL = 'STATEMENT' THEN
            EXECUTE format(unseen, signed);
        ELSE
            EXECUTE format(unseen, signed) USING TG_RELID, NEW;
        END IF;
    END;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_enqueue_wanted IS
    'Trigger on the tenants table (sql/signup.sql): enqueues tenants that are wanted and have no bridge.';

CREATE FUNCTION @extschema@._wab_claim_queued(lease interval DEFAULT '5 minutes')
RETURNS TABLE (queue_id uuid, customer_ref text, webhook_url text, stored_bridge_id bigint, state text, error text)
LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_column
DECLARE
    claimed @extschema@.wab_queue;
    last_at timestamptz := '-infinity';
    last_id uuid := '00000000-0000-0000-0000-000000000000';
    settled boolean := false;
    message text;
    details text;
BEGIN
    PERFORM @extschema@._wab_require_recording();
    -- Each search goes on after the last entry: until the transaction ends, the index keeps those that it refused.
    LOOP
        UPDATE @extschema@.wab_queue q SET claimed_until = clock_timestamp() + lease, attempts = q.attempts + 1
        WHERE q.queue_id = (SELECT n.queue_id FROM @extschema@.wab_queue n
                            WHERE n.finished_at IS NULL AND (n.enqueued_at, n.queue_id) > (last_at, last_id)
                              -- No claim is longer than an hour: a later one is from a clock that was set back.
                              AND (n.claimed_until > clock_timestamp()
                                   AND n.claimed_until <= clock_timestamp() + interval '1 hour') IS NOT TRUE
                            ORDER BY n.enqueued_at, n.queue_id LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING q.* INTO claimed;
        EXIT WHEN claimed.queue_id IS NULL;
        last_at := claimed.enqueued_at;
        last_id := claimed.queue_id;
        LOOP
            BEGIN
                RETURN QUERY SELECT claimed.queue_id, claimed.customer_ref,
                    @extschema@._wab_wanted_webhook_url(claimed.customer_ref),
                    @extschema@._wab_stored_bridge_id(claimed.customer_ref), NULL, NULL;
                RETURN;
            -- The tenant is unknown or not wanted, so a later attempt would fail too.
            EXCEPTION WHEN invalid_parameter_value OR object_not_in_prerequisite_state THEN
                IF to_regclass('@extschema@.wab_tenants') IS NULL THEN
                    RAISE;
                ELSIF settled THEN
                    UPDATE @extschema@.wab_queue q
                    SET finished_at = clock_timestamp(), outcome = 'refused', claimed_until = NULL,
                        last_error = @extschema@._wab_shown_message(SQLSTATE, SQLERRM)
                    WHERE q.queue_id = claimed.queue_id;
                    EXIT;
                END IF;
            -- An expression of the binding fails for this tenant: the others are not held up.
            WHEN OTHERS THEN
                IF SQLSTATE = '55P03' OR NOT @extschema@._wab_is_about_data(SQLSTATE) THEN
                    RAISE;
                END IF;
                GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, details = PG_EXCEPTION_DETAIL;
                error := @extschema@._wab_shown_error(state, message, details);
                PERFORM @extschema@._wab_release_queued(claimed.queue_id, error);
                RETURN QUERY SELECT claimed.queue_id, claimed.customer_ref, NULL, NULL::bigint, state, error;
                RETURN;
            END;
            -- A transaction that enqueues tenants holds this lock shared, and may make this tenant wanted. If there is none,
            -- the worker looks once more; otherwise it leaves the entry for later.
            settled := pg_try_advisory_xact_lock(@extschema@._wab_lock_id('queue'));
            IF NOT settled THEN
                UPDATE @extschema@.wab_queue q SET claimed_until = NULL, attempts = q.attempts - 1
                WHERE q.queue_id = claimed.queue_id;
                EXIT;
            END IF;
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_claim_queued IS
    'Claims the oldest waiting entry of wab_queue that no other worker has claimed, for the duration of the lease; no '
    'row if there is none. An entry whose tenant row cannot be read is released, and returned with the error. Entries of '
    'tenants that are unknown or not wanted are finished as refused, unless another transaction is enqueuing tenants.';

CREATE FUNCTION @extschema@._wab_release_queued(queue_id uuid, error text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE @extschema@.wab_queue q
    SET last_error = error,
        claimed_until = clock_timestamp() + least(interval '1 hour',
            interval '30 seconds' * power(2, least(q.attempts, 10)))
    WHERE q.queue_id = _wab_release_queued.queue_id AND q.finished_at IS NULL;
$$;
COMMENT ON FUNCTION @extschema@._wab_release_queued IS
    'Stores why an entry of wab_queue failed. Its next attempt follows after 1 minute, then after twice as long each '
    'time, at most 1 hour.';
