SELECT h.paired_share_1d, h.paired_share_7d, h.paired_share_30d, h.coverage_1d, h.coverage_7d, h.coverage_30d,
       h.reconnections_30d, pg_catalog.date_part('epoch', h.mean_time_disconnected_30d)::pg_catalog.int8 AS mean_seconds_disconnected_30d,
       h.longest_disconnected_customer_ref AS customer_ref,
       pg_catalog.date_part('epoch', h.longest_disconnected)::pg_catalog.int8 AS longest_disconnected_seconds
FROM @extschema@.wab_fleet_health h
