-- Marks the bridges that share a customer_ref, and deletes what was remembered of bridges that are gone or share theirs.

CREATE FUNCTION @extschema@._wab_mark_duplicates() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
BEGIN
    WITH twice AS (
        SELECT b.customer_ref FROM @extschema@.wab_bridges b
        WHERE b.customer_ref IS NOT NULL GROUP BY b.customer_ref HAVING count(*) > 1
    )
    UPDATE @extschema@.wab_bridges b SET duplicated = NOT b.duplicated
    WHERE b.duplicated <> (b.customer_ref IS NOT NULL AND b.customer_ref IN (SELECT t.customer_ref FROM twice t));
    IF @extschema@._wab_may_remember() THEN
        PERFORM @extschema@._wab_forget_phones(ARRAY(
            SELECT p.bridge_id FROM @extschema@.wab_phones p
            WHERE NOT EXISTS (SELECT FROM @extschema@.wab_bridges b WHERE b.bridge_id = p.bridge_id AND NOT b.duplicated
                              AND b.customer_ref IS NOT DISTINCT FROM p.customer_ref)));
        PERFORM @extschema@._wab_forget_activity(ARRAY(
            SELECT a.bridge_id FROM @extschema@.wab_activity a
            WHERE NOT EXISTS (SELECT FROM @extschema@.wab_bridges b WHERE b.bridge_id = a.bridge_id)));
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_mark_duplicates IS
    'Sets wab_bridges.duplicated for every bridge whose customer_ref another bridge carries, and clears it for the '
    'others. Deletes the numbers of bridges that are gone, carry another customer_ref or share theirs, and the activity of '
    'those that are gone. Called when bridges came, went or changed their customer_ref.';

CREATE FUNCTION @extschema@._wab_mark_duplicates_of(customer_refs text[], bridge_id bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_column
DECLARE
    sharing bigint[];
BEGIN
    WITH marked AS (
        UPDATE @extschema@.wab_bridges b SET duplicated = NOT b.duplicated
        WHERE b.customer_ref = ANY (customer_refs)
          AND b.duplicated <> EXISTS (SELECT FROM @extschema@.wab_bridges o
                                      WHERE o.customer_ref = b.customer_ref AND o.bridge_id <> b.bridge_id)
        RETURNING b.bridge_id, b.duplicated
    )
    SELECT array_agg(m.bridge_id) FILTER (WHERE m.duplicated) INTO sharing FROM marked m;
    IF @extschema@._wab_may_remember() THEN
        PERFORM @extschema@._wab_forget_phones(sharing || _wab_mark_duplicates_of.bridge_id);
        IF NOT EXISTS (SELECT FROM @extschema@.wab_bridges b WHERE b.bridge_id = _wab_mark_duplicates_of.bridge_id) THEN
            PERFORM @extschema@._wab_forget_activity(ARRAY[_wab_mark_duplicates_of.bridge_id]);
        END IF;
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_mark_duplicates_of IS
    '_wab_mark_duplicates() for one bridge that came, went or changed its customer_ref, and the bridges that carry the '
    'customer_refs that it has or had. It reads no other bridge.';
