SELECT (SELECT count(*) FROM @extschema@.wab_bridges) AS bridges,
       (SELECT p.price_per_bridge FROM @extschema@.wab_policy p) AS price
