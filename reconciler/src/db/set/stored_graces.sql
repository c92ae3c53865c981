SELECT g.name, extract(epoch FROM g.value)::float8 AS seconds
FROM @extschema@.wab_policy p
CROSS JOIN LATERAL (VALUES
    ('disconnected_after', p.disconnected_after),
    ('awaiting_scan_after', p.awaiting_scan_after),
    ('state_after', p.state_after),
    ('unmapped_after', p.unmapped_after)
) AS g(name, value)
