-- Tests which status a reported one means, and since when a bridge counts as unpaired.
CREATE EXTENSION pg_wabridges;
SELECT reported, _wab_status_of(reported, NULL) AS was_paired, _wab_status_of(reported, '2026-01-01') AS is_unpaired
FROM unnest('{paired,awaiting_scan,disconnected,unknown,NULL}'::text[]) reported;
SELECT r.reported, w.was, w.raw, w.unpaired IS NOT NULL AS was_unpaired,
       _wab_unpaired_since(r.reported, '2026-01-09', w.unpaired, w.was, w.raw, '2026-01-05', '2026-01-01')::date
FROM unnest('{paired,awaiting_scan,disconnected,unknown}'::text[]) r(reported),
     (VALUES ('paired', 'connected', NULL::timestamptz), ('disconnected', 'closed', NULL), ('unknown', 'odd', NULL), ('unknown', NULL, NULL),
             ('awaiting_scan', 'qr', '2026-01-03')) w(was, raw, unpaired);
