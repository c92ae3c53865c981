#!/usr/bin/env bash
# The fleet into a table with what every machine has: curl, jq, psql. Prints how many bridges there are.
set -euo pipefail
curl -sS --fail --noproxy '*' -H "Authorization: Bearer $WA_API_KEY" "$WA_API_URL/api/instances" |
  jq -r '.[] | [.id, .customer_ref, .state, .status, .created_at] | @tsv' |
  psql -X -q -A -t -v ON_ERROR_STOP=1 \
    -c 'CREATE TEMP TABLE fetched (bridge_id bigint, customer_ref text, state text, status text, created_at timestamptz)' \
    -c '\copy fetched FROM pstdin' -c 'SELECT count(*) FROM fetched'
