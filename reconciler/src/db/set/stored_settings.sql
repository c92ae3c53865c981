-- A time in seconds.
SELECT s.name, s.value
FROM @extschema@.wab_policy p
CROSS JOIN LATERAL (VALUES
    ('disconnected_after', extract(epoch FROM p.disconnected_after)),
    ('awaiting_scan_after', extract(epoch FROM p.awaiting_scan_after)),
    ('state_after', extract(epoch FROM p.state_after)),
    ('unmapped_after', extract(epoch FROM p.unmapped_after)),
    ('max_gap', extract(epoch FROM p.max_gap)),
    ('flapping_window', extract(epoch FROM p.flapping_window)),
    ('mass_window', extract(epoch FROM p.mass_window)),
    ('unobserved_after', extract(epoch FROM p.unobserved_after)),
    ('flapping_changes', p.flapping_changes),
    ('mass_bridges', p.mass_bridges),
    ('mass_share', p.mass_share),
    ('silent_after', extract(epoch FROM p.silent_after)),
    ('phone_changed_for', extract(epoch FROM p.phone_changed_for)),
    ('max_shrink', p.max_shrink),
    ('price_per_bridge', p.price_per_bridge)
) AS s(name, value)
