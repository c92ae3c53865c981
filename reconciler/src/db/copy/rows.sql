-- Copies the rows that an evaluation reads, in the columns that both versions have and this role may read. The newest
-- observation, and those in the future, which are not believed, come last: a trigger on wab_bridges marks them as changed.
DO $$
DECLARE
    part record;
BEGIN
    FOR part IN
        SELECT t.name, t.which, string_agg(quote_ident(mine.attname), ', ' ORDER BY mine.attnum) AS columns
        FROM (VALUES (1, 'wab_bridges', ''), (2, 'wab_declared', ''), (3, '_wab_policy', ''), (4, '_wab_status_words', ''),
                     (5, 'wab_tenant_binding', ''), (6, 'wab_queue', ''), (7, 'wab_drift_episodes', 'WHERE ended_at IS NULL'),
                     (7, 'wab_activity', 'WHERE EXISTS (SELECT FROM @home@.wab_policy p WHERE p.silent_after IS NOT NULL)'),
                     (8, 'wab_nudges', 'WHERE customer_ref IN (SELECT b.customer_ref FROM @home@.wab_bridges b
                                                               WHERE b.status = ''awaiting_scan'')'),
                     (9, 'wab_observations', 'WHERE observed_at >= coalesce((
                          SELECT max(o.observed_at) FROM @home@.wab_observations o
                          WHERE o.observed_at <= clock_timestamp()), ''-infinity'')')) t(nth, name, which)
        JOIN pg_attribute mine ON mine.attrelid = to_regclass(format('@extschema@.%I', t.name))
        JOIN pg_attribute theirs ON theirs.attrelid = to_regclass(format('@home@.%I', t.name))
                                AND theirs.attname = mine.attname
        WHERE mine.attnum > 0 AND NOT mine.attisdropped AND mine.attgenerated = ''
          AND has_column_privilege(theirs.attrelid, theirs.attnum, 'SELECT')
        GROUP BY t.nth, t.name, t.which ORDER BY t.nth
    LOOP
        EXECUTE format('DELETE FROM @extschema@.%I', part.name);
        EXECUTE format('INSERT INTO @extschema@.%1$I (%2$s) OVERRIDING SYSTEM VALUE SELECT %2$s FROM @home@.%1$I %3$s',
                       part.name, part.columns, part.which);
    END LOOP;
    -- This role may not read the numbers, so that it is shown what the view and the recorded drift say of them.
    EXECUTE format('REVOKE SELECT ON @extschema@.wab_phones FROM %I', current_user);
    IF has_table_privilege(to_regclass('@home@._wab_phone_signs'), 'SELECT') THEN
        CREATE OR REPLACE VIEW @extschema@._wab_phone_signs AS SELECT * FROM @home@._wab_phone_signs;
    END IF;
END
$$
