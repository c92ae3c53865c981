-- While the last listing is mirrored, wab_bridges holds its bridges; counting them would read the whole table.
SELECT coalesce((SELECT o.bridges::bigint FROM @extschema@._wab_last_observation() o WHERE o.mirrored),
                (SELECT count(*) FROM @extschema@.wab_bridges)) AS bridges,
       (SELECT p.price_per_bridge FROM @extschema@.wab_policy p) AS price
