UPDATE @extschema@.wab_policy p
SET disconnected_after = coalesce(g.disconnected_after, p.disconnected_after),
    awaiting_scan_after = coalesce(g.awaiting_scan_after, p.awaiting_scan_after),
    state_after = coalesce(g.state_after, p.state_after),
    unmapped_after = coalesce(g.unmapped_after, p.unmapped_after)
FROM (SELECT make_interval(secs => max(u.seconds) FILTER (WHERE u.name = 'disconnected_after')) AS disconnected_after,
             make_interval(secs => max(u.seconds) FILTER (WHERE u.name = 'awaiting_scan_after')) AS awaiting_scan_after,
             make_interval(secs => max(u.seconds) FILTER (WHERE u.name = 'state_after')) AS state_after,
             make_interval(secs => max(u.seconds) FILTER (WHERE u.name = 'unmapped_after')) AS unmapped_after
      FROM unnest($1::text[], $2::float8[]) AS u(name, seconds)) g
