WITH expected AS MATERIALIZED (
    SELECT w.customer_ref, w.kind, w.reason, w.until,
           CASE WHEN w.kind <> 'extra' THEN NULL
                -- Without a webhook_url in fleet.yaml the stored one stays.
                WHEN $7 THEN (SELECT d.webhook_url FROM @extschema@.wab_declared d
                              WHERE d.customer_ref = w.customer_ref AND d.kind = 'extra')
                ELSE replace($5, $6, @extschema@.wab_url_encode(w.customer_ref)) END AS webhook_url
    FROM unnest($1::text[], $2::text[], $3::text[], $4::date[]) AS w(customer_ref, kind, reason, until)
), gone AS (
    DELETE FROM @extschema@.wab_declared d
    WHERE NOT EXISTS (SELECT FROM expected w WHERE w.customer_ref = d.customer_ref)
    RETURNING d.customer_ref, d.kind, d.until, d.webhook_url
), written AS (
    INSERT INTO @extschema@.wab_declared AS d (customer_ref, kind, reason, until, webhook_url)
    SELECT w.customer_ref, w.kind, w.reason, w.until, w.webhook_url FROM expected w
    ON CONFLICT (customer_ref) DO UPDATE
    SET kind = excluded.kind, reason = excluded.reason, until = excluded.until,
        webhook_url = excluded.webhook_url
    WHERE (d.kind, d.reason, d.until, d.webhook_url)
          IS DISTINCT FROM (excluded.kind, excluded.reason, excluded.until, excluded.webhook_url)
    RETURNING d.customer_ref, d.kind, d.until, d.webhook_url
)
-- As JSON, a date has one text in every session, and infinity has one too.
SELECT c.customer_ref, c.kind, to_json(c.until) #>> '{}' AS until, @extschema@._wab_hidden_url(c.webhook_url) AS webhook_url, c.is_written
FROM (SELECT w.*, true AS is_written FROM written w UNION ALL SELECT g.*, false FROM gone g) c
ORDER BY c.customer_ref COLLATE "C"
