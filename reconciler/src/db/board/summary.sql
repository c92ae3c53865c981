SELECT b.bridges, b.paired, b.awaiting_scan, b.disconnected, b.unknown, w.pending_provisions, w.pending_polls
FROM (SELECT pg_catalog.count(*) AS bridges,
             pg_catalog.count(*) FILTER (WHERE c.status OPERATOR(pg_catalog.=) 'paired') AS paired,
             pg_catalog.count(*) FILTER (WHERE c.status OPERATOR(pg_catalog.=) 'awaiting_scan') AS awaiting_scan,
             pg_catalog.count(*) FILTER (WHERE c.status OPERATOR(pg_catalog.=) 'disconnected') AS disconnected,
             pg_catalog.count(*) FILTER (WHERE c.status OPERATOR(pg_catalog.=) 'unknown') AS unknown
      FROM @extschema@.wab_bridges c) b
CROSS JOIN @extschema@.wab_status w
