SELECT q.customer_ref, q.enqueued_at, q.enqueued_by::pg_catalog.text AS enqueued_by, q.attempts, q.last_error, q.finished_at,
       coalesce(q.outcome, 'waiting') AS outcome
FROM @extschema@.wab_queue q
ORDER BY q.finished_at IS NOT NULL, CASE WHEN q.finished_at IS NULL THEN q.enqueued_at END, q.finished_at DESC, q.queue_id
LIMIT $1::pg_catalog.int8
