SELECT p.price_per_bridge * (SELECT count(*) FROM @extschema@.wab_bridges) FROM @extschema@.wab_policy p
