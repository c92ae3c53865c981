#!/usr/bin/env bash
# Copies the fleet into a table with common tools (curl, jq, psql) and prints the number of bridges.
set -euo pipefail
curl -sS --fail --noproxy '*' -H "Authorization: Bearer $WA_API_KEY" "$WA_API_URL/api/instances" |
  jq -r '.[] | [.id, .customer_ref, .state, .status, .created_at] | @tsv' |
  psql -X -q -A -t -v ON_ERROR_STOP=1 \
    -c 'CREATE TEMP TABLE fetched (bridge_id bigint, customer_ref text, state text, status text, created_at timestamptz)' \
    -c '\copy fetched FROM pstdin' -c 'SELECT count(*) FROM fetched'
