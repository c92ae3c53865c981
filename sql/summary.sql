-- Creates wab_summary(), which is one row about the fleet, and wab_log_summary(), which keeps it.

CREATE FUNCTION @extschema@.wab_summary()
RETURNS TABLE (observed_at timestamptz, bridges bigint, paired bigint, awaiting_scan bigint, disconnected bigint,
    unknown bigint, orphaned bigint, churned bigint, missing bigint, monthly_cost numeric, monthly_waste numeric)
LANGUAGE plpgsql STABLE ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM @extschema@._wab_require_binding();
    PERFORM @extschema@._wab_warn_of_hidden_rows();
    PERFORM set_config('search_path', @extschema@._wab_binding_path(), true);
    RETURN QUERY SELECT s.observed_at, s.bridges, s.paired, s.awaiting_scan, s.disconnected, s.unknown,
                        s.orphaned, s.churned, s.missing, s.monthly_cost, s.monthly_waste
                 FROM @extschema@.wab_fleet_summary s;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_summary IS
    'One row: bridges by status and by drift, and US dollars per month, as of the last observation. A WARNING says if '
    'row-level security hides tenants from the caller.';

CREATE FUNCTION @extschema@.wab_log_summary() RETURNS @extschema@.wab_summaries
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
DECLARE
    logged @extschema@.wab_summaries;
BEGIN
    PERFORM @extschema@._wab_require_all_rows();
    INSERT INTO @extschema@.wab_summaries
        (observed_at, bridges, paired, awaiting_scan, disconnected, unknown, orphaned, churned, missing, monthly_cost,
            monthly_waste)
    SELECT s.* FROM @extschema@.wab_summary() s
    RETURNING * INTO logged;
    RAISE LOG USING MESSAGE = format(
        'wab: %s bridges: %s paired, %s awaiting scan, %s disconnected, %s unknown; %s orphaned, %s churned, '
        '%s tenants missing one; $%s a month, $%s of it wasted',
        logged.bridges, logged.paired, logged.awaiting_scan, logged.disconnected, logged.unknown,
        logged.orphaned, logged.churned, logged.missing, logged.monthly_cost, logged.monthly_waste);
    RETURN logged;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_log_summary IS
    'Writes wab_summary() to wab_summaries and to the server log, and returns it. Meant to be scheduled with pg_cron.';
