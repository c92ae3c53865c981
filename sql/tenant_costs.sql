-- Creates wab_tenant_costs(): a month of wab_costs by tenant.

CREATE FUNCTION @extschema@.wab_tenant_costs(month date DEFAULT (now() AT TIME ZONE 'UTC')::date)
RETURNS TABLE (customer_ref text, bridges bigint, bridge_days numeric, cost numeric, wasted_days numeric, waste numeric)
LANGUAGE plpgsql STABLE ROWS 3000 SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    asked date;
    price numeric := (SELECT p.price_per_bridge FROM @extschema@.wab_policy p);
BEGIN
    IF month IS NULL OR NOT isfinite(month) OR month > make_date(9999, 12, 31) THEN
        RAISE EXCEPTION USING ERRCODE = CASE WHEN month IS NULL THEN '22004' ELSE '22023' END,
            MESSAGE = 'wab_tenant_costs(): month must be a day of the month, at most of the year 9999',
            DETAIL = format('month: %s', coalesce(month::text, 'null')),
            HINT = 'SELECT * FROM wab_tenant_costs(''2026-03-01'');';
    END IF;
    asked := date_trunc('month', month::timestamp)::date;
    -- Each tenant's amounts are rounded down to hundredths; what is then left of the fleet's amount goes, a hundredth
    -- each, to the tenants that lost most. The part that was wasted is rounded apart from the rest, so that it is never
    -- more than the whole.
    RETURN QUERY
    WITH tenant AS (
        SELECT t.customer_ref COLLATE "C" AS customer_ref, count(DISTINCT t.bridge_id) AS bridges, max(t.month_seconds) AS month_seconds,
               sum(CASE WHEN t.wasted THEN -t.seconds ELSE t.seconds END) AS needed,
               sum(t.seconds * t.wasted::integer) AS wasted
        FROM @extschema@._wab_paid_times t WHERE t.month = asked GROUP BY 1
    ), amount AS (
        SELECT t.customer_ref, t.bridges, a.kind, a.hundredths, floor(a.hundredths) AS whole
        FROM tenant t
        CROSS JOIN LATERAL (VALUES ('needed_days', t.needed / 864), ('wasted_days', t.wasted / 864),
            ('needed', price * 100 * t.needed / t.month_seconds),
            ('wasted', price * 100 * t.wasted / t.month_seconds)) AS a(kind, hundredths)
        WHERE a.hundredths > 0 OR a.kind = 'needed_days'
    ), fleet AS (
        SELECT f.kind, f.hundredths
        FROM @extschema@.wab_costs c
        CROSS JOIN LATERAL (VALUES ('needed_days', 100 * (c.bridge_days - c.wasted_days)),
            ('wasted_days', 100 * c.wasted_days), ('needed', 100 * (c.cost - c.waste)),
            ('wasted', 100 * c.waste)) AS f(kind, hundredths)
        WHERE c.month = asked
    ), rounded AS (
        SELECT a.customer_ref, a.bridges, a.kind,
               a.whole + (row_number() OVER (PARTITION BY a.kind ORDER BY a.hundredths - a.whole DESC, a.customer_ref)
                          <= f.hundredths - sum(a.whole) OVER (PARTITION BY a.kind))::integer AS hundredths
        FROM amount a JOIN fleet f ON f.kind = a.kind
    )
    SELECT r.customer_ref::text, max(r.bridges),
           round(sum(r.hundredths) FILTER (WHERE r.kind IN ('needed_days', 'wasted_days')) / 100, 2),
           round(coalesce(sum(r.hundredths) FILTER (WHERE r.kind IN ('needed', 'wasted')), 0) / 100, 2),
           round(coalesce(sum(r.hundredths) FILTER (WHERE r.kind = 'wasted_days'), 0) / 100, 2),
           round(coalesce(sum(r.hundredths) FILTER (WHERE r.kind = 'wasted'), 0) / 100, 2)
    FROM rounded r GROUP BY r.customer_ref ORDER BY r.customer_ref;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_tenant_costs IS
    'A month (UTC) of wab_costs by customer_ref, adding up to it to the cent. month may be any day of it, and defaults to '
    'today. Bridges without a customer_ref have a row too, with null, and so have those whose tenant is gone. A bridge '
    'that changed its customer_ref counts for both, each for its time.';
