UPDATE @extschema@.wab_policy p
SET disconnected_after = coalesce(make_interval(secs => s.disconnected_after::float8), p.disconnected_after),
    awaiting_scan_after = coalesce(make_interval(secs => s.awaiting_scan_after::float8), p.awaiting_scan_after),
    state_after = coalesce(make_interval(secs => s.state_after::float8), p.state_after),
    unmapped_after = coalesce(make_interval(secs => s.unmapped_after::float8), p.unmapped_after),
    max_gap = coalesce(make_interval(secs => s.max_gap::float8), p.max_gap),
    max_shrink = coalesce(s.max_shrink, p.max_shrink),
    price_per_bridge = coalesce(s.price_per_bridge, p.price_per_bridge)
FROM (SELECT max(u.value) FILTER (WHERE u.name = 'disconnected_after') AS disconnected_after,
             max(u.value) FILTER (WHERE u.name = 'awaiting_scan_after') AS awaiting_scan_after,
             max(u.value) FILTER (WHERE u.name = 'state_after') AS state_after,
             max(u.value) FILTER (WHERE u.name = 'unmapped_after') AS unmapped_after,
             max(u.value) FILTER (WHERE u.name = 'max_gap') AS max_gap,
             max(u.value) FILTER (WHERE u.name = 'max_shrink') AS max_shrink,
             max(u.value) FILTER (WHERE u.name = 'price_per_bridge') AS price_per_bridge
      FROM unnest($1::text[], $2::numeric[]) AS u(name, value)) s
