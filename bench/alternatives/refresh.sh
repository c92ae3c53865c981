#!/usr/bin/env bash
# Upserts the fleet into a permanent table with curl, jq and psql, and deletes removed bridges; writes only rows that differ.
set -euo pipefail
curl -sS --fail --noproxy '*' -H "Authorization: Bearer $WA_API_KEY" "$WA_API_URL/api/instances" |
  jq -r '.[] | [.id, .customer_ref, .state, .status, .created_at] | @tsv' |
  psql -X -q -A -t -v ON_ERROR_STOP=1 -1 \
    -c 'CREATE TEMP TABLE fetched (bridge_id bigint, customer_ref text, state text, status text, created_at timestamptz) ON COMMIT DROP' \
    -c '\copy fetched FROM pstdin' -c 'ANALYZE fetched' \
    -c 'INSERT INTO bridges AS b SELECT * FROM fetched ON CONFLICT (bridge_id) DO UPDATE
        SET (customer_ref, state, status, created_at) = (excluded.customer_ref, excluded.state, excluded.status, excluded.created_at)
        WHERE (b.customer_ref, b.state, b.status, b.created_at)
              IS DISTINCT FROM (excluded.customer_ref, excluded.state, excluded.status, excluded.created_at)' \
    -c 'DELETE FROM bridges b WHERE NOT EXISTS (SELECT FROM fetched f WHERE f.bridge_id = b.bridge_id)'
